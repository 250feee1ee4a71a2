"""Second factors: which a person has, whether their role demands one, and whether a code is right, once."""

from dataclasses import dataclass

from allauth.core.internal.cryptokit import compare_user_code, normalize_user_code
from allauth.mfa.adapter import get_adapter
from allauth.mfa.models import Authenticator
from allauth.mfa.recovery_codes.internal.auth import RecoveryCodes
from allauth.mfa.totp.internal.auth import TOTP, format_hotp_value, hotp_value, yield_hotp_counters_from_time
from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.db import transaction
from django.utils import timezone

from portal import audit, letters, outbox, windows
from portal.actor import Actor
from portal.models import User, WindowCount
from portal.refusal import Refusal, TooMany
from portal.roles import Role
from portal.topics import Topic

Kind = Authenticator.Type
WORDS = {Kind.TOTP: "authenticator app", Kind.WEBAUTHN: "passkey", Kind.RECOVERY_CODES: "recovery codes"}
# Codes that fit within the tolerance are few; more than these are remembered, so that none counts twice.
REMEMBERED = 16
# Wrong codes for one person, wherever they come from: who tries them knows the password, so none is a stranger.
MOST_WRONG = 30
HOUR = 3600


class WrongCode(Refusal):
    """One sentence for a wrong code and one that was used."""

    status, code = 403, "wrong_code"

    def __init__(self) -> None:
        super().__init__("This code is wrong, or was used already; type the one that your app shows now.")


@dataclass(frozen=True)
class Held:
    """What a person has: the app, passkeys with the oldest first, and how many recovery codes are left."""

    app: Authenticator | None
    passkeys: list[Authenticator]
    codes: Authenticator | None
    codes_left: int

    @property
    def factors(self) -> list[Authenticator]:
        return [*([self.app] if self.app else []), *self.passkeys]

    @property
    def seen(self) -> str:
        """What is told apart by it: whoever acts on a stale page names another."""
        return ",".join(str(one.pk) for one in [*self.factors, *([self.codes] if self.codes else [])])


def held(person: User) -> Held:
    """Everything that the person has, as it is now."""
    kept = list(Authenticator.objects.filter(user=person).order_by("pk"))
    app = next((one for one in kept if one.type == Kind.TOTP), None)
    codes = next((one for one in kept if one.type == Kind.RECOVERY_CODES), None)
    return Held(app, [one for one in kept if one.type == Kind.WEBAUTHN], codes, _left(codes) if codes else 0)


def _left(codes: Authenticator) -> int:
    """How many are not used; no secret need be opened for that, so that it is said also under another master key."""
    used: int = codes.data["used_mask"]
    return int(settings.MFA_RECOVERY_CODE_COUNT) - used.bit_count()


def has(person: User) -> bool:
    """Whether the password alone does not let this person in."""
    return bool(Authenticator.objects.filter(user=person).exclude(type=Kind.RECOVERY_CODES).exists())


def is_demanded(person: User) -> bool:
    return person.role in settings.SECOND_FACTOR_ROLES


def is_missing(person: User) -> bool:
    """Whether the person may do nothing but add a second factor."""
    return is_demanded(person) and not has(person)


def read_roles(words: list[str]) -> None:
    """Refuse to start with a role that there is not."""
    for word in words:
        if word not in Role.values:
            raise ImproperlyConfigured(
                f"GATEHOUSE_SECOND_FACTOR_ROLES holds {word!r}; write {', '.join(Role.values)} or some of them."
            )


def is_code(typed: str) -> bool:
    """Whether this looks like a code, which no password does: those are longer or not of digits alone."""
    digits = normalize_user_code(typed)
    return digits.isascii() and digits.isdigit() and len(digits) in (6, settings.MFA_RECOVERY_CODE_DIGITS)


@transaction.atomic
def accepts(person: User, typed: str, *, address: str = "") -> bool:
    """Whether this is a code of the person's app, or a recovery code of theirs, that was not used yet; now it is."""
    for one in sorted(_locked(person), key=lambda one: one.type != Kind.TOTP):
        if one.type == Kind.TOTP and OnceOnly(one).validate_code(typed):
            one.record_usage()
            return True
        if one.type == Kind.RECOVERY_CODES and (codes := RecoveryCodes(one)).validate_code(typed):
            one.record_usage()
            _record_used(person, _left(codes.instance), address)
            return True
    return False


@transaction.atomic
def accepts_or_counts(person: User, typed: str, *, address: str = "") -> bool:
    """The same; a wrong code is counted, and after 30 within an hour none is looked at, wherever they come from."""
    _locked(person)  # Before the count is read, so that many codes at once are looked at one after the other.
    _refuse_guessing(person)
    if accepts(person, typed, address=address):
        return True
    windows.number(_guesses(person), HOUR, timezone.now(), most=10 * MOST_WRONG)
    return False


def _locked(person: User) -> list[Authenticator]:
    """What takes codes of this person."""
    taking = Authenticator.objects.filter(user=person).exclude(type=Kind.WEBAUTHN)
    return list(taking.select_for_update().order_by("pk"))


def _refuse_guessing(person: User) -> None:
    now = timezone.now()
    window = int(now.timestamp()) // HOUR
    if WindowCount.objects.filter(key=_guesses(person), window=window, number__gte=MOST_WRONG).exists():
        left = int(windows.left(HOUR, now)) + 1
        raise TooMany(
            f"There were too many wrong codes for this person; use a passkey, or try again in {left // 60 + 1} min.",
            left,
        )


def _guesses(person: User) -> str:
    return f"second factor {person.pk}"


def tell(person: User, subject: str, sentence: str) -> None:
    """Write to the person, if they can be reached, so that they hear of what they did not do themselves."""
    if person.email and person.is_active:
        advice = "If this was not you, change your password, end your sessions and tell an administrator."
        letters.write([person.email], subject, f"{sentence}\n\n{advice}\n{settings.PUBLIC_URL}/portal/account/\n")


def _record_used(person: User, left: int, address: str) -> None:
    tell(person, "A recovery code was used", f"A recovery code of {person.username} was used; {left} are left.")
    by = Actor.person(person, address)
    audit.record(by, "person.recovery_code_used", ("person", person.username), after={"recovery_codes_left": left})
    outbox.put(Topic.PERSON_RECOVERY_CODE_USED, {"person": person.username, "left": left})


class OnceOnly(TOTP):  # type: ignore[misc]
    """A code counts once in all processes; allauth itself remembers it in the cache of one.

    What is remembered is the step of time that the code was for. The last ones are listed rather than the latest alone:
    after a clock that was an hour ahead is set back, new codes still count.
    """

    def _mark_code_used(self, code: str) -> bool:
        secret, used = get_adapter().decrypt(self.instance.data["secret"]), self.instance.data.get("used", [])
        steps = [step for step in yield_hotp_counters_from_time() if _fits(secret, step, code) and step not in used]
        if not steps:
            return False
        self.instance.data["used"] = [*used, *steps][-REMEMBERED:]
        self.instance.save(update_fields=["data"])
        return True


def _fits(secret: str, step: int, code: str) -> bool:
    return bool(compare_user_code(actual=code, expected=format_hotp_value(hotp_value(secret, step))))
