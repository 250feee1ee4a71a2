"""Text that people read is what it looks like."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import text
from portal.refusal import Invalid


@pytest.mark.parametrize(
    ("char", "name"),
    [
        ("\x00", "U+0000"),
        ("\n", "U+000A"),
        ("\x7f", "U+007F"),
        ("\x85", "U+0085"),
        ("\u200b", "U+200B"),
        ("\u202e", "U+202E"),
        ("\u2028", "U+2028"),
        ("\u2029", "U+2029"),
        ("\ufeff", "U+FEFF"),
        ("\ud800", "U+D800"),
        ("\U000e0041", "U+E0041"),
        ("\uffff", "U+FFFF"),
    ],
)
def test_a_character_that_nobody_sees_is_named(char: str, name: str) -> None:
    assert text.hidden_character(f"press{char}1") == name
    with pytest.raises(Invalid, match=f"invisible character {name.replace('+', '[+]')}") as refused:
        text.check("reason", f"press{char}1", most=500)
    assert list(refused.value.invalid or ()) == ["reason"]


@pytest.mark.parametrize("seen", ["", "press 1", "Größe «7»", "压力机", "مكبس", "🦾", "e\u0301", "<b>&'\""])
def test_what_can_be_seen_is_taken(seen: str) -> None:
    assert text.fault(seen, most=100) is None


@pytest.mark.parametrize(
    ("value", "least", "most", "sentence"),
    [
        ("", 1, 10, "Write 1 to 10 characters."),
        ("x" * 11, 1, 10, "Write 1 to 10 characters."),
        ("x" * 11, 0, 10, "Write at most 10 characters."),
        ("x" * 10, 1, 10, None),
        ("\U0001f600" * 10, 0, 10, None),
    ],
)
def test_length_is_counted_in_characters(value: str, least: int, most: int, sentence: str | None) -> None:
    assert text.fault(value, least=least, most=most) == sentence


@given(st.text(st.characters(), max_size=30))
def test_a_text_is_fit_exactly_if_each_of_its_characters_is(value: str) -> None:
    categories = {unicodedata.category(char) for char in value}
    assert (text.fault(value, most=30) is None) == (not categories & {"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
