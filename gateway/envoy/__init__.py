"""What Envoy is told: one module per xDS resource, each a pure function from a plan to JSON."""
