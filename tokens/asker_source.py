"""Which credentials of apps stand and whose they are, for those who take orders from apps."""

from devices.shutdown_askers import Credentials, keeper
from tokens.models import AppCredential

NAMED = "credential "  # So an Actor names them.


@keeper
def find(credential: str, lock: bool) -> Credentials | None:
    """The app credentials of this name, unless they were revoked, disabled or deleted."""
    if not credential.startswith(NAMED):
        return None
    standing = AppCredential.objects.filter(
        pk=credential.removeprefix(NAMED), revoked_at=None, disabled_at=None
    ).values_list("owner_id", flat=True)
    found = list(standing.select_for_update() if lock else standing)
    return Credentials(found[0]) if found else None
