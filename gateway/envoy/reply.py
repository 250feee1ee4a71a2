"""One of Envoy's own answers, and what it is the answer to."""

from dataclasses import dataclass
from typing import Any

AGAIN = "try again in a few seconds."
DETAILS = "response.code_details"


@dataclass(frozen=True)
class Reply:
    """What is answered to a cause: to what fits an expression (CEL), to some of Envoy's flags, headers or a status.

    `challenge` is what WWW-Authenticate says. Words between percent signs stand for what Envoy knows.
    """

    code: str
    sentence: str
    expression: str = ""
    flags: tuple[str, ...] = ()
    status_is: int = 0
    headers: tuple[dict[str, Any], ...] = ()
    status: int = 0
    retry_after: str = ""
    challenge: str = ""
