"""What the worker does to apps whose device is denied, removed, rejected or submitted anew, or gets another key.

The portal itself refuses them at once, by the state of the device. Here it is written down, and told to the gateway's
nodes, which judge by nothing else.
"""

from collections import Counter
from collections.abc import Sequence

from django.db.models import F, Q, QuerySet
from django.utils import timezone

from devices.models import Device
from portal import outbox
from portal.actor import Actor
from portal.models import Outbox
from portal.topics import Topic
from tokens import held, revocation, switching
from tokens.models import App, InstalledApp, Named

# What is told where what a device was granted has ended, though it is not denied; its epoch was counted on.
ENDED = (Topic.DEVICE_REJECTED, Topic.DEVICE_PENDING, Topic.KEY_CHANGE_ACCEPTED)


@outbox.batch_receiver
def take(messages: Sequence[Outbox]) -> None:
    """One look for the apps on all devices that a batch tells of, since most devices have none."""
    about = [(message.topic, str(message.body.get("device"))) for message in messages]
    by = Actor.worker()
    if denied := {device for topic, device in about if topic == Topic.DEVICE_DENIED}:
        _revoke_dead(Q(device__in=denied), "Its device was denied.", by)
    if purged := {device for topic, device in about if topic == Topic.DEVICE_PURGED}:
        _revoke_dead(Q(device=None, on__in=purged), "Its device was removed.", by)
    if ended := Counter(device for topic, device in about if topic in ENDED):
        _end_what_was_bought(ended)


def make_room(app: App, device: Device, *, by: Actor) -> None:
    """Revoke what the app was on this device before it was denied or removed, if the worker has not done so yet."""
    _revoke_dead(Q(app=app, on=device.pk), "Its device was denied or removed.", by)


def _revoke_dead(which: Q, why: str, by: Actor) -> None:
    """Revoke for good those whose device was denied or removed since; one that was installed after that lives.

    All are locked before the history is, as by everybody who changes one.
    """
    is_dead = Q(device=None) | Q(denials__lt=F("device__denials"))
    dead: QuerySet[InstalledApp] = InstalledApp.objects.filter(which, is_dead, revoked_at=None)
    locked = dead.select_for_update(of=("self",)).prefetch_related("secrets").order_by("pk")
    switching.end_for_good(list(locked), by, why)


def _end_what_was_bought(ended: Counter[str]) -> None:
    """Name what app tokens had bought before; they themselves live on.

    Of a device that is told of several times it ended as often. One time more is looked back, for an end that is told
    in the next batch, or a generation that was counted meanwhile: what is named in vain was dead before.
    """
    installed = InstalledApp.objects.filter(device__in=list(ended), revoked_at=None)
    now, grants = timezone.now(), []
    for each in installed.select_related("device").prefetch_related("secrets"):
        epoch = each.device.epoch
        past = range(max(0, epoch - ended[each.on] - 1), epoch)
        grants += [revocation.grant(secret, before) for secret in held.live_lately(each, now) for before in past]
    if grants:
        revocation.refuse(Named.GRANT, grants)
