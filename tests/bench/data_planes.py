"""What the gateway is measured against: nginx as a plain proxy and with a verdict service, and an Envoy that judges
nothing; each in front of the same service."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.figures import CannotRun
from tests.bench.installation import ROOT, answers, free_ports

KIB = "x" * 1024
NGINX = """
daemon off; worker_processes 2; pid {folder}/nginx.pid; error_log {folder}/nginx.log warn;
events {{ worker_connections 1024; }}
http {{
  access_log off; keepalive_requests 1000000; client_body_temp_path {folder}; proxy_temp_path {folder};
  fastcgi_temp_path {folder}; uwsgi_temp_path {folder}; scgi_temp_path {folder};
  proxy_cache_path {folder}/cache keys_zone=verdicts:1m;
  upstream service {{ server 127.0.0.1:{service}; keepalive 64; }}
  upstream verdict {{ server 127.0.0.1:{verdict}; keepalive 64; }}
  proxy_http_version 1.1; proxy_set_header Connection "";
  server {{ listen 127.0.0.1:{service} backlog=4096; location / {{ return 200 "{answer}"; }} }}
  server {{
    listen 127.0.0.1:{nginx} backlog=4096;
    location /plain/ {{ proxy_pass http://service/; }}
    location /judged/ {{ auth_request /verdict; proxy_pass http://service/; }}
    location /cached/ {{ auth_request /cached-verdict; proxy_pass http://service/; }}
    location = /verdict {{
      internal; proxy_pass http://verdict/; proxy_pass_request_body off; proxy_set_header Content-Length "";
    }}
    location = /cached-verdict {{
      internal; proxy_pass http://verdict/; proxy_pass_request_body off; proxy_set_header Content-Length "";
      proxy_cache verdicts; proxy_cache_key $http_authorization; proxy_cache_valid 200 5s;
    }}
  }}
}}
"""


@contextmanager
def nginx(folder: Path, *, service: int, verdict: int) -> Iterator[str]:
    """nginx with the service of 1 KB answers on the port `service`; its URL has `/plain/`, `/judged/`, `/cached/`."""
    program = _nginx()
    [port] = free_ports(1)
    config = folder / "nginx.conf"
    config.write_text(NGINX.format(folder=folder, service=service, verdict=verdict, nginx=port, answer=KIB))
    with _running([program, "-p", str(folder), "-c", str(config)], f"http://127.0.0.1:{service}/", folder):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def verdict_service(folder: Path, port: int, jwks: str, issuer: str, database: Path) -> Iterator[None]:
    """A Python service that answers whether an access token is good, behind the app server that the portal has."""
    environment = {**os.environ, "VERDICT_JWKS": jwks, "VERDICT_ISSUER": issuer, "VERDICT_DATABASE": str(database)}
    command = [
        sys.executable, "-m", "granian", "--interface", "wsgi", "--http", "1", "--no-ws", "--host", "127.0.0.1",
        "--port", str(port), "--workers", "2", "--log-level", "warning", "tests.bench.inside.verdict:application",
    ]  # fmt: skip
    with _running(command, f"http://127.0.0.1:{port}/healthz", folder, environment):
        yield


@contextmanager
def unjudged(envoy: Path, folder: Path, resources: dict[str, list[dict[str, Any]]], port: int) -> Iterator[str]:
    """The same Envoy with the same doors and routes, but without the filters that judge."""
    config = folder / "unjudged.json"
    config.write_text(json.dumps(resources))
    command = [str(envoy), "-c", str(config), "--concurrency", "2", "--disable-hot-restart", "--log-level", "error"]
    url = f"http://127.0.0.1:{port}"
    with _running(command, f"{url}/line/x", folder):
        yield url


@contextmanager
def _running(command: list[str], until: str, folder: Path, environment: dict[str, str] | None = None) -> Iterator[None]:
    log = folder / f"{Path(command[0]).name}.log"
    with log.open("ab") as output:
        # In a session of its own, as the installation is: Linux shares the processor out among sessions.
        process = subprocess.Popen(
            command, cwd=ROOT, env=environment, stdout=output, stderr=output, start_new_session=True
        )
    try:
        began = time.monotonic()
        while not answers(until):
            if process.poll() is not None or time.monotonic() - began > 30:
                raise CannotRun(f"{command[0]} did not start:\n{log.read_text()[-2000:]}")
            time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(15)


def _nginx() -> str:
    """nginx; it is fetched through apt where we may."""
    if not shutil.which("nginx") and os.geteuid() == 0 and shutil.which("apt-get"):
        quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        subprocess.run(["apt-get", "update", "-q"], **quiet)
        subprocess.run(["apt-get", "install", "-qy", "--no-install-recommends", "nginx-light"], **quiet)
    if found := shutil.which("nginx") or shutil.which("nginx", path="/usr/sbin"):
        return found
    raise CannotRun("nginx is not installed: apt-get install nginx-light")
