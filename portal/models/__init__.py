"""What the frame remembers: people, the audit trail, the outbox and whom it tells, and the worker's clock."""

from portal.models.counting import FailedAttempts, HourlyCount, KeptAnswer, KeptCount, ScheduledJob, WindowCount
from portal.models.mail import Digest, ExpiryNotice, Letter
from portal.models.people import Tenant, User
from portal.models.trail import AuditEvent, AuditHead, Outbox
from portal.models.webhooks import Delivery, DeliveryState, Webhook

__all__ = [
    "AuditEvent",
    "AuditHead",
    "Delivery",
    "DeliveryState",
    "Digest",
    "ExpiryNotice",
    "FailedAttempts",
    "HourlyCount",
    "KeptAnswer",
    "KeptCount",
    "Letter",
    "Outbox",
    "ScheduledJob",
    "Tenant",
    "User",
    "Webhook",
    "WindowCount",
]
