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
    """The lists of entries; `below` by a beginning of the path, such as `/core-data`."""

    refused: Entries
    below: Mapping[str, Entries]
    otherwise: Entries

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
    meets = {"or_matcher": {"predicate": [_predicate(entry["match"]) for entry in tree.refused]}}
    matchers = [{"predicate": meets, "on_match": _action(tree.refused)}]
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


def _predicate(match: Mapping[str, Any]) -> dict[str, Any]:
    """What the entry's own conditions say; they are on headers alone."""
    if "connect_matcher" in match:
        return _single(":method", {"exact": "CONNECT"})
    if match["prefix"]:
        raise NotImplementedError(f"An entry that refuses must not look at the path but by its header: {match}")
    every = [each for header in match["headers"] for each in _of_header(header)]
    return every[0] if len(every) == 1 else {"and_matcher": {"predicate": every}}


def _of_header(match: Mapping[str, Any]) -> list[dict[str, Any]]:
    """A header that is absent meets no condition, inverted or not."""
    there = _single(match["name"], _regex(".*"))
    if "present_match" in match:
        return [there]
    met = _single(match["name"], _regex(match["string_match"]["safe_regex"]["regex"]))
    return [there, {"not_matcher": met}] if match.get("invert_match") else [met]


def _single(header: str, value: dict[str, Any]) -> dict[str, Any]:
    return {"single_predicate": {"input": _input(header), "value_match": value}}


def _regex(regex: str) -> dict[str, Any]:
    return {"safe_regex": {"google_re2": {}, "regex": regex}}
