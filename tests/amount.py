"""How much is generated."""

from django.conf import settings


def many(examples: int) -> int:
    """So many examples; of a second run on another database a quarter, as most is judged before any is asked."""
    return max(examples // 4, 2) if settings.ON_SERVER else examples
