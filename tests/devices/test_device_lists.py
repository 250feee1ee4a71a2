"""Lists of devices as CSV: what each line says, whatever programs and people make of such a file."""

import csv
import io
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from devices import device_lists, examples, identity
from portal.csv_file import csv_lines
from portal.refusal import Invalid
from tests.conftest import MenderDevice

KEY = examples.KEY
QUOTED = f'"{KEY}"'
SECRET = "MC4CAQAwBQYDK2VwBCIEIJ1hsZ3v/VpguoRK9JLsLMREScVpezJpGXA7rAMcrn9g"
PRIVATE = f"-----BEGIN PRIVATE KEY-----\n{SECRET}\n-----END PRIVATE KEY-----"


def lines(*rows: str, head: str = "sn,key") -> list[device_lists.Line]:
    return device_lists.read("\n".join([head, *rows]))


def only(row: str, head: str = "sn,key") -> device_lists.Line:
    (line,) = lines(row, head=head)
    return line


def refused_or_read(text: str) -> list[device_lists.Line]:
    """The lines of a list; none if it is refused as a whole."""
    with suppress(Invalid):
        return device_lists.read(text)
    return []


def why(line: device_lists.Line) -> str:
    assert line.expected is None
    return str(line.refusal)


class TestForms:
    def test_a_line_is_an_identity_and_a_key(self) -> None:
        line = only(f"00:01:02:03:04:05,SN1234567890,{QUOTED}", head="mac,sn,key")
        assert line.expected
        assert line.expected.identity
        assert (line.id, line.number, line.refusal) == (examples.ID, 2, None)
        assert dict(line.expected.identity.members) == {"mac": "00:01:02:03:04:05", "sn": "SN1234567890"}
        assert line.expected.key.fingerprint == examples.PREAUTHORIZED["fingerprint"]

    def test_or_an_id_and_a_key_in_any_order(self) -> None:
        line = only(f"{QUOTED},press-1", head="key,id")
        assert line.expected
        assert (line.id, line.expected.identity) == ("press-1", None)

    def test_numbers_are_lines_of_the_file_though_keys_have_several(self) -> None:
        found = lines(f"1,{QUOTED}", "", ",", f"2,{QUOTED}", "3")
        assert [line.number for line in found] == [2, 8, 12]

    @pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
    @pytest.mark.parametrize("mark", ["", "\ufeff"])
    def test_every_kind_of_line_end_and_a_byte_order_mark_are_read(self, end: str, mark: str) -> None:
        text = mark + f"sn,key\n1,{QUOTED}\n2,{QUOTED}\n".replace("\n", end)
        found = device_lists.read(device_lists.decode(text.encode()))
        assert [line.number for line in found] == [2, 6]
        assert all(line.expected and line.expected.key.pem == KEY.strip() for line in found)

    def test_quoted_cells_hold_commas_quotation_marks_and_blanks(self) -> None:
        line = only(f'" a,""b"" ",{QUOTED}')
        assert line.expected
        assert line.expected.identity
        assert line.expected.identity.members == {"sn": ' a,"b" '}

    def test_an_empty_cell_is_no_member(self) -> None:
        line = only(f"1,,{QUOTED}", head="sn,mac,key")
        assert line.expected
        assert line.expected.identity
        assert line.expected.identity.members == {"sn": "1"}

    @pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@x", "plain", "'quoted", "''=x"])
    def test_what_our_own_files_mark_as_no_formula_is_read_back_as_it_was(self, cell: str) -> None:
        text = "".join(csv_lines([["sn", "key"], [cell, KEY]]))
        (line,) = device_lists.read(text)
        assert line.expected
        assert line.expected.identity
        assert line.expected.identity.members == {"sn": cell}

    @given(st.lists(st.tuples(st.text(st.characters(codec="utf-8"), max_size=9), st.text("\",;\n\r'=x", max_size=9))))
    def test_any_cells_are_read_without_a_fault_and_as_they_were(self, cells: list[tuple[str, str]]) -> None:
        file = io.StringIO()
        csv.writer(file).writerows([["a", "b", "key"], *((*row, KEY) for row in cells)])
        found = refused_or_read(device_lists.decode(file.getvalue().encode()))
        assert len(found) == len(cells)
        for line in found:
            assert (line.expected is None) != (line.refusal is None)
            if line.expected and line.expected.identity:
                assert identity.digest(line.expected.identity.members) == line.id

    @given(st.text(st.characters(codec="utf-8")))
    def test_any_text_is_a_list_or_refused(self, text: str) -> None:
        for sent in (text, f"sn,key\n{text}", f'sn,key\n"{text}'):
            refused_or_read(sent)


class TestUnfitLines:
    @pytest.mark.parametrize(
        ("row", "sentence"),
        [
            ("1,no key", "The key cannot be used"),
            ("1,", "The key cannot be used"),
            (f'1,{QUOTED[:-1]}{KEY}"', "more than one PEM block"),
            (f",{QUOTED}", "It is no identity: it has no members"),
            (f"{'x' * 8200},{QUOTED}", "It is no identity: it is over 8192 bytes"),
            (f"a\u202eb,{QUOTED}", "It is no identity: it holds the invisible character U+202E"),
            ("1", "It has 1 cells where the first row has 2"),
            (f"1,{QUOTED},3", "It has 3 cells where the first row has 2"),
            (f'1,"{PRIVATE}"', "It holds a private key"),
            (f'"{PRIVATE}",{QUOTED}', "It holds a private key"),
        ],
    )
    def test_say_what_is_wrong_and_void_no_other(self, row: str, sentence: str) -> None:
        bad, good = lines(row, f"2,{QUOTED}")
        assert sentence in why(bad)
        assert good.expected

    def test_an_id_has_its_form(self) -> None:
        for wrong in ("a b", "x" * 129, "ü", "", "../x"):
            assert "An id is 1 to 128" in why(only(f"{wrong},{QUOTED}", head="id,key"))

    def test_a_device_stands_once_and_a_line_that_is_no_good_takes_no_place(self) -> None:
        broken, first, other, again = lines("1,broken", f"1,{QUOTED}", f"2,{QUOTED}", f"1,{QUOTED}")
        assert broken.refusal
        assert first.expected
        assert other.expected
        assert why(again) == "Line 3 is the same device already."

    def test_no_sentence_repeats_a_private_key(self) -> None:
        for found in (lines(f'1,"{PRIVATE}"'), lines(f'"{PRIVATE}",x', head="id,key")):
            assert all(SECRET[:20] not in f"{line.id}{line.refusal}" for line in found)
        with pytest.raises(Invalid) as refused:
            device_lists.read(PRIVATE)
        assert SECRET[:20] not in str(refused.value)


class TestNoList:
    @pytest.mark.parametrize(
        ("text", "sentence"),
        [
            ("", "one of them is 'key'"),
            ("\n\n", "one of them is 'key'"),
            ("sn,key", "no line below its first row"),
            ("sn,mac\n1,2", "one of them is 'key'"),
            ("sn;key\n1;2", "not separated by commas"),
            ("sn\tkey\n1\t2", "not separated by commas"),
            ("key\nx", "Beside 'key' a column must say who"),
            ("id,sn,key\n1,2,3", "A column 'id' stands alone"),
            ("sn,sn,key\n1,2,3", "Two columns have the same name"),
            ("sn,,key\n1,2,3", "Column 2 has no fit name"),
            ("s\u200bn,key\n1,2", "Column 1 has no fit name"),
            (f"{'x' * 65},key\n1,2", "Column 1 has no fit name"),
            (",".join(map(str, range(64))) + ",key\n", "over 64 columns"),
            ('sn,key\n1,"x\n2,y', "From line 2 on the list is no CSV"),
            ('sn,key\n1,x\n2,"x"y', "From line 3 on the list is no CSV"),
            (PRIVATE, "This is a private key and no list"),
        ],
    )
    def test_is_refused_with_what_would_help(self, text: str, sentence: str) -> None:
        with pytest.raises(Invalid, match=sentence):
            device_lists.read(text)

    def test_is_no_longer_than_10000_lines_and_a_mebibyte(self, monkeypatch: pytest.MonkeyPatch) -> None:
        assert (device_lists.MOST_LINES, device_lists.MAX_BYTES) == (10_000, 1024 * 1024)
        monkeypatch.setattr(device_lists, "MOST_LINES", 2)
        assert len(lines("1,x", "2,x")) == 2
        with pytest.raises(Invalid, match="over 2 lines"):
            lines("1,x", "2,x", "3,x")
        with pytest.raises(Invalid, match="over 1048576 bytes"):
            device_lists.decode(b"x" * (1024 * 1024 + 1))

    @pytest.mark.parametrize("raw", [b"sn,key\n\xff,x", "sn,key\n1,x".encode("utf-16")])
    def test_is_utf_8(self, raw: bytes) -> None:
        with pytest.raises(Invalid, match="not UTF-8"):
            device_lists.decode(raw)


def test_every_kind_of_key_that_a_device_may_have_fits(mender_device: Callable[..., MenderDevice]) -> None:
    pem: Any = mender_device().pem
    assert only(f'1,"{pem}"').expected
