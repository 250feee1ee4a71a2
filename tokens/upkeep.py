"""What the worker does for keys and credentials."""

from portal.actor import Actor
from portal.schedule import every
from tokens import gateway_logins, key_rotation, pepper_rotation, revocation, settling


@every(5, "go on with the rotation of signing keys")
def rotate_signing_keys() -> None:
    key_rotation.go_on(by=Actor.worker())


@every(5, "go on with the rotation of peppers")
def rotate_peppers() -> None:
    pepper_rotation.activate(by=Actor.worker())


@every(600, "retire peppers that no secret needs")
def retire_peppers() -> None:
    pepper_rotation.retire(by=Actor.worker())


every(60, "write down which secrets have ended")(settling.settle_all)
every(3600, "forget revocations that are over")(revocation.forget)
every(3600, "forget logins of gateway users that are over")(gateway_logins.forget)
