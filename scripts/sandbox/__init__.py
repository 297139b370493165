"""The providers' stand-ins: deterministic data behind their own APIs, on loopback."""
