"""A table of routes as a tree, so that a request among thousands of routes looks at few of them.

First what is refused whatever it asks for; then the longest beginning of the path that is known leads to the entries
below it; everything else to the rest. Whatever list is reached answers: none falls through to another.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from gateway.envoy.sources import typed

Entry = dict[str, Any]
Entries = Sequence[Entry]


@dataclass(frozen=True)
class Tree:
    """The lists of entries; `below` by a beginning of the path, such as `/core-data`.

    `plain` is a regex of paths that no entry of `refused` refuses: most requests are spared the others by it.
    """

    refused: Entries
    below: Mapping[str, Entries]
    otherwise: Entries
    plain: str = ""

    def every(self) -> list[Entry]:
        """All entries, list by list."""
        return [entry for each in (self.refused, *self.below.values(), self.otherwise) for entry in each]


def host(tree: Tree, **facts: Any) -> dict[str, Any]:
    """The one virtual host with the tree in it."""
    by_path: dict[str, Any] = _action(tree.otherwise)
    if tree.below:
        leaves = {beginning: _action(entries) for beginning, entries in tree.below.items()}
        by_path = {
            "matcher": {
                "matcher_tree": {"input": _input(":path"), "prefix_match_map": {"map": leaves}},
                "on_no_match": _action(tree.otherwise),
            }
        }
    # Each is refused by what it asks for itself, so the list is only reached by what meets one of its entries.
    by_header = [_predicate(entry["match"]) for entry in tree.refused if not _looks_at_path(entry["match"])]
    by_own_path = [_predicate(entry["match"]) for entry in tree.refused if _looks_at_path(entry["match"])]
    odd = _all_of({"not_matcher": _single(":path", _regex(tree.plain))}, _any_of(*by_own_path))
    matchers = [{"predicate": _any_of(*by_header, odd), "on_match": _action(tree.refused)}]
    matcher = {"matcher_list": {"matchers": matchers}, "on_no_match": by_path}
    return {"name": "gatehouse", "domains": ["*"], "matcher": matcher, **facts}


def read(host: Mapping[str, Any]) -> Tree:
    """The tree that stands in a virtual host."""
    matcher = host["matcher"]
    by_path = matcher["on_no_match"]
    below: dict[str, Entries] = {}
    if nested := by_path.get("matcher"):
        leaves = nested["matcher_tree"]["prefix_match_map"]["map"]
        below = {beginning: _entries(each) for beginning, each in leaves.items()}
        by_path = nested["on_no_match"]
    return Tree(_entries(matcher["matcher_list"]["matchers"][0]["on_match"]), below, _entries(by_path))


def _action(entries: Entries) -> dict[str, Any]:
    config = typed("envoy.config.route.v3.RouteList", routes=list(entries))
    return {"action": {"name": "routes", "typed_config": config}}


def _entries(reached: Mapping[str, Any]) -> Entries:
    found: list[Entry] = reached["action"]["typed_config"]["routes"]
    return found


def _input(header: str) -> dict[str, Any]:
    config = typed("envoy.type.matcher.v3.HttpRequestHeaderMatchInput", header_name=header)
    return {"name": "request-headers", "typed_config": config}


def _looks_at_path(match: Mapping[str, Any]) -> bool:
    return any(header["name"] == ":path" for header in match.get("headers", ()))


def _predicate(match: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry's own conditions say; they are on headers alone."""
    if "connect_matcher" in match:
        return _single(":method", {"exact": "CONNECT"})
    if match["prefix"]:
        raise NotImplementedError(f"An entry that refuses must not look at the path but by its header: {match}")
    every = [each for header in match["headers"] for each in _of_header(header)]
    return _all_of(*every)


def _of_header(match: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A header that is absent meets no condition, inverted or not."""
    [(kind, wanted)] = match["string_match"].items()
    met = _single(match["name"], _regex(wanted["regex"]) if kind == "safe_regex" else {kind: wanted})
    if not match.get("invert_match"):
        return [met]
    return [_single(match["name"], _regex(".*")), {"not_matcher": met}]


def _all_of(*predicates: dict[str, Any]) -> dict[str, Any]:
    return predicates[0] if len(predicates) == 1 else {"and_matcher": {"predicate": list(predicates)}}


def _any_of(*predicates: dict[str, Any]) -> dict[str, Any]:
    return predicates[0] if len(predicates) == 1 else {"or_matcher": {"predicate": list(predicates)}}


def _single(header: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"single_predicate": {"input": _input(header), "value_match": value}}


def _regex(regex: str) -> dict[str, Any]:
    return {"safe_regex": {"google_re2": {}, "regex": regex}}
