"""JSON from strangers: a value that is safe to keep, or a refusal that says why; never anything else."""

import json
import math
import time
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from portal import strict_json

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


def is_clean(value: Any) -> bool:
    """Whether a database takes it: no NUL, no half surrogate, no number beyond all bounds."""
    if isinstance(value, str):
        return "\x00" not in value and not any("\ud800" <= char <= "\udfff" for char in value)
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        return all(is_clean(part) for pair in value.items() for part in pair)
    return not isinstance(value, list) or all(is_clean(item) for item in value)


@given(st.binary(max_size=200))
@example(b"")
@example(b"\xff")
@example(b"\xef\xbb\xbf1")
def test_any_bytes_are_a_clean_value_or_unreadable(raw: bytes) -> None:
    try:
        value = strict_json.loads(raw)
    except strict_json.Unreadable:
        return
    assert is_clean(value)


@given(st.text(alphabet='[]{}",:\\/u0d8e1E+-.NaInfinity \x00\ud800\udc00é', max_size=120), st.booleans())
@example('"\ud800"', True)
@example("1" + "0" * 400 + ".0", False)
def test_any_text_is_a_clean_value_or_unreadable(text: str, repeated: bool) -> None:
    try:
        value = strict_json.loads_text(text, repeated_members=repeated)
    except strict_json.Unreadable:
        return
    assert is_clean(value)


@given(VALUES)
def test_a_clean_value_comes_back_as_it_was_written(value: Any) -> None:
    if not is_clean(value):
        with pytest.raises(strict_json.Unreadable):
            strict_json.loads(json.dumps(value).encode())
    else:
        assert strict_json.loads(json.dumps(value).encode()) == value


@pytest.mark.parametrize(
    ("raw", "why"),
    [
        (b"", "not JSON at character 1"),
        (b"{", "not JSON"),
        (b"nul", "not JSON"),
        (b"{} {}", "not JSON"),
        (b"'a'", "not JSON"),
        (b'{"a": 1,}', "not JSON"),
        (b"01", "not JSON"),
        (b"\xff\xfe", "not UTF-8"),
        (b'"\xed\xa0\x80"', "not UTF-8"),
        ('{"a": 1}'.encode("utf-16"), "not UTF-8"),
        (b"\xef\xbb\xbf{}", "byte order mark"),
        (b"NaN", "NaN is not a JSON number"),
        (b"[Infinity]", "Infinity is not a JSON number"),
        (b"-Infinity", "-Infinity is not a JSON number"),
        (b"1e999", "too large"),
        (b"-1E999", "too large"),
        (b"1" + b"0" * 400 + b".0", "too large"),
        (b"9" * 5000, "not JSON"),
        (b'{"a": 1, "a": 2}', "names a member twice"),
        (b'{"a": 1, "\\u0061": 2}', "names a member twice"),
        (b'[{"b": {"a": 1, "a": 1}}]', "names a member twice"),
        (b'"\\u0000"', "U\\+0000"),
        (b'{"\\u0000": 1}', "U\\+0000"),
        (b'"a\x00b"', "not JSON"),
        (b'"\\ud800"', "half of a surrogate pair"),
        (b'{"x": ["\\udc00 \\ud800"]}', "half of a surrogate pair"),
        (b"[" * 33 + b"]" * 33, "deeper than 32 levels"),
        (b'{"a":' * 33 + b"1" + b"}" * 33, "deeper than 32 levels"),
        (b'"' + b"\\" * 3 + b'"' + b"[" * 40, "deeper|not JSON"),
    ],
)
def test_what_is_no_safe_json_is_refused_with_its_reason(raw: bytes, why: str) -> None:
    with pytest.raises(strict_json.Unreadable, match=why):
        strict_json.loads(raw)


@pytest.mark.parametrize(
    ("raw", "value"),
    [
        (b"[" * 32 + b"]" * 32, None),
        (b'"[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["', "[" * 40),
        (b'"' + b'\\"[' * 40 + b'"', '"[' * 40),
        (b'"\\ud83d\\ude00"', "\U0001f600"),
        (b"12345678901234567890", 12345678901234567890),
        (b' {"a" : null}\n', {"a": None}),
    ],
)
def test_brackets_in_texts_are_not_depth_and_whole_pairs_are_characters(raw: bytes, value: Any) -> None:
    read = strict_json.loads(raw)
    assert value is None or read == value


def test_of_a_repeated_member_the_last_counts_where_the_caller_says_so() -> None:
    assert strict_json.loads(b'{"a": 1, "a": 2}', repeated_members=True) == {"a": 2}


@pytest.mark.parametrize(
    "raw",
    [b'"' + b'\\"' * 500_000, b'"' + b'\\"' * 500_000 + b"\\", b'["' * 300_000, b"[" * 1_000_000, b"[]," * 340_000],
    ids=["escapes without end", "escapes and a stroke", "texts and brackets", "deep", "wide"],
)
def test_a_megabyte_made_to_be_slow_is_judged_within_seconds(raw: bytes) -> None:
    began = time.thread_time()
    with pytest.raises(strict_json.Unreadable):
        strict_json.loads(raw)
    assert time.thread_time() - began < 5
