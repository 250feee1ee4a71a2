"""What of ours outlives its row when the database is put back from a backup: tokens that a key signed, and logins."""

from portal import restoring
from tokens import key_rotation
from tokens.models import KeyState, SigningKey, UserPassLogin

restoring.register("gateway_logins", UserPassLogin.objects.all)
# Whoever holds an access token was told when it ends, and no row of ours knows those that were sold since.
restoring.register(
    "signing_keys",
    lambda: SigningKey.objects.exclude(state=KeyState.RETIRED),
    lambda by: key_rotation.replace(by=by),
)
