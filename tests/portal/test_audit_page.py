"""The page about the audit trail: found by who, what, subject and request; checked on demand; taken away as a file."""

import csv
import io
import json
import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.test.utils import CaptureQueriesContext

from portal import audit, audit_listing, audit_pages, downloads
from portal.actor import Actor
from portal.models import AuditEvent, User

ADA = Actor("ada", "person", address="10.0.0.4")
REPORT = Actor("report", "token", credential="abcdefghijkl")


@pytest.fixture
def plain(log_in: Callable[..., Client], viewer: User) -> Client:
    return log_in(viewer)


@pytest.fixture
def htmx(log_in: Callable[..., Client], viewer: User) -> Client:
    client = log_in(viewer)
    client.defaults["HTTP_HX_REQUEST"] = "true"
    return client


def write(
    by: Actor = ADA, verb: str = "device.accepted", subject: tuple[str, str] = ("device", "press-1"), **facts: Any
) -> AuditEvent:
    with transaction.atomic():
        audit.record(by, verb, subject, **facts)
        return AuditEvent.objects.latest("number")


def text_of(answer: Any) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", answer.content.decode()))


def rows(answer: Any) -> list[int]:
    return [int(number) for number in re.findall(r'id="row-(\d+)"', answer.content.decode())]


def sent(answer: Any) -> str:
    return b"".join(answer.streaming_content).decode()


def test_a_row_says_who_what_on_what_when_why_and_from_where(plain: Client) -> None:
    event = write(before={"status": "pending"}, after={"status": "accepted", "key": None}, reason="known by its label")
    page = text_of(plain.get("/portal/audit/"))
    for said in (
        "ada",
        "from 10.0.0.4",
        "accepted",
        "device press-1",
        "known by its label",
        f"{event.at:%H:%M:%S} UTC",
    ):
        assert said in page
    assert "Fact Before After status pending accepted key – none" in page


def test_what_was_recorded_is_text_and_never_markup(plain: Client) -> None:
    write(by=Actor("<img src=x>", "token"), reason="<img src=y>", after={"<img src=z>": ["<img src=w>"]})
    assert "<img src=x" not in (page := plain.get("/portal/audit/").content.decode())
    assert not re.search(r"<img src=[yzw]", page)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("", [4, 3, 2, 1]),
        ("actor=ada", [3, 1]),
        ("actor=ad", []),
        ("verb=device.accepted", [1]),
        ("verb=device", [2, 1]),
        ("verb=%25", []),
        ("subject=press-1", [2, 1]),
        ("subject=press", []),
        ("actor=report&verb=device", [2]),
        ("before=3", [2, 1]),
        ("before=1", []),
        ("actor=ada&before=3", [1]),
    ],
)
def test_filters_stand_in_the_url_and_all_of_them_count(plain: Client, query: str, found: list[int]) -> None:
    write()
    write(REPORT, "device.rejected")
    write(ADA, "token.issued", ("token", "abcdefghijkl"))
    write(REPORT, "token.revoked", ("token", "abcdefghijkl"))
    assert rows(plain.get(f"/portal/audit/?{query}")) == found


def test_all_that_one_request_changed_is_found_by_its_id(plain: Client) -> None:
    plain.get("/portal/")
    first = write()
    AuditEvent.objects.filter(pk=first.pk).update(request_id="req-7")
    write()
    assert rows(plain.get("/portal/audit/?request=req-7")) == [1]


@pytest.mark.parametrize(
    "query",
    [
        "before=x",
        "before=-1",
        "before=" + "9" * 19,
        "actor=a&actor=b",
        "verb=%00",
        "actor=%E2%80%AE",
        "subject=" + "x" * 129,
    ],
)
def test_a_query_that_is_none_is_refused_and_never_ignored(plain: Client, query: str) -> None:
    assert plain.get(f"/portal/audit/?{query}").status_code == 400


def test_older_rows_are_a_page_away_and_keep_the_filter(plain: Client) -> None:
    for _ in range(101):
        write()
    page = plain.get("/portal/audit/?actor=ada")
    assert rows(page) == list(range(101, 51, -1))
    assert 'href="/portal/audit/?actor=ada&amp;before=52"' in page.content.decode()
    assert rows(plain.get("/portal/audit/?actor=ada&before=52")) == list(range(51, 1, -1))
    last = plain.get("/portal/audit/?actor=ada&before=2")
    assert rows(last) == [1]
    assert "Older" not in text_of(last)


def test_fifty_rows_cost_as_many_queries_as_one(plain: Client) -> None:
    write(reason="one")
    with CaptureQueriesContext(connection) as queries:
        plain.get("/portal/audit/")
    one = len(queries)
    for number in range(60):
        write(subject=("device", f"press-{number}"), before={"a": 1}, after={"a": 2})
    with CaptureQueriesContext(connection) as queries:
        plain.get("/portal/audit/")
    assert len(queries) == one


def test_an_empty_trail_and_an_empty_answer_each_say_what_to_do_next(plain: Client) -> None:
    assert "Nothing has been changed yet." in text_of(plain.get("/portal/audit/"))
    write()
    assert "No change fits." in text_of(plain.get("/portal/audit/?actor=nobody"))
    assert "There is nothing older." in text_of(plain.get("/portal/audit/?before=1"))


class TestChain:
    def test_is_not_walked_unless_asked(self, plain: Client) -> None:
        write()
        page = plain.get("/portal/audit/?actor=ada")
        assert "The chain" not in text_of(page)
        assert 'href="/portal/audit/?actor=ada&amp;verify=1"' in page.content.decode()

    def test_that_holds_is_said_with_its_length(self, plain: Client, htmx: Client) -> None:
        write()
        write()
        assert "The chain holds. All 2 rows are as they were written" in text_of(plain.get("/portal/audit/?verify=1"))
        answer = htmx.get("/portal/audit/?verify=1")
        assert answer.content.decode().strip().startswith('<section id="chain"')
        assert "The chain holds." in text_of(answer)

    def test_that_is_broken_is_said_with_the_row(self, plain: Client) -> None:
        for _ in range(3):
            write()
        AuditEvent.objects.filter(number=2).update(reason="another")
        page = plain.get("/portal/audit/?verify=1")
        assert "The chain is broken at row 2." in text_of(page)
        assert rows(page) == [3, 2, 1]

    def test_that_is_too_long_for_a_page_names_the_command(
        self, plain: Client, htmx: Client, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(audit_pages, "MOST", 2)
        for fits in (True, True, False):
            write()
            for reader in (plain, htmx):
                answer = reader.get("/portal/audit/?verify=1")
                assert ("The chain holds." in text_of(answer)) is fits
                assert ("run audit_verify on the host." in text_of(answer)) is not fits
        assert answer.status_code == 409
        assert audit.verify().holds

    def test_is_checked_for_one_at_a_time_and_no_file_is_sent_meanwhile(self, plain: Client) -> None:
        write()
        with downloads.turn():
            for path in ("?verify=1", "audit.csv"):
                refused = plain.get(f"/portal/audit/{path}")
                assert (refused.status_code, refused["Retry-After"]) == (503, "10")
        file = plain.get("/portal/audit/audit.csv")
        assert plain.get("/portal/audit/?verify=1").status_code == 503
        assert sent(file)
        assert "The chain holds." in text_of(plain.get("/portal/audit/?verify=1"))


class TestExport:
    def test_as_csv_holds_the_rows_that_fit_and_no_formula(self, plain: Client) -> None:
        write(REPORT)
        for reason in ("=1+1", "+1", "-1", "@x", "plain, with a comma", '=HYPERLINK("x")'):
            write(ADA, reason=reason, after={"n": 1})
        answer = plain.get("/portal/audit/audit.csv?actor=ada")
        assert answer["Content-Type"] == "text/csv; charset=utf-8"
        assert answer["Content-Disposition"] == 'attachment; filename="gatehouse-audit.csv"'
        assert answer["Cache-Control"] == "no-store"
        lines = list(csv.DictReader(io.StringIO(sent(answer))))
        assert [line["reason"] for line in lines] == [
            "'=HYPERLINK(\"x\")", "plain, with a comma", "'@x", "'-1", "'+1", "'=1+1",
        ]  # fmt: skip
        assert {line["actor"] for line in lines} == {"ada"}
        assert json.loads(lines[0]["after"]) == {"n": 1}

    def test_as_json_lines_holds_every_fact_of_the_rows_that_fit(self, plain: Client) -> None:
        write(REPORT, "token.issued", ("token", "abcdefghijkl"), after={"scopes": ["devices:read"]}, reason="Übung")
        event = write(ADA)
        answer = plain.get("/portal/audit/audit.jsonl?verb=token")
        assert answer["Content-Type"] == "application/jsonl"
        (line,) = [json.loads(line) for line in sent(answer).splitlines()]
        assert (line["number"], line["actor"], line["reason"]) == (1, "report", "Übung")
        assert line["after"] == {"scopes": ["devices:read"]}
        assert line["mac"] == AuditEvent.objects.get(number=1).mac != event.mac

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_of_more_rows_than_one_read_holds_each_of_them_once(
        self, plain: Client, monkeypatch: pytest.MonkeyPatch, kind: str
    ) -> None:
        monkeypatch.setattr(audit_listing, "BATCH", 3)
        for _ in range(7):
            write()
        lines = sent(plain.get(f"/portal/audit/audit.{kind}")).splitlines()
        assert len(lines) == 7 + (kind == "csv")
        assert len(set(lines)) == len(lines)

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_is_refused_with_a_query_that_is_none(self, plain: Client, kind: str) -> None:
        assert plain.get(f"/portal/audit/audit.{kind}?verb=%00").status_code == 400

    @pytest.mark.parametrize("kind", ["csv", "jsonl"])
    def test_needs_a_login(self, client: Client, db: None, kind: str) -> None:
        assert client.get(f"/portal/audit/audit.{kind}").status_code == 302


@pytest.mark.parametrize("path", ["", "?verify=1", "audit.csv", "audit.jsonl"])
def test_reading_the_trail_is_no_post(plain: Client, path: str) -> None:
    assert plain.post(f"/portal/audit/{path}").status_code == 405


@pytest.mark.parametrize("path", ["", "?verify=1", "audit.csv", "audit.jsonl"])
def test_who_may_not_read_the_trail_gets_nothing_of_it(
    plain: Client, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    write(reason="secret plan")
    monkeypatch.setattr("portal.actor.SCOPES", {"viewer": frozenset({"devices:read"})})
    answer = plain.get(f"/portal/audit/{path}")
    assert answer.status_code == 403
    assert "audit:read" in text_of(answer)
    assert "secret plan" not in text_of(answer)
    assert 'href="/portal/audit/"' not in plain.get("/portal/").content.decode()
