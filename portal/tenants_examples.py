"""Tenants as the OpenAPI shows them; a test sends what is asked here and compares what is answered."""

TENANT = {"name": "ten1", "title": "Plant 7"}
NEW = {"name": "ten1", "title": "Plant 7"}
CHANGE = {"title": "Plant 7, halls 1 to 4"}
CHANGED = TENANT | CHANGE
