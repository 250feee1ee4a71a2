"""Where Envoy asks for what may change, and the pieces of which every resource is made."""

from typing import Any

from gateway.envoy.plan import XDS, Polls


def source(what: str, polls: Polls) -> dict[str, Any]:
    """The control plane. Envoy waits for the first answer as long as it takes: no door opens half configured."""
    return {
        "resource_api_version": "V3",
        "initial_fetch_timeout": "0s",
        "api_config_source": {
            "api_type": "REST",
            "transport_api_version": "V3",
            "cluster_names": [XDS],
            "refresh_delay": f"{getattr(polls, what)}s",
            "request_timeout": f"{polls.timeout}s",
        },
    }


def typed(message: str, /, **fields: Any) -> dict[str, Any]:
    """An Any as protobuf's JSON writes it."""
    return {"@type": f"type.googleapis.com/{message}", **fields}


def refusal(match: dict[str, Any], status: int, code: str, sentence: str, **facts: str) -> dict[str, Any]:
    """A route that answers no; replies.py makes a body of its metadata."""
    return {
        "name": code,
        "match": match,
        "direct_response": {"status": status},
        "metadata": {"filter_metadata": {"gatehouse": {"code": code, "sentence": sentence, **facts}}},
    }


def header(name: str, value: str, action: str = "OVERWRITE_IF_EXISTS_OR_ADD") -> dict[str, Any]:
    return {"header": {"key": name, "value": value}, "append_action": action}
