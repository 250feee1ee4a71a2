"""What was made once is given again, for as many questions as there are nodes to ask them."""

from collections import OrderedDict
from collections.abc import Callable
from threading import Lock
from typing import Generic, ParamSpec, TypeVar

from gateway.models import GatewayNode

# Those of a small installation fit whatever it does; those of a huge one must not fill the machine.
LEAST, MOST = 64, 1024

Asked = ParamSpec("Asked")
Made = TypeVar("Made")


class OfEachNode(Generic[Asked, Made]):
    """Like `functools.lru_cache`, with room that grows with the nodes; they are counted only where something is new."""

    def __init__(self, make: Callable[Asked, Made]) -> None:
        self._make = make
        self._made: OrderedDict[object, Made] = OrderedDict()
        self._lock = Lock()

    def __call__(self, *asked: Asked.args, **facts: Asked.kwargs) -> Made:
        key = (asked, *sorted(facts.items()))
        with self._lock:
            if key in self._made:
                self._made.move_to_end(key)
                return self._made[key]
        made, room = self._make(*asked, **facts), _room()
        with self._lock:
            self._made[key] = made
            while len(self._made) > room:
                self._made.popitem(last=False)
        return made


def _room() -> int:
    """Twice the nodes: where something changes, each is asked about what is and was."""
    return min(max(LEAST, 2 * GatewayNode.objects.count()), MOST)
