"""What is sealed opens again here, and nowhere else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from portal import sealing


@given(st.binary(max_size=500))
def test_what_is_sealed_opens_again_and_shows_nothing(plain: bytes) -> None:
    sealed = sealing.seal(plain)
    assert sealing.unseal(sealed) == plain
    assert len(plain) < 4 or plain not in sealed.encode()


@given(st.text(max_size=200))
def test_any_other_text_is_broken(text: str) -> None:
    with pytest.raises(sealing.Broken):
        sealing.unseal(text)


def test_one_changed_character_breaks_the_seal() -> None:
    sealed = sealing.seal(b"signing key")
    for at in range(0, len(sealed) - 2, 7):
        with pytest.raises(sealing.Broken):
            sealing.unseal(sealed[:at] + ("A" if sealed[at] != "A" else "B") + sealed[at + 1 :])


def test_the_key_of_one_purpose_is_not_that_of_another() -> None:
    assert sealing.mac("audit", b"row") != sealing.mac("cursor", b"row")
    assert sealing.derived_key("sealing") != sealing.derived_key("audit")
