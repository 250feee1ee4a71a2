"""Simulated devices that speak the real protocols to the real doors; they know a URL and their own keys, no more."""
