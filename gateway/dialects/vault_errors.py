"""An error as the secret store of EdgeX writes it, and the addresses below which every error is written so."""

from typing import Any

PREFIXES = ("/vault/",)


def body(sentence: str) -> dict[str, Any]:
    """The body of every answer that is not a success."""
    return {"errors": [sentence]}
