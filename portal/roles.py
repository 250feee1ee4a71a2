"""The roles of people. Each is declared here and nowhere else, with the scopes that it holds."""

from collections.abc import Mapping

from django.db import models

from portal.scopes import Scope


class Role(models.TextChoices):
    """What a person may do; the label is what people read."""

    ADMINISTRATOR = "administrator", "Administrator"
    OPERATOR = "operator", "Operator"
    VIEWER = "viewer", "Viewer"


READS = frozenset(scope for scope in Scope if scope.endswith(":read"))
FLEET = frozenset(scope for scope in Scope if scope.startswith(("devices:", "shutdowns:")))

SCOPES: Mapping[str, frozenset[Scope]] = {
    Role.ADMINISTRATOR: frozenset(Scope),
    Role.OPERATOR: READS | FLEET,
    Role.VIEWER: READS,
}
