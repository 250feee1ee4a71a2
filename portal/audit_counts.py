"""How many changes of each verb there have been: what the worker has counted, and from the trail what came since."""

from collections import Counter
from collections.abc import Mapping

from django.db.models import Count

from portal.models import AuditEvent, AuditHead, KeptCount

NAME = "changes"


def by_verb() -> Mapping[str, int]:
    """Exact, and at the price of the rows of a minute."""
    return _counted()[1]


def keep() -> None:
    """Let the next who ask begin where the trail ends now."""
    upto, numbers = _counted()
    KeptCount.objects.update_or_create(name=NAME, defaults={"numbers": numbers, "upto": upto})


def _counted() -> tuple[int, Counter[str]]:
    kept = KeptCount.objects.filter(name=NAME).first() or KeptCount(numbers={})
    upto = AuditHead.objects.get().number  # Behind it rows may be on their way that nobody sees yet.
    since = AuditEvent.objects.filter(number__gt=kept.upto, number__lte=upto).order_by()
    return upto, Counter(kept.numbers) + Counter(dict(since.values_list("verb").annotate(Count("number"))))
