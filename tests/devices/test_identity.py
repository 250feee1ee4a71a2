"""An identity means the same in every spelling, and only an object of texts is one."""

import hashlib
import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from devices import identity
from portal.text import hidden_character
from tests.amount import many

SEEN = st.text(max_size=20).filter(lambda text: hidden_character(text) is None)
MEMBERS = st.dictionaries(SEEN, SEEN, min_size=1, max_size=8)
WITH_LISTS = st.dictionaries(SEEN, SEEN | st.lists(SEEN, max_size=4), min_size=1, max_size=8)
often = settings(max_examples=many(80))


@pytest.mark.parametrize(
    "text",
    [
        '{"mac":"00:01:02:03:04:05","sn":"SN1234567890"}',
        '{"sn":"SN1234567890","mac":"00:01:02:03:04:05"}',
        ' {\n "sn" : "SN1234567890",\t"mac" : "00:01:02:03:04:05" } ',
        '{"\\u006dac":"00:01:02:03:04:05","sn":"\\u0053N1234567890"}',
    ],
)
def test_the_documented_digest_comes_out_in_any_order_and_spacing(text: str) -> None:
    assert identity.read(text).digest == "44c073bc6ae52c426be853e8c63fb3dbd74a5581a86e3c62bde74fdc9b73c15e"


@pytest.mark.parametrize(
    ("members", "canonical"),
    [
        ({"b": "1", "a": "2"}, '{"a":"2","b":"1"}'),
        ({"a": "x", "B": "y", "é": "z", "_": "u"}, '{"B":"y","_":"u","a":"x","é":"z"}'),
        ({"\uffff": "1", "\U0001f600": "2"}, '{"\uffff":"1","\U0001f600":"2"}'),
        ({"a": "<b> & c"}, '{"a":"\\u003cb\\u003e \\u0026 c"}'),
        ({"a": "\u2028\u2029"}, '{"a":"\\u2028\\u2029"}'),
        ({"a": 'say "x" \\ /'}, '{"a":"say \\"x\\" \\\\ /"}'),
        ({"a": "\x01\n\t"}, '{"a":"\\u0001\\n\\t"}'),
        ({"a": ["z", "b"]}, '{"a":["z","b"]}'),
        ({"": ""}, '{"":""}'),
    ],
)
def test_the_canonical_form_is_as_written(members: Any, canonical: str) -> None:
    assert identity.canonical(members) == canonical
    assert identity.digest(members) == hashlib.sha256(canonical.encode()).hexdigest()


@given(members=MEMBERS, data=st.data())
@often
def test_the_spelling_of_an_identity_does_not_matter(members: dict[str, str], data: st.DataObject) -> None:
    shuffled = dict(data.draw(st.permutations(list(members.items()))))
    spelt = json.dumps(shuffled, ensure_ascii=data.draw(st.booleans()), indent=data.draw(st.none() | st.integers(0, 3)))
    read = identity.read(spelt)
    assert read.digest == identity.digest(members)
    assert (read.text, read.members) == (spelt, members)


@given(members=WITH_LISTS)
@often
def test_the_canonical_form_says_the_same_and_is_its_own_canonical_form(members: dict[str, Any]) -> None:
    canonical = identity.canonical(members)
    assert json.loads(canonical) == members
    assert identity.canonical(json.loads(canonical)) == canonical
    assert not set("<>&\u2028\u2029\n") & set(canonical)


@given(one=WITH_LISTS, other=WITH_LISTS)
@often
def test_different_identities_have_different_digests(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert (identity.digest(one) == identity.digest(other)) == (one == other)


def test_the_order_of_a_list_matters() -> None:
    assert identity.digest({"a": ["b", "c"]}) != identity.digest({"a": ["c", "b"]})


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("", identity.Malformed),
        ("x", identity.Malformed),
        ("[]", identity.Malformed),
        ('"text"', identity.Malformed),
        ("5", identity.Malformed),
        ("NaN", identity.Malformed),
        ('{"a": 1}', identity.Malformed),
        ('{"a": true}', identity.Malformed),
        ('{"a": null}', identity.Malformed),
        ('{"a": {}}', identity.Malformed),
        ('{"a": ["b"]}', identity.Malformed),
        ('{"a": "b", "a": "b"}', identity.Malformed),
        ('{"a": "b"}{}', identity.Malformed),
        ('{"a": "\\u0000"}', identity.Malformed),
        ('{"a": "\\ud83d"}', identity.Malformed),
        ("\ud83d", identity.Malformed),
        ('{"a": "\\u202eb"}', identity.Malformed),
        ('{"\\u200b": "b"}', identity.Malformed),
        ('{"a": "\\n"}', identity.Malformed),
        ("\ufeff{}", identity.Malformed),
        ('{"a":' * 33 + "1" + "}" * 33, identity.Malformed),
        ("{}", identity.Empty),
        (" { } ", identity.Empty),
        ("null", identity.Empty),
        (json.dumps({"a": "x" * (8193 - len('{"a": ""}'))}), identity.TooLong),
        (json.dumps({"a": "é" * 4096}, ensure_ascii=False), identity.TooLong),
    ],
)
def test_what_is_no_identity_is_refused(text: str, fault: type[identity.Malformed]) -> None:
    with pytest.raises(identity.Malformed) as refused:
        identity.read(text)
    assert type(refused.value) is fault


def test_8192_bytes_are_not_too_long() -> None:
    text = json.dumps({"a": "x" * (8192 - len('{"a": ""}'))})
    assert identity.read(text).text == text


@pytest.mark.parametrize("text", ['{"a": ["b", 5]}', '{"a": [["b"]]}', '{"a": [null]}', '{"a": ["\\u202e"]}'])
def test_a_list_in_a_devices_identity_is_of_texts(text: str) -> None:
    assert identity.read('{"a": ["b", "c"], "d": "e"}', lists=True).members == {"a": ["b", "c"], "d": "e"}
    with pytest.raises(identity.Malformed):
        identity.read(text, lists=True)


@given(text=st.text(max_size=200), lists=st.booleans())
@often
def test_any_text_is_an_identity_or_malformed(text: str, lists: bool) -> None:
    with suppress(identity.Malformed):
        assert identity.read(text, lists=lists).text == text
