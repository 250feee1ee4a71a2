"""What others may be told of. Each topic is declared here and nowhere else, in words for people."""

from django.db import models


class Topic(models.TextChoices):
    """One kind of message; rules put it into the outbox under this word."""

    DEVICE_PENDING = "device.pending", "A device asked to join and waits for a decision"
    DEVICE_ACCEPTED = "device.accepted", "A device was accepted"
    DEVICE_REJECTED = "device.rejected", "A device was rejected"
    DEVICE_PREAUTHORIZED = "device.preauthorized", "A device was announced before it came"
    DEVICE_DENIED = "device.denied", "A device was denied"
    DEVICE_RESTORED = "device.restored", "A denied device was restored"
    DEVICE_PURGED = "device.purged", "The record of a device was removed"
    DEVICE_CONFIG_CHANGED = "device.config_changed", "The configuration of a device was changed"
    KEY_CHANGE_OPENED = "key_change.opened", "A known device came with another key"
    RULE_MADE = "enrolment_rule.made", "An enrolment rule was made"
    RULE_CHANGED = "enrolment_rule.changed", "An enrolment rule was changed"
    RULE_ENABLED = "enrolment_rule.enabled", "An enrolment rule was switched on again"
    RULE_DISABLED = "enrolment_rule.disabled", "An enrolment rule was switched off"
    RULE_DELETED = "enrolment_rule.deleted", "An enrolment rule was deleted"
    TOKEN_ISSUED = "token.issued", "An API token was issued"
    TOKEN_ROTATED = "token.rotated", "An API token got a successor"
    TOKEN_DISABLED = "token.disabled", "An API token was switched off"
    TOKEN_ENABLED = "token.enabled", "An API token was switched on again"
    TOKEN_REVOKED = "token.revoked", "An API token was revoked"
    PERSON_CREATED = "person.created", "A person was added"
    PERSON_ROLE_CHANGED = "person.role_changed", "A person got another role"
    PERSON_DEACTIVATED = "person.deactivated", "A person was deactivated"
    PERSON_ACTIVATED = "person.activated", "A person was activated again"
    PERSON_PASSWORD_CHANGED = "person.password_changed", "A person changed their password"
    PERSON_PASSWORD_RESET = "person.password_reset", "A forgotten password was set anew"
    PERSON_SESSION_ENDED = "person.session_ended", "A session of a person was ended"
    PERSON_SESSIONS_ENDED = "person.sessions_ended", "All sessions of a person were ended"
    WEBHOOK_DISABLED = "webhook.disabled", "A webhook was switched off, by a person or because it failed for days"


# What a webhook gets without having chosen it: the test, and how many messages it missed while too many waited.
TEST, MISSED = "webhook.test", "webhook.missed"
