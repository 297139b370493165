"""The ECB's file of reference rates on loopback."""
