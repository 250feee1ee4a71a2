"""What a rule asks of a device: every condition against a slow and obvious judge of the same."""

import re
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import conditions
from devices.conditions import Candidate, NoRange
from devices.models import EnrolmentRule

CA, OTHER_CA = "a" * 64, "b" * 64


def rule(**facts: Any) -> EnrolmentRule:
    return EnrolmentRule(name="hall 3", verdict="accept", **facts)


def fits(asked: EnrolmentRule, device_id: str = "press-1", members: dict[str, Any] | None = None, ca: str = "") -> bool:
    return conditions.fits(asked, Candidate(device_id, members or {}, ca))


class TestPattern:
    @pytest.mark.parametrize(
        ("pattern", "value", "matched"),
        [
            ("press-*", "press-1", True),
            ("press-*", "press-", True),
            ("press-*", "Press-1", False),
            ("press-*", "a press-1", False),
            ("*", "", True),
            ("?", "", False),
            ("?", "é", True),
            ("?", "\n", True),
            ("**a**", "bab", True),
            ("a.c", "abc", False),
            ("[a-z]*", "b", False),
            ("[a-z]*", "[a-z]b", True),
            ("*-?3-*", "hall-13-press", True),
            ("*-?3-*", "hall-3-press", False),
            ("", "", True),
            ("", "a", False),
        ],
    )
    def test_it_is_the_whole_value_with_its_case_and_nothing_but_star_and_question_mark_is_special(
        self, pattern: str, value: str, matched: bool
    ) -> None:
        assert conditions.matches(pattern, value) == matched

    @given(st.text("ab*?", max_size=12), st.text("abc", max_size=12))
    def test_it_matches_what_a_regular_expression_would(self, pattern: str, value: str) -> None:
        same = "".join({"*": ".*", "?": "."}.get(char, re.escape(char)) for char in pattern)
        assert conditions.matches(pattern, value) == bool(re.fullmatch(same, value, re.DOTALL))

    def test_the_worst_pattern_and_the_longest_value_take_no_long_time(self) -> None:
        began = time.thread_time()
        assert not conditions.matches("*a" * 127 + "*b", "a" * 8192)
        assert time.thread_time() - began < 3


class TestRange:
    @pytest.mark.parametrize(
        ("first", "last", "inside", "outside"),
        [
            ("SN0001", "SN0999", ["SN0001", "SN0500", "SN0999"], ["SN0000", "SN1000", "SN1", "SN00500", "sn0500"]),
            ("SN1", "SN120", ["SN1", "SN99", "SN120", "SN007"], ["SN0", "SN121", "SN0007", "SN", "SN-7"]),
            ("7", "12", ["7", "12"], ["6", "13", "", "x7", "7x", "-7"]),
            ("A-5-x", "A-5-x", ["A-5-x"], ["A-6-x", "A-5-y"]),
            ("L3-0010", "L3-0020", ["L3-0015"], ["L4-0015", "L3-0009"]),
            ("0010/2026", "0020/2026", ["0015/2026"], ["0015/2027"]),
        ],
    )
    def test_it_goes_by_the_number_in_which_the_ends_differ(
        self, first: str, last: str, inside: list[str], outside: list[str]
    ) -> None:
        held = [value for value in [*inside, *outside] if conditions.span(first, last).holds(value)]
        assert held == inside

    @pytest.mark.parametrize(
        ("first", "last", "end"),
        [
            ("SN", "SN", "first"),
            ("", "", "first"),
            ("SN٣", "SN٤", "first"),
            ("SN1", "TN2", "last"),
            ("SN1", "SNx", "last"),
            ("SN1", "SN1a", "last"),
            ("A1B1", "A2B2", "last"),
            ("SN2", "SN1", "last"),
            ("SN0001", "SN999", "last"),
            ("1", "", "last"),
        ],
    )
    def test_ends_that_span_nothing_are_named(self, first: str, last: str, end: str) -> None:
        with pytest.raises(NoRange) as wrong:
            conditions.span(first, last)
        assert wrong.value.end == end

    @given(
        st.from_regex(r"[a-z-]{0,3}", fullmatch=True),
        st.from_regex(r"[a-z-]{0,3}", fullmatch=True),
        *[st.integers(0, 300)] * 3,
        st.integers(1, 4),
    )
    def test_a_number_of_as_many_digits_fits_if_and_only_if_it_lies_between(
        self, before: str, after: str, low: int, high: int, number: int, width: int
    ) -> None:
        low, high = sorted((low, high))
        first, last, value = (f"{before}{each:0{width}}{after}" for each in (low, high, number))
        assert conditions.span(first, last).holds(value) == (low <= number <= high)

    @given(st.text("S1٣-", max_size=6), st.text("S1٣-", max_size=6), st.text("S1٣-", max_size=6))
    def test_any_texts_are_judged_without_a_fault(self, first: str, last: str, value: str) -> None:
        try:
            held = conditions.span(first, last).holds(value)
        except NoRange:
            return
        assert not held or first <= value <= last or len(first) < len(last)


class TestTogether:
    def test_a_rule_without_conditions_fits_every_device_and_says_so(self) -> None:
        assert fits(rule())
        assert conditions.fits_every_device(rule())
        for facts in ({"ca": CA}, {"attribute": "sn", "pattern": "*"}, {"first": "1", "last": "2"}):
            assert not conditions.fits_every_device(rule(**facts))

    def test_a_ca_is_that_of_the_certificate_and_no_device_without_one_fits(self) -> None:
        assert fits(rule(ca=CA), ca=CA)
        assert not fits(rule(ca=CA), ca=OTHER_CA)
        assert not fits(rule(ca=CA))

    @pytest.mark.parametrize(
        ("value", "fit"),
        [
            ("SN1", True),
            (["X", "SN1"], True),
            (["X"], False),
            ([], False),
            (None, False),
            (7, False),
            ({"a": "SN1"}, False),
        ],
    )
    def test_a_member_fits_if_its_text_or_any_of_its_texts_does(self, value: Any, fit: bool) -> None:
        assert fits(rule(attribute="sn", pattern="SN*"), members={"sn": value}) == fit
        assert fits(rule(range_of="sn", first="SN1", last="SN3"), members={"sn": value}) == fit

    def test_a_device_without_the_member_does_not_fit(self) -> None:
        assert not fits(rule(attribute="sn", pattern="*"), members={"mac": "SN1"})
        assert not fits(rule(range_of="sn", first="press-1", last="press-3"), "press-1")

    def test_a_range_of_no_member_is_one_of_ids(self) -> None:
        assert fits(rule(first="press-1", last="press-3"), "press-2")
        assert not fits(rule(first="press-1", last="press-3"), "press-4", {"sn": "press-2"})

    @given(st.booleans(), st.booleans(), st.booleans())
    def test_every_condition_must_be_met(self, by_ca: bool, by_pattern: bool, by_range: bool) -> None:
        asked = rule(ca=CA, attribute="hall", pattern="3*", first="press-1", last="press-9")
        candidate = Candidate(
            "press-5" if by_range else "press-50", {"hall": "3b" if by_pattern else "4b"}, CA if by_ca else OTHER_CA
        )
        assert conditions.fits(asked, candidate) == (by_ca and by_pattern and by_range)
