"""The OpenAPI is generated without a warning and is what the API does; every migration is written."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from hypothesis import HealthCheck, settings
from schemathesis.specs.openapi.checks import response_schema_conformance, status_code_conformance

from devices.models import Device
from portal.actor import Actor
from portal.models import User
from portal.scopes import Scope
from portal.wsgi import application
from tokens import issuing


def test_the_openapi_is_generated_without_a_warning_and_is_valid() -> None:
    call_command("spectacular", validate=True, fail_on_warn=True, stdout=StringIO())


def test_every_change_of_a_model_has_its_migration(db: None) -> None:
    call_command("makemigrations", check=True, dry_run=True, stdout=StringIO())


class TestAnswers:
    """Requests made up from the document: no answer is a fault, and every no has the documented shape.

    Dialects have shapes of their own, which the document names; what is more of them stands in their tests.
    """

    DOCUMENT = schemathesis.openapi.from_wsgi("/api/schema/", application)

    @pytest.fixture
    def token(self, administrator: User, make_device: Callable[..., Device]) -> str:
        """A token that may do everything, and a few devices for it to act on."""
        for device_id, status in (("0", "pending"), ("1", "accepted"), ("a", "rejected"), ("-", "preauthorized")):
            make_device(device_id, status=status)
        return issuing.issue("all", list(Scope), owner=administrator, days=1, by=Actor.command("test"))[1]

    @pytest.fixture(autouse=True)
    def _one_connection(self) -> Iterator[None]:
        """A request that comes through WSGI closes old connections; here it is part of the test's transaction."""
        for signal in (request_started, request_finished):
            signal.disconnect(close_old_connections)
        yield
        for signal in (request_started, request_finished):
            signal.connect(close_old_connections)

    @DOCUMENT.parametrize()
    @settings(max_examples=10, deadline=None, suppress_health_check=list(HealthCheck))
    def test_no_request_meets_a_fault_and_every_no_has_its_shape(self, case: Any, token: str) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        assert answer.status_code < 500
        assert answer.headers["x-request-id"]
        if answer.status_code >= 300 and case.operation.path.startswith("/api/v1/"):
            body = answer.json()
            assert set(body) - {"invalid"} == {"error", "code", "request_id"}
            assert body["request_id"] == answer.headers["x-request-id"][0]
            assert body["error"].endswith(".")
            assert ("invalid" in body) == (answer.status_code == 400)
        case.validate_response(answer, checks=[status_code_conformance, response_schema_conformance])
