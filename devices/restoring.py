"""A shutdown that was not claimed when the backup was made may have been since, and must not be done again."""

from devices import shutdown_cancel
from devices.models import ShutdownTarget
from devices.shutdown_states import NOT_CLAIMED
from portal import restoring

restoring.register(
    "shutdowns",
    lambda: ShutdownTarget.objects.filter(state__in=NOT_CLAIMED),
    lambda by: shutdown_cancel.withdraw_all("The database was restored from a backup.", by=by),
)
