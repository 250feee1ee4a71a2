"""Which entry of a route table a request meets, found as Envoy finds it; for telling beforehand what it would do."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from gateway.envoy import tree

# What may stand beside a path in the `match` of an entry; another condition would be judged wrong here, so it is told.
CONDITIONS = frozenset({"headers", "query_parameters"})


@dataclass(frozen=True)
class Asked:
    """A request: its path with the query behind it, and the headers that it shows, by their names in small letters."""

    method: str
    path: str
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)

    def header(self, name: str) -> str | None:
        return {":method": self.method, ":path": self.path}.get(name, self.headers.get(name))


def is_refused_unread(path: str) -> bool:
    """Whether the door refuses the path before it looks for a route: for an escaped slash, or for a fragment."""
    return "#" in path or re.search("%(2f|5c)", _bare(path), re.IGNORECASE) is not None


def merged(path: str) -> str:
    """The path with each run of slashes made one; the query stays. A path of nothing but slashes stays two."""
    bare = _bare(path)
    if "//" not in bare:
        return path
    middle = "/".join(part for part in bare[1:].split("/") if part)
    return f"/{middle}{'/' if bare.endswith('/') else ''}{path[len(bare) :]}"


def entry(table: Mapping[str, Any], asked: Asked) -> dict[str, Any] | None:
    """The first entry of the one virtual host that the request fits, among those that it reaches."""
    [host] = table["virtual_hosts"]
    known = tree.read(host)
    beginnings = [beginning for beginning in known.below if asked.path.startswith(beginning)]
    reached = known.below[max(beginnings, key=len)] if beginnings else known.otherwise
    return next((each for each in (*known.refused, *reached) if fits(each["match"], asked)), None)


def rewritten(action: Mapping[str, Any], path: str) -> str:
    """What the service is asked for: the path past its rewriting, and the query as it is."""
    bare, rewrite = _bare(path), action["regex_rewrite"]
    return re.sub(rewrite["pattern"]["regex"], lambda _: rewrite["substitution"], bare, count=1) + path[len(bare) :]


def fits(match: Mapping[str, Any], asked: Asked) -> bool:
    """Whether the request meets every condition of an entry."""
    kind, *others = [name for name in match if name not in CONDITIONS]
    if others or kind not in _PATHS:
        raise NotImplementedError(f"No condition {match} of a route is known here.")
    return (
        _PATHS[kind](match[kind], _bare(asked.path), asked.method)
        and all(_header(each, asked.header(each["name"])) for each in match.get("headers", ()))
        and all(_parameter(each, asked.path) for each in match.get("query_parameters", ()))
    )


_PATHS: Final[Mapping[str, Callable[[Any, str, str], bool]]] = {
    "connect_matcher": lambda _, path, method: method == "CONNECT",
    "prefix": lambda prefix, path, _: path.startswith(prefix),
    "path": lambda whole, path, _: path == whole,
    "safe_regex": lambda regex, path, _: re.fullmatch(regex["regex"], path) is not None,
    "path_separated_prefix": lambda prefix, path, _: path == prefix or path.startswith(f"{prefix}/"),
}


def _header(match: Mapping[str, Any], value: str | None) -> bool:
    """A header that is absent fits nothing but that it be absent, inverted or not."""
    inverted = bool(match.get("invert_match"))
    if "present_match" in match:
        return ((value is not None) is match["present_match"]) is not inverted
    return value is not None and _text(match["string_match"], value) is not inverted


def _parameter(match: Mapping[str, Any], path: str) -> bool:
    """Names and values are compared as they are sent; of several of one name the first counts."""
    _, _, query = path.partition("?")
    pairs = [each.partition("=") for each in query.split("&")]
    value = next((value for name, _, value in pairs if name == match["name"]), None)
    if "present_match" in match:
        return (value is not None) is match["present_match"]
    return value is not None and _text(match["string_match"], value)


def _text(match: Mapping[str, Any], value: str) -> bool:
    [(kind, wanted)] = [(kind, wanted) for kind, wanted in match.items() if kind != "ignore_case"]
    if kind == "safe_regex":
        return re.fullmatch(wanted["regex"], value) is not None
    if match.get("ignore_case"):
        wanted, value = wanted.lower(), value.lower()
    return bool({"exact": value == wanted, "prefix": value.startswith(wanted), "contains": wanted in value}[kind])


def _bare(path: str) -> str:
    """The path without its query."""
    return path.partition("?")[0]
