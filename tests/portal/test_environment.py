"""Settings from the environment: what makes sense is read, nonsense is one sentence that names the variable."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import environment

Read = Callable[[], Any]


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
    def give(value: str, name: str = "GATEHOUSE_THING") -> None:
        monkeypatch.setenv(name, value)

    return give


def one_sentence(read: Read) -> str:
    with pytest.raises(ImproperlyConfigured) as refused:
        read()
    sentence = str(refused.value)
    assert sentence.startswith("GATEHOUSE_THING")
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


READERS: dict[str, Read] = {
    "choice": lambda: environment.choice("THING", ("text", "json")),
    "number": lambda: environment.number("THING", 7, least=1, most=65535),
    "address": lambda: environment.address("THING", "0.0.0.0"),
    "url": lambda: environment.url("THING", "https://localhost:8443"),
    "database": lambda: environment.database("THING", Path("/data/gatehouse.sqlite3")),
}


@pytest.mark.parametrize(
    ("reader", "value"),
    [
        ("choice", "xml"),
        ("choice", "JSON"),
        ("number", "0"),
        ("number", "-1"),
        ("number", "65536"),
        ("number", "1e3"),
        ("number", "8.0"),
        ("number", " 8"),
        ("number", "0x10"),
        ("number", "٣"),
        ("number", "²"),
        ("number", "9" * 5000),
        ("address", "localhost"),
        ("address", "127.1"),
        ("address", "10.0.0.0/8"),
        ("address", "1.2.3.4:80"),
        ("url", "localhost"),
        ("url", "ftp://host"),
        ("url", "https://"),
        ("url", "https://host/path"),
        ("url", "https://host?query"),
        ("url", "https://host?"),
        ("url", "https://host#part"),
        ("url", "https://user:word@host"),
        ("url", "https://@host"),
        ("url", "https://host:port"),
        ("url", "https://host:99999"),
        ("url", "https://[::1"),
        ("url", "https://ho st"),
        ("url", "https://hóst"),
        ("database", "mysql://host/name"),
        ("database", "postgres://host"),
        ("database", "postgres://host/"),
        ("database", "postgres://host:port/name"),
        ("database", "postgres://host:99999/name"),
        ("database", "postgres://host/name?port=no"),
        ("database", "postgres://host/name?port=0"),
        ("database", "postgres://host/name?sslmood=require"),
        ("database", "postgres://[host/name"),
        ("database", "sqlite://"),
        ("database", "gatehouse.sqlite3"),
    ],
)
def test_nonsense_is_one_sentence_that_names_the_variable(given: Callable[..., None], reader: str, value: str) -> None:
    given(value)
    one_sentence(READERS[reader])


@pytest.mark.parametrize(
    ("reader", "value", "read"),
    [
        ("choice", "json", "json"),
        ("number", "65535", 65535),
        ("address", "::1", "::1"),
        ("url", "http://10.0.0.1:80/", "http://10.0.0.1:80"),
        ("url", "https://[::1]:8443", "https://[::1]:8443"),
    ],
)
def test_what_makes_sense_is_read(given: Callable[..., None], reader: str, value: str, read: Any) -> None:
    given(value)
    assert READERS[reader]() == read


@pytest.mark.parametrize(
    ("reader", "default"),
    [("choice", "text"), ("number", 7), ("address", "0.0.0.0"), ("url", "https://localhost:8443")],
)
@pytest.mark.parametrize("empty", [True, False])
def test_what_is_not_set_or_set_to_nothing_is_the_default(
    given: Callable[..., None], reader: str, default: Any, empty: bool
) -> None:
    if empty:
        given("")
    assert READERS[reader]() == default


def test_words_are_parted_by_commas_and_blanks(given: Callable[..., None]) -> None:
    given(" a, b,,c  d ")
    assert environment.words("THING") == ["a", "b", "c", "d"]


class TestFile:
    def test_a_value_may_stand_in_a_file(self, given: Callable[..., None], tmp_path: Path) -> None:
        (tmp_path / "thing").write_text("from the file\n")
        given(str(tmp_path / "thing"), "GATEHOUSE_THING_FILE")
        assert environment.text("THING", "default") == "from the file"

    def test_a_value_and_a_file_are_one_too_many(self, given: Callable[..., None], tmp_path: Path) -> None:
        given("value")
        given(str(tmp_path / "thing"), "GATEHOUSE_THING_FILE")
        assert "both set" in one_sentence(lambda: environment.text("THING"))

    @pytest.mark.parametrize("content", [None, b"\xff\xfe", b"", b" \n"])
    def test_a_file_that_is_missing_no_text_or_empty_is_refused(
        self, given: Callable[..., None], tmp_path: Path, content: bytes | None
    ) -> None:
        if content is not None:
            (tmp_path / "thing").write_bytes(content)
        given(str(tmp_path / "thing"), "GATEHOUSE_THING_FILE")
        assert str(tmp_path / "thing") in one_sentence(lambda: environment.text("THING", "default"))

    def test_a_variable_of_another_system_keeps_its_name(self, given: Callable[..., None], tmp_path: Path) -> None:
        assert environment.foreign("OTHER_LIST") == ""
        given("a, b", "OTHER_LIST")
        assert environment.foreign("OTHER_LIST") == "a, b"
        given(str(tmp_path / "list"), "OTHER_LIST_FILE")
        with pytest.raises(ImproperlyConfigured, match=r"^OTHER_LIST and OTHER_LIST_FILE are both set; keep one"):
            environment.foreign("OTHER_LIST")

    def test_a_folder_is_no_file(self, given: Callable[..., None], tmp_path: Path) -> None:
        given(str(tmp_path), "GATEHOUSE_THING_FILE")
        one_sentence(lambda: environment.text("THING"))


class TestDatabase:
    @pytest.mark.parametrize(
        ("value", "expected"),
        [
            (
                "postgres://ada:w%2Frd@db.example:5433/fleet",
                {"NAME": "fleet", "USER": "ada", "PASSWORD": "w/rd", "HOST": "db.example", "PORT": "5433"},
            ),
            ("postgresql://db/fleet", {"NAME": "fleet", "USER": "", "PASSWORD": "", "HOST": "db", "PORT": ""}),
            (
                "postgres://ada@/fleet?host=/run/postgres&port=5440",
                {"NAME": "fleet", "USER": "ada", "HOST": "/run/postgres", "PORT": "5440"},
            ),
            (
                "postgres://ada@/fleet?host=%2Frun%2Fpost%20gres",
                {"NAME": "fleet", "HOST": "/run/post gres", "PORT": ""},
            ),
            (
                "postgres://db/fleet?sslmode=verify-full",
                {"OPTIONS": {"connect_timeout": 5, "prepare_threshold": 2**31 - 1, "sslmode": "verify-full"}},
            ),
        ],
    )
    def test_a_server_is_named_by_a_url(self, given: Callable[..., None], value: str, expected: dict[str, Any]) -> None:
        given(value)
        read = READERS["database"]()
        assert read["ENGINE"] == "django.db.backends.postgresql"
        assert {name: read[name] for name in expected} == expected

    def test_a_wrong_url_is_refused_without_its_password(self, given: Callable[..., None]) -> None:
        for value in ("postgres://ada:hunter@db", "postgres://ada:hunt/er@db/name", "ada:swordfish@db/name"):
            given(value)
            assert "hunt" not in one_sentence(READERS["database"])

    def test_the_cause_of_a_refusal_is_not_shown_for_it_may_hold_a_password(self, given: Callable[..., None]) -> None:
        given("postgres://ada:hunt/er@db/name")
        with pytest.raises(ImproperlyConfigured) as refused:
            READERS["database"]()
        assert refused.value.__suppress_context__

    @pytest.mark.parametrize("path", ["/data/gatehouse.sqlite3", "/data #1/50%/was?/gatehouse.sqlite3"])
    def test_without_a_url_it_is_a_file_in_the_data_folder_wherever_that_is(self, path: str) -> None:
        read = environment.database("THING", Path(path))
        assert read["ENGINE"] == "portal.sqlite"
        assert read["NAME"] == Path(path)
