"""The settings of an installation whose device door has one address more, to measure the others against."""

from portal.settings import *  # noqa: F403

DEVICE_URLCONF = "tests.bench.inside.device_door_urls"
