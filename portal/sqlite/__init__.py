"""SQLite as a database of several processes: Django's backend, with writers that take turns."""
