"""The documents as they are served: anybody may ask for them again and again."""

import json

import pytest
from django.test import Client
from drf_spectacular.generators import SchemaGenerator


@pytest.mark.parametrize("path", ["/api/schema/", "/device/schema/"])
def test_a_document_is_made_once_and_then_given_as_it_is(path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    first = Client().get(path)
    assert json.loads(first.content)["openapi"].startswith("3.1")

    def make(*_: object, **__: object) -> None:
        raise AssertionError("It was made again.")

    monkeypatch.setattr(SchemaGenerator, "get_schema", make)
    again = Client().get(path)
    assert (again.content, again["Content-Type"]) == (first.content, first["Content-Type"])
