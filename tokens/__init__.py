"""The keys: API tokens, app credentials and signing keys. It imports portal and devices."""
