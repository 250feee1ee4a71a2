"""Secrets: recognisable, looked up by id, refused by their checksum, kept as a digest."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from tokens import secret

pytestmark = pytest.mark.django_db

EXAMPLE = "gate_pat_0123456789ab_" + "A" * 43


def test_the_checksum_of_a_known_text_is_known() -> None:
    """CRC-32 in six digits of base 62, 0-9 A-Z a-z; scanners elsewhere compute the same."""
    assert secret.checksum("") == "000000"
    assert secret.checksum("123456789") == "3jZRME"


def test_a_generated_secret_has_the_form_and_says_its_id() -> None:
    made = secret.generate("gate_pat")
    assert len(made.text) == len("gate_pat_") + 12 + 1 + 43 + 6
    assert made.text.startswith(f"gate_pat_{made.id}_")
    assert secret.parse("gate_pat", made.text) == made.id
    assert secret.matches(made.text, made.digest, made.pepper)
    assert made.text not in repr(made)


def test_no_two_secrets_are_alike() -> None:
    made = [secret.generate("gate_pat") for _ in range(200)]
    assert len({one.id for one in made}) == len({one.text for one in made}) == 200


@pytest.mark.parametrize("at", range(len(EXAMPLE) + 6))
def test_one_changed_character_is_seen_without_a_look_into_the_database(at: int) -> None:
    text = EXAMPLE + secret.checksum(EXAMPLE)
    other = "b" if text[at] != "b" else "c"
    assert secret.parse("gate_pat", text) == "0123456789ab"
    assert secret.parse("gate_pat", text[:at] + other + text[at + 1 :]) is None


@pytest.mark.parametrize("kind", ["gate_app", "gate", "", "gate_pa"])
def test_a_secret_of_another_kind_is_none(kind: str) -> None:
    made = secret.generate("gate_pat")
    assert secret.parse(kind, made.text) is None


@given(st.text(max_size=100))
@example("gate_pat_0123456789ab_" + "é" * 43 + "000000")
@example(EXAMPLE + "\n")
@example(EXAMPLE + secret.checksum(EXAMPLE) + "\n")
@example("\ud800")
def test_any_other_text_is_none(text: str) -> None:
    assert secret.parse("gate_pat", text) is None


def test_a_secret_is_found_wherever_it_stands_in_a_text() -> None:
    made = secret.generate("gate_pat")
    for text in (made.text, f"KEY={made.text}", f" {made.text}, {secret.generate('gate_pat').text}"):
        assert secret.found_in("gate_pat", text) == made.id
    for text in ("", made.text[:-1], f"gate_pat_{made.id}_…", secret.generate("gate_app").text):
        assert secret.found_in("gate_pat", text) is None
