"""What the worker does for the fleet."""

from devices import bulk_decisions, digest
from portal.schedule import beside, every

every(3600, "forget old bulk decisions")(bulk_decisions.forget)
beside("mail")(digest.run)
