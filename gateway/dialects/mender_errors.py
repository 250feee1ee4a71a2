"""The words of Mender for what the door may answer too, and the addresses below which every error is written so."""

from collections.abc import Mapping

MANAGEMENT, DEVICES = "/api/management/", "/api/devices/"

# What its clients may compare, by status; anything else is said in a sentence of ours.
WORDS: Mapping[int, str] = {413: "request body is too large", 503: "service unavailable"}
