"""One module per foreign system: its paths, shapes, statuses and words over our rules."""
