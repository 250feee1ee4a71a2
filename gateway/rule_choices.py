"""Tells enrolment rules which device CAs they may name."""

from collections.abc import Sequence

from devices import known_cas
from devices.known_cas import KnownCA
from gateway.models import DeviceCA


@known_cas.tells
def device_cas() -> Sequence[KnownCA]:
    """All device CAs, also those whose keys are elsewhere."""
    return [KnownCA(*facts) for facts in DeviceCA.objects.values_list("fingerprint", "name")]
