"""What the worker does for the fleet."""

from devices import bulk_decisions, digest, shutdown_counts, shutdown_deadlines
from portal.actor import Actor
from portal.schedule import beside, every

every(3600, "forget old bulk decisions")(bulk_decisions.forget)
every(60, "count shutdowns")(shutdown_counts.keep)
beside("mail")(digest.run)


@every(1, "move shutdowns on")
def move_shutdowns_on() -> None:
    shutdown_deadlines.move_on(by=Actor.worker())
