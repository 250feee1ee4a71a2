"""One POST to an address that others chose, bounded whatever answers: no redirect, no proxy, 5 s, 10 s, 16 KiB.

The clock stands over the whole of it, so that an answer that comes byte by byte ends like one that never comes. The
name is looked up once and judged, and the connection goes to an address that was judged; TLS is for the name.
"""

import asyncio
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache

import httpx

from portal import targets
from portal.refusal import Refusal
from portal.targets import Allowed, Target

LOOK_UP, CONNECT, WHOLE = 3.0, 5.0, 10.0
MOST = 16 * 1024
TURN = 0.1


class Stopped(Exception):
    """The process is to end; nothing is known of the exchange."""


@dataclass(frozen=True)
class Outcome:
    """How it went: the status if there was an answer, one sentence if it was no success, milliseconds."""

    status: int | None
    error: str
    took_ms: int

    @property
    def is_success(self) -> bool:
        return not self.error

    @property
    def is_gone(self) -> bool:
        """The receiver wants nothing more, ever (RFC 9110, 15.5.11)."""
        return self.status == 410


@dataclass
class _Heard:
    """What came until now; the status counts, even if the body after it never ends."""

    status: int | None = None
    error: str = ""
    addresses: list[str] = field(default_factory=list)


def post(
    url: str,
    body: bytes,
    headers: Mapping[str, str],
    *,
    allowed: Allowed,
    is_stopping: Callable[[], bool] = lambda: False,
) -> Outcome:
    """Send the body and say how it went, after 10 s at most; raises `Stopped` as soon as the process is to end."""
    began = time.monotonic()
    heard = _Heard()
    try:
        target = targets.read(url, allowed)
        heard.addresses = targets.addresses_of(target, allowed, seconds=LOOK_UP)
        asyncio.run(_bounded(target, heard, body, headers, began + WHOLE - time.monotonic(), is_stopping))
    except Refusal as refused:
        heard.error = str(refused)
    took = round(1000 * (time.monotonic() - began))
    return Outcome(heard.status, heard.error if heard.status is None else _judged(heard.status), took)


async def _bounded(
    target: Target,
    heard: _Heard,
    body: bytes,
    headers: Mapping[str, str],
    seconds: float,
    is_stopping: Callable[[], bool],
) -> None:
    """Let the exchange run until it ends, its time is up, or the process is to end."""
    clock = asyncio.get_running_loop().time
    until = clock() + seconds
    sending = asyncio.create_task(_send(target, heard, body, headers))
    while not sending.done() and clock() < until and not is_stopping():
        await asyncio.wait({sending}, timeout=max(0.0, min(TURN, until - clock())))
    if sending.done():
        return sending.result()
    sending.cancel()
    await asyncio.wait({sending}, timeout=1)
    if clock() < until:
        raise Stopped
    heard.error = f"It gave no whole answer within {WHOLE:g} s."


async def _send(target: Target, heard: _Heard, body: bytes, headers: Mapping[str, str]) -> None:
    """Try the addresses one after another until one of them takes the connection."""
    timeout = httpx.Timeout(WHOLE, connect=CONNECT)
    # No proxy of the environment: it would look the name up anew, and go where nobody has judged.
    async with httpx.AsyncClient(verify=_trust(), trust_env=False, timeout=timeout) as client:
        for address in heard.addresses:
            url = httpx.URL(scheme=target.scheme, host=address, port=target.port, raw_path=target.rest.encode())
            request = client.build_request(
                "POST",
                url,
                content=body,
                headers={**headers, "Host": target.authority, "Accept-Encoding": "identity", "Connection": "close"},
                extensions={"sni_hostname": target.host},
            )
            try:
                return await _answered(client, request, heard)
            except (httpx.ConnectError, httpx.ConnectTimeout) as unreachable:
                heard.error = _unreachable(unreachable)
            except httpx.RemoteProtocolError:
                heard.error = "It closed the connection without an answer, or answered something that is not HTTP."
                return None
            except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
                heard.error = "The connection broke before there was an answer."
                return None


async def _answered(client: httpx.AsyncClient, request: httpx.Request, heard: _Heard) -> None:
    answer = await client.send(request, stream=True)
    heard.status = answer.status_code
    length = 0
    try:
        async for piece in answer.aiter_raw():
            length += len(piece)
            if length >= MOST:
                break
    except httpx.HTTPError:
        pass  # The status has been said; nobody reads what follows.
    finally:
        await answer.aclose()


def _judged(status: int) -> str:
    """What is wrong with the status; nothing is with 2xx."""
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"It answered {status}: redirects are not followed, so give the URL that it leads to."
    if status == 410:
        return "It answered 410: it wants nothing more."
    return f"It answered {status}; a success is 200 to 299."


def _unreachable(error: Exception) -> str:
    if isinstance(error, httpx.ConnectTimeout):
        return f"It took no connection within {CONNECT:g} s."
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"Its certificate is not trusted: {cause.verify_message}."
        if isinstance(cause, ssl.SSLError):
            return "It does not speak TLS as we do; TLS 1.2 or later is needed."
        cause = cause.__cause__ or cause.__context__
    return "It takes no connection there."


@cache
def _trust() -> ssl.SSLContext:
    """What the system trusts, which an operator can add to; reading it takes a while."""
    return ssl.create_default_context()
