"""The OpenAPI is generated without a warning and is what the API does; every migration is written."""

from collections.abc import Callable, Iterator
from io import StringIO
from typing import Any

import pytest
import schemathesis
from django.core.management import call_command
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test
from schemathesis import GenerationMode
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

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
    """Requests made up from the document, as it says and against it: no answer is a fault, every no has its shape.

    Dialects have shapes of their own, which the document names; what is more of them stands in their tests.
    """

    DOCUMENT = schemathesis.openapi.from_wsgi("/api/schema/", application)
    DOCUMENT.config.generation.modes = list(GenerationMode)
    DOCUMENT.config.generation.with_security_parameters = False  # The tests send a token themselves.
    DOCUMENT.config.checks.negative_data_rejection.expected_statuses += ["413"]  # Wrong and too much at once.
    NATIVE = DOCUMENT.include(path_regex="^/api/v1/")

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
    @settings(max_examples=8, suppress_health_check=list(HealthCheck))
    def test_no_request_meets_a_fault_and_every_no_has_its_shape(self, case: Any, token: str) -> None:
        answer = case.call(headers={"Authorization": f"Bearer {token}"})
        judge(case, answer)
        if case.operation.path.startswith("/api/v1/"):
            case.validate_response(answer, checks=[negative_data_rejection])

    def test_nor_does_one_that_follows_from_the_answers_before(self, token: str) -> None:
        """Ids, cursors and revisions that one call answered go into the next, in stories of a few steps."""

        class Story(self.NATIVE.as_state_machine()):  # type: ignore[misc]
            def setup(self) -> None:
                self.before = transaction.savepoint()

            def get_call_kwargs(self, case: Any) -> dict[str, Any]:
                return {"headers": {"Authorization": f"Bearer {token}"}}

            def validate_response(self, response: Any, case: Any, **_: Any) -> None:
                judge(case, response)

            def teardown(self) -> None:
                transaction.savepoint_rollback(self.before)

        run_state_machine_as_test(
            Story,
            settings=settings(max_examples=40, stateful_step_count=8, suppress_health_check=list(HealthCheck)),
        )


# What else a no of this code tells a program.
DETAILS = {
    "count_mismatch": ("count",),
    "open_job": ("shutdown",),
    "old_secret_in_use": ("last_used_at", "last_used_from"),
    "new_secret_in_use": ("last_used_at", "last_used_from"),
}


def judge(case: Any, answer: Any) -> None:
    """Whatever was asked: the answer is none of a fault, has a documented status and shape, and of a no ours."""
    assert answer.status_code < 500
    assert answer.headers["x-request-id"]
    checks = [status_code_conformance, response_schema_conformance, content_type_conformance]
    if case.operation.path.startswith("/api/v1/"):
        checks.append(response_headers_conformance)
        if answer.status_code >= 400:
            body = answer.json()
            assert set(body) - {"invalid", *DETAILS.get(body["code"], ())} == {"error", "code", "request_id"}
            assert body["request_id"] == answer.headers["x-request-id"][0]
            assert body["error"].endswith(".")
            assert ("invalid" in body) == (answer.status_code == 400)
    case.validate_response(answer, checks=checks)
