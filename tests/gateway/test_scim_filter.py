"""SCIM filters: what is one, and that the database finds exactly whom a plain reading of the filter means."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from django.db import connection
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from gateway.dialects import insights_identity, scim_conditions, scim_filter
from gateway.dialects.insights_identity import GROUP_ATTRIBUTES, USER_ATTRIBUTES
from gateway.dialects.scim_filter import Malformed
from gateway.dialects.scim_text import folded, pattern
from portal.models import User
from tests.amount import many

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)
PEOPLE: list[dict[str, Any]] = [
    {"userName": "ada", "email": "Ada@Plant.example", "givenName": "Ada", "familyName": "Lovelace", "version": 3},
    {"userName": "Bert", "email": "", "givenName": "", "familyName": "", "active": False, "version": 2**31 - 1},
    {"userName": "müller", "email": "m_ller@plant.example", "givenName": "ÄNNE", "familyName": "Müller"},
    {"userName": "MULLER", "email": "m%ller@plant.example", "givenName": "änne", "familyName": "M[u]ll.er*"},
    {"userName": "σοφίας", "email": "s@x.example", "givenName": "ΣΟΦΊΑΣ", "familyName": "ſtraße ẞ K İı"},
    {"userName": "a", "email": "a@x.example", "givenName": "a\\b'\"", "familyName": "^a$|(b){2}+?",
     "created": NOON + timedelta(microseconds=123_456)},
    {"userName": "zed", "email": "zed@x.example", "givenName": "日本", "familyName": "😀 _%",
     "created": NOON + timedelta(milliseconds=124), "lastModified": NOON - timedelta(microseconds=1)},
]  # fmt: skip
BY_DEFAULT = {"active": True, "created": NOON, "lastModified": NOON, "version": 1}
COLUMNS = {
    "userName": "username", "email": "email", "givenName": "first_name", "familyName": "last_name",
    "active": "is_active", "created": "date_joined", "lastModified": "changed_at", "version": "revision",
}  # fmt: skip


def person_id(number: int) -> str:
    return str(UUID(int=(0xABCDEF << 96) + (number << 60) + number))


def facts_of(number: int) -> dict[str, Any]:
    """What the filter sees of one of the people."""
    constant = {"id": person_id(number), "origin": "gatehouse", "verified": True, "phoneNumber": ""}
    return {**BY_DEFAULT, **constant, **PEOPLE[number]}


@pytest.fixture
def _people(db: None) -> None:
    for number in range(len(PEOPLE)):
        facts = facts_of(number)
        columns = {column: facts[name] for name, column in COLUMNS.items()}
        User.objects.create(pk=facts["id"], role="viewer", **columns)


def found_by(text: str) -> set[str]:
    tree = scim_filter.parse(text, USER_ATTRIBUTES)
    wanted = scim_conditions.condition(tree, insights_identity.in_group)
    people = scim_conditions.searchable(User.objects.all()).filter(wanted)
    return set(people.values_list("username", flat=True))


# A plain reading of the grammar's tree, made apart from the code: texts compared letter by letter.


def alike(char: str) -> str:
    """The same for all cases of a letter."""
    case = char.casefold() if len(char.casefold()) == 1 else char.lower()
    return case if len(case) == 1 else char


def compares(operator: str, actual: Any, value: Any) -> bool:
    if isinstance(actual, str):
        letters, asked = [alike(c) for c in actual], [alike(c) for c in value]
        if operator == "co":
            return any(letters[at : at + len(asked)] == asked for at in range(len(letters) + 1))
        if operator == "sw":
            return letters[: len(asked)] == asked
        if letters == asked:
            return operator in ("eq", "ge", "le")
        if operator in ("eq", "ne"):
            return operator == "ne"
        before = ascii_lower(actual) < ascii_lower(value)
        return before if operator in ("lt", "le") else ascii_lower(actual) > ascii_lower(value)
    if isinstance(actual, datetime):
        actual = actual - timedelta(microseconds=actual.microsecond % 1000)
    orders = {
        "eq": actual == value,
        "ne": actual != value,
        "gt": actual > value,
        "ge": actual >= value,
        "lt": actual < value,
        "le": actual <= value,
    }
    return bool(orders[operator])


def ascii_lower(text: str) -> str:
    return "".join(chr(ord(c) + 32) if "A" <= c <= "Z" else c for c in text)


class Said:
    """A filter in words, and whom it means."""

    def __init__(self, text: str, means: Callable[[dict[str, Any]], bool], terms: int = 1, depth: int = 0) -> None:
        self.text, self.means, self.terms, self.depth = text, means, terms, depth

    def __repr__(self) -> str:
        return self.text


PIECES = sorted({
    piece
    for facts in PEOPLE
    for name in ("userName", "email", "givenName", "familyName")
    for text in [facts[name]]
    for piece in (text, text.upper(), text.lower(), text.swapcase(), text[:2], text[1:3], text[-1:])
})  # fmt: skip
TEXTS = st.one_of(
    st.sampled_from(PIECES),
    st.sampled_from(
        [*map(person_id, range(3)), person_id(0).upper(), person_id(1)[:12], "-", "gateHOUSE", "", "***:a"]
    ),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=4),
    st.text("aAäÄmM%_\\.*[](){}^$|+?'\" -", max_size=3),
)
MOMENTS = st.sampled_from([NOON, NOON + timedelta(microseconds=123_000), NOON + timedelta(microseconds=123_456),
                           NOON + timedelta(milliseconds=124), NOON - timedelta(milliseconds=1),
                           datetime(2, 1, 1, tzinfo=UTC), datetime(9998, 12, 31, tzinfo=UTC)])  # fmt: skip
NUMBERS = st.one_of(st.integers(0, 4), st.sampled_from([-1, 2**31 - 1, 2**31, -(2**31), 2**63, 10**40, -(10**40)]))
ORDERED = ["eq", "ne", "gt", "ge", "lt", "le"]


def any_case(text: str) -> st.SearchStrategy[str]:
    return st.sampled_from([text, text.upper(), text.lower(), text.swapcase()])


@st.composite
def comparisons(draw: Callable[..., Any]) -> Said:
    name, values, operators, write = draw(
        st.sampled_from([
            *[(name, TEXTS, [*ORDERED, "co", "sw"], json.dumps)
              for name in ("userName", "email", "givenName", "familyName", "id", "origin", "phoneNumber")],
            *[(name, st.booleans(), ["eq", "ne"], json.dumps) for name in ("active", "verified")],
            *[(name, MOMENTS, ORDERED, lambda at: json.dumps(at.isoformat())) for name in ("created", "lastModified")],
            ("version", NUMBERS, ORDERED, str),
        ])
    )  # fmt: skip
    second = {"email": "emails.value", "created": "meta.created", "lastModified": "meta.lastModified",
              "version": "meta.version"}  # fmt: skip
    spelled = draw(any_case(draw(st.sampled_from([name, second.get(name, name)]))))
    if draw(st.integers(0, 9)) == 0:
        return Said(f"{spelled} {draw(any_case('pr'))}", lambda facts: facts[name] != "")
    operator, value = draw(st.sampled_from(operators)), draw(values)
    return Said(
        f"{spelled} {draw(any_case(operator))} {write(value)}",
        lambda facts: compares(operator, facts[name], value),
    )


def joined(parts: list[Said], word: str) -> Said:
    def means(facts: dict[str, Any]) -> bool:
        return all(p.means(facts) for p in parts) if word == "and" else any(p.means(facts) for p in parts)

    text = f" {word} ".join(part.text for part in parts)
    return Said(text, means, sum(p.terms for p in parts), max(p.depth for p in parts))


def bracketed(inner: Said, word: str) -> Said:
    means = (lambda facts: not inner.means(facts)) if word else inner.means
    return Said(f"{word}({inner.text})", means, inner.terms, inner.depth + 1)


def larger(parts: st.SearchStrategy[Said]) -> st.SearchStrategy[Said]:
    """Of `or` between chains of `and`, whose parts stand in parentheses or are single."""
    single = st.one_of(comparisons(), st.builds(bracketed, parts, st.sampled_from(["", "not ", "NOT"])))
    chains = st.lists(single, min_size=1, max_size=3).map(lambda found: joined(found, "and"))
    return st.lists(chains, min_size=1, max_size=3).map(lambda found: joined(found, "or"))


def fits(said: Said) -> bool:
    return said.terms <= 20 and said.depth <= 8 and len(said.text) <= 1000


FILTERS = st.recursive(comparisons(), larger, max_leaves=8).filter(fits)


@pytest.mark.usefixtures("_people")
class TestPeople:
    @given(FILTERS)
    @settings(max_examples=many(200), suppress_health_check=list(HealthCheck))
    def test_are_found_by_exactly_what_the_filter_means(self, said: Said) -> None:
        meant = {facts["userName"] for facts in map(facts_of, range(len(PEOPLE))) if said.means(facts)}
        assert found_by(said.text) == meant

    @pytest.mark.parametrize(
        ("text", "names"),
        [
            ('userName eq "ADA"', {"ada"}),
            ('USERNAME EQ "ada"', {"ada"}),
            ('userName ne "ada" and active eq true and version eq 1', {"müller", "MULLER", "σοφίας", "a", "zed"}),
            ('userName eq "MÜLLER"', {"müller"}),
            ('givenName eq "Änne"', {"müller", "MULLER"}),
            ('userName eq "ΣΟΦΊΑΣ"', {"σοφίας"}),
            ('familyName co "STRAßE"', {"σοφίας"}),
            ('familyName co "ß k"', {"σοφίας"}),
            ('familyName co "i"', set()),
            ('email co "_"', {"müller"}),
            ('email co "%"', {"MULLER"}),
            ('emails.value sw "M"', {"müller", "MULLER"}),
            ("email pr", {"ada", "müller", "MULLER", "σοφίας", "a", "zed"}),
            ("not (email pr)", {"Bert"}),
            ("NOT(email PR) OR version EQ 3", {"Bert", "ada"}),
            ('email eq ""', {"Bert"}),
            ("active eq false", {"Bert"}),
            ("active ne TRUE", {"Bert"}),
            ("verified eq true and version gt 1", {"ada", "Bert"}),
            ('origin eq "uaa"', set()),
            ("phoneNumber pr", set()),
            ('created gt "2026-11-25T13:00:00.123+01:00"', {"zed"}),
            ('created eq "2026-11-25T12:00:00.123Z"', {"a"}),
            ('created eq "2026-11-25T12:00:00.123456Z"', set()),
            ('meta.lastModified lt "2026-11-25T12:00:00Z"', {"zed"}),
            ('meta.lastModified lt "2026-11-25T12:00:00"', {"zed"}),
            (f'id eq "{person_id(4).upper()}"', {"σοφίας"}),
            ('id sw "00ABCDEF-"', {"ada", "Bert", "müller", "MULLER", "σοφίας", "a", "zed"}),
            ('id eq "nobody"', set()),
            ('familyName eq "^a$|(b){2}+?"', {"a"}),
            ('familyName eq "M[U]LL.ER*"', {"MULLER"}),
            ('givenName eq "a\\\\b\'\\""', {"a"}),
            ('userName eq "ada" or userName eq "zed" and active eq false', {"ada"}),
            ('(userName eq "ada" or userName eq "zed") and active eq false', set()),
            ('groups.display eq "MDSP_customrole:viewer"', {"ada", "Bert", "müller", "MULLER", "σοφίας", "a", "zed"}),
            ('(groups.display eq "mdsp_customrole:operator")', set()),
            ('groups.display eq "nobody"', set()),
            ('userName gt "mULLER" and userName le "MÜLLER"', {"müller"}),
            ("version lt 100000000000000000000", {"ada", "Bert", "müller", "MULLER", "σοφίας", "a", "zed"}),
        ],
    )
    def test_are_found_as_a_client_expects(self, text: str, names: set[str]) -> None:
        assert found_by(text) == names

    def test_a_long_text_is_looked_for_too(self) -> None:
        assert found_by(f'userName co "{"aÄ" * 480}" or userName eq "ada"') == {"ada"}

    def test_twenty_terms_in_eight_levels_are_taken(self) -> None:
        assert found_by("not (" * 8 + " or ".join(["version eq 3"] * 20) + ")" * 8) == {"ada"}


@given(FILTERS)
@settings(max_examples=many(80))
def test_a_filter_of_groups_is_judged_as_it_reads(said: Said) -> None:
    """The same filters over the attributes that groups have, for which no database is asked."""
    text = said.text
    facts = {"id": person_id(0), "display": "mdsp:core:TenantAdmin", "made": NOON, "version": 3}
    if any(word in text.lower() for word in ("email", "givenname", "familyname", "active", "origin", "verified",
                                              "phonenumber", "username")):  # fmt: skip
        return
    shown = {"id": facts["id"], "created": NOON, "lastModified": NOON, "version": 3}
    assert scim_conditions.fits(scim_filter.parse(text, GROUP_ATTRIBUTES), facts) == said.means(shown)


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "The end stands where an attribute is due."),
        ("  ", "The end stands where an attribute is due."),
        ("userName", "The end stands where one of eq, ne, gt, ge, lt, le, co, sw, pr is due after userName."),
        ("userName eq", "The end is no value of userName, which is a text in double quotes."),
        ("userName eq ada", "ada at character 13 is no value of userName"),
        ("userName eq 'ada'", "What stands from character 13 on cannot be read."),
        ('userName eq"ada"', "What stands from character 10 on cannot be read."),
        ('userName eq "ada', "What stands from character 13 on cannot be read."),
        ('userName eq "a"b', "What stands from character 13 on cannot be read."),
        ('userName eq "a\\q"', "is no value of userName"),
        ('userName eq "a\tb"', "is no value of userName"),
        ('userName eq "\\u0000"', "is no value of userName"),
        ('userName eq "\\ud800"', "is no value of userName"),
        ('userName eq "\0"', "is no value of userName"),
        ("userName eq 5", "5 at character 13 is no value of userName"),
        ("userName eq null", "null at character 13 is no value of userName"),
        ('userName xx "ada"', "xx at character 10 stands where one of"),
        ('userName pr "ada"', "\"ada\" at character 13 stands where 'and', 'or' or the end is due."),
        ('nickName eq "ada"', "There is no attribute nickName here."),
        ('userName eq "ada" and', "The end stands where an attribute is due."),
        ('and userName eq "ada"', "There is no attribute and here."),
        ('userName eq "ada" userName eq "b"', "userName at character 19 stands where 'and', 'or' or the end is due."),
        ('(userName eq "ada"', "The end stands where 'and', 'or' or a closing parenthesis is due."),
        ('userName eq "ada")', ") at character 18 stands where 'and', 'or' or the end is due."),
        ("()", ") at character 2 stands where an attribute is due."),
        ('not userName eq "ada"', "There is no attribute not here."),
        ("not (not email pr)", "There is no attribute not here."),
        ('active eq "true"', '"true" at character 11 is no value of active, which is true or false.'),
        ("active gt true", "gt at character 8 stands where one of eq, ne, pr is due after active."),
        ("version eq 1.5", "1.5 at character 12 is no value of version, which is a whole number."),
        ('version eq "1"', "is no value of version"),
        ('version co "1"', "co at character 9 stands where one of eq, ne, gt, ge, lt, le, pr is due"),
        ('created eq "yesterday"', "is no value of created, which is a moment in double quotes"),
        ('created eq "2026-13-25T12:00:00Z"', "is no value of created"),
        ('created eq "0001-01-01T00:00:00+14:00"', "is no value of created"),
        ('created eq "9999-12-31T23:59:59Z"', "is no value of created"),
        ('created sw "2026"', "sw at character 9 stands where one of"),
        ("created eq 1763805600000", "is no value of created"),
        ('groups.display co "mdsp"', "co at character 16 stands where one of eq is due after groups.display."),
        ("groups.display pr", "pr at character 16 stands where one of eq is due after groups.display."),
        ('groups.display eq "a" and active eq true', "groups.display is compared alone."),
        ('not (groups.display eq "a")', "groups.display is compared alone."),
        (" or ".join(["email pr"] * 21), "It has more than 20 terms."),
        ("(" * 9 + "email pr" + ")" * 9, "It has more than 8 levels of parentheses."),
        ('userName eq "' + "a" * 987 + '"', "It has more than 1000 characters."),
        ("((((" * 240, "It has more than 8 levels of parentheses."),
        ("email pr;", "What stands from character 7 on cannot be read."),
        ("émail pr", "What stands from character 1 on cannot be read."),
    ],
)
def test_what_is_no_filter_is_refused_with_the_place(text: str, why: str) -> None:
    with pytest.raises(Malformed) as refused:
        scim_filter.parse(text, USER_ATTRIBUTES)
    assert str(refused.value).startswith(why) or why in str(refused.value)
    assert str(refused.value).endswith(".")


@given(st.one_of(st.text(max_size=60), st.text('()"\\ andortqEusrNme1.', max_size=60)))
@example('userName eq "')
@settings(max_examples=many(200))
def test_no_text_whatever_is_more_than_refused(text: str) -> None:
    with suppress(Malformed):
        scim_filter.parse(text, USER_ATTRIBUTES)


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8))
@settings(max_examples=many(80), suppress_health_check=list(HealthCheck))
@pytest.mark.usefixtures("_people")
def test_a_text_is_found_by_its_pattern_on_this_database_whatever_it_holds(text: str) -> None:
    User.objects.filter(username="zed").update(last_name=text)
    wanted = {"last_name__regex": rf"\A{pattern(folded(text))}\Z", "username": "zed"}
    assert User.objects.filter(**wanted).count() == 1, connection.vendor
