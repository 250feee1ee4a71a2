"""What the worker does for the frame."""

from django.contrib.sessions.backends.db import SessionStore

from portal import backlog, couriers, idempotency, outbox, tally, throttle
from portal.schedule import beside, every

every(0.5, "outbox")(outbox.hand_on)
every(300, "forget failed attempts")(throttle.forget)
every(3600, "clear ended sessions")(SessionStore.clear_expired)
every(3600, "forget kept answers")(idempotency.forget)
every(3600, "forget old counts")(tally.forget)
every(5, "tell webhooks what they missed")(backlog.tell_missed)
every(3600, "forget old deliveries")(backlog.forget)
beside("webhooks")(couriers.run)
