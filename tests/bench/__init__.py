"""Benchmarks: `python -m tests.bench [NAME …]` runs them against a whole installation of their own."""
