"""Simulated devices that speak the real protocols to the real doors; they know nothing but a URL."""
