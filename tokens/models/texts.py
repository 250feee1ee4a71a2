"""Lists of texts, such as scopes, in a JSON column."""

import json
from typing import Any

from django.db import models
from django.db.backends.base.base import BaseDatabaseWrapper


def texts(stored: Any) -> list[str]:
    """A list of texts; what no rule of ours has written reads as texts too, which name no scope and no network."""
    if not isinstance(stored, list):
        return [json.dumps(stored)]
    return [one if isinstance(one, str) else json.dumps(one) for one in stored]


class Texts(models.JSONField):
    """A JSON column that holds a list of texts."""

    def from_db_value(self, value: Any, expression: Any, connection: BaseDatabaseWrapper) -> list[str]:
        return texts(super().from_db_value(value, expression, connection))

    def deconstruct(self) -> Any:
        """The database knows nothing of it, so a migration says what is underneath."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.JSONField", args, kwargs
