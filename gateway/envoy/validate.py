"""Ask a real Envoy whether it would take a configuration, before any node is offered it."""

import json
import re
import subprocess
import tempfile
from copy import deepcopy
from pathlib import Path
from typing import Any

from gateway.envoy import bootstrap
from gateway.envoy.plan import Pair, Trusted
from gateway.envoy.secrets import bundle, secret

# Seconds, and for each second more so many bytes: two thousand routes take a busy machine a quarter of a minute.
TIMEOUT = 10
BYTES_PER_SECOND = 256 * 1024
LONGEST = 300


def reason_against(
    envoy: Path,
    pair: Pair,
    trusted: Trusted,
    *,
    listeners: list[dict[str, Any]],
    clusters: list[dict[str, Any]],
    tables: list[dict[str, Any]],
    extension_configs: list[dict[str, Any]],
) -> str | None:
    """Why Envoy would refuse this, in its words; None if it takes it. `pair` is a throw-away certificate."""
    config = {
        "node": {"id": "trial", "cluster": "gatehouse"},
        "layered_runtime": {"layers": [{"name": "static", "static_layer": bootstrap.RUNTIME}]},
        "static_resources": {
            "listeners": [_static(listener, tables, extension_configs) for listener in listeners],
            "clusters": [_plain(cluster) for cluster in clusters],
            "secrets": [_plain(secret(pair)), _plain(bundle(trusted))],
        },
    }
    return judge(envoy, config)


def judge(envoy: Path, config: dict[str, Any]) -> str | None:
    """Why Envoy would not start with this file; None if it would."""
    # Its verdict is read as text.
    text = json.dumps({name: value for name, value in config.items() if name != "application_log_config"})
    patience = TIMEOUT + len(text) // BYTES_PER_SECOND
    with tempfile.NamedTemporaryFile("w", suffix=".json", prefix="gatehouse-") as file:
        file.write(text)
        file.flush()
        try:
            done = subprocess.run(
                [envoy, "--mode", "validate", "-c", file.name, "--log-level", "critical", "--concurrency", "1"],
                capture_output=True,
                text=True,
                timeout=patience,
                env={},
            )
        except subprocess.TimeoutExpired:
            return f"Envoy gave no verdict within {patience} s."
    return None if done.returncode == 0 else plainly(done.stdout + done.stderr)


def plainly(output: str) -> str:
    """The reason in Envoy's output, in one line, cut before a quoted resource: Envoy quotes private keys too."""
    lines = [line for line in output.splitlines() if line.strip()]
    found = next((line for line in lines if "rror" in line), lines[-1] if lines else "")
    # A log line begins with the time, the thread, the level and the place in brackets.
    text = re.sub(r"\A(\[[^\]]*\]\s*)+", "", found)
    text = re.split(r"[{<]|-----BEGIN|resources?:|inline_string", text, maxsplit=1)[0]
    return text.strip()[:LONGEST] or "Envoy gave no reason."


def _static(
    listener: dict[str, Any], tables: list[dict[str, Any]], extension_configs: list[dict[str, Any]]
) -> dict[str, Any]:
    """The listener with everything that it would ask for written into it."""
    whole = deepcopy(_plain(listener))
    by_name = {config["name"]: config["typed_config"] for config in extension_configs}
    for chain in whole["filter_chains"]:
        for network in chain["filters"]:
            manager = network["typed_config"]
            if wanted := manager.pop("rds", None):
                manager["route_config"] = next(
                    _plain(table) for table in tables if table["name"] == wanted["route_config_name"]
                )
            for http in manager.get("http_filters", []):
                if http.pop("config_discovery", None):
                    http["typed_config"] = by_name[http["name"]]
        if transport := chain.get("transport_socket"):
            context = transport["typed_config"]["common_tls_context"]
            for asked in (
                *context["tls_certificate_sds_secret_configs"],
                context.get("validation_context_sds_secret_config", {}),
            ):
                asked.pop("sds_config", None)
    return whole


def _plain(resource: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in resource.items() if name != "@type"}
