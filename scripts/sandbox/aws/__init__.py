"""AWS's billing exports, byte for byte as AWS delivers them."""
