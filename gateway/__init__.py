"""The doors: Envoy's configuration and the dialects of foreign systems. It imports all the others."""
