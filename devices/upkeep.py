"""What the worker does for the fleet."""

from devices import bulk_decisions
from portal.schedule import every

every(3600, "forget old bulk decisions")(bulk_decisions.forget)
