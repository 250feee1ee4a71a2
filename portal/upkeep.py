"""What the worker does for the frame."""

from portal import audit_counts, backlog, couriers, idempotency, letters, notices, outbox, tally, throttle, windows
from portal.schedule import beside, every
from portal.session_store import SessionStore

every(0.5, "outbox")(outbox.hand_on)
every(300, "forget failed attempts")(throttle.forget)
every(3600, "forget old windows")(windows.forget)
every(3600, "clear ended sessions")(SessionStore.clear_expired)
every(3600, "forget kept answers")(idempotency.forget)
every(3600, "forget old counts")(tally.forget)
every(5, "tell webhooks what they missed")(backlog.tell_missed)
every(3600, "forget old deliveries")(backlog.forget)
every(60, "count changes")(audit_counts.keep)
every(600, "give notice of what ends")(notices.give)
beside("webhooks")(couriers.run)
beside("letters")(letters.run)
