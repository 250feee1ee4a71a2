"""The two kinds of what holds secrets: how each makes its secret, and what it is called."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from tokens import secret
from tokens.models import AppCredential, AppTokenSecret, CredentialSecret, HeldSecret, Holder, InstalledApp
from tokens.secret import Generated

APP_TOKEN = "gate_app"  # noqa: S105  # How such tokens begin.


@dataclass(frozen=True)
class Kind:
    """`noun` begins the verbs in the history, such as `credential.rotated`; `word` is what people call its secret.

    `subject_comes_again` says whether the subject of its access tokens may one day be another's.
    """

    noun: str
    word: str
    secret: type[HeldSecret]
    generate: Callable[[Holder], Generated]
    facts: Callable[[Holder], Mapping[str, str]]
    subject_comes_again: bool

    def make(self, holder: Holder, generated: Generated) -> HeldSecret:
        """A row for a secret that was generated for the holder; slot and end are still to be said."""
        kept: dict[str, Any] = {"digest": generated.digest, "pepper": generated.pepper, "hint": generated.hint}
        return self.secret(id=generated.id, **{"holder": holder, **kept, **self.facts(holder)})


KINDS: Mapping[type[Holder], Kind] = {
    AppCredential: Kind(
        "credential",
        "client secret",
        CredentialSecret,
        lambda holder: secret.client_secret(holder.subject),
        lambda holder: {"client_id": holder.subject},
        subject_comes_again=True,
    ),
    InstalledApp: Kind(
        "installation",
        "app token",
        AppTokenSecret,
        lambda holder: secret.app_token(APP_TOKEN, holder.pk),
        lambda holder: {},
        subject_comes_again=False,
    ),
}


def of(holder: Holder) -> Kind:
    return KINDS[type(holder)]


def subject(holder: Holder) -> tuple[str, str]:
    """What the history calls it: a credential by its client id, which people know, an installation by its id."""
    return of(holder).noun, holder.client_id if isinstance(holder, AppCredential) else holder.pk
