"""People: their names and passwords. The first administrator is made at first start; `standing` holds what follows."""

import secrets
import string

from django.contrib.auth.hashers import make_password
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.db import IntegrityError, transaction

from portal import audit, environment, outbox, profile, sessions, standing, tenants, text
from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid, Refusal
from portal.roles import Role
from portal.topics import Topic

FIRST_NAME = "admin"
# What the audit trail holds of a subject.
LONGEST_NAME = 128
ALPHABET = string.ascii_letters + string.digits


class NameTaken(Refusal):
    code = "name_taken"


class PasswordChanged(Refusal):
    """The password is not the one any more that was typed as the present one."""

    code = "password_changed"


def create(name: str, password: str, role: Role, *, by: Actor, tenant: str = tenants.FIRST, **known: str) -> User:
    """Add a person to a tenant; `known` is some of `email`, `given_name` and `family_name`.

    A name in use (in any case), a weak password and a role that `by` does not hold are refused.
    """
    standing.refuse_too_broad(role, by)
    text.check("name", name, least=1, most=LONGEST_NAME)
    profile.check(**known)
    user = User(username=name, role=role, tenant_id=tenant)
    for fact, value in known.items():
        setattr(user, profile.COLUMNS[fact], value)
    try:
        User._meta.get_field("username").run_validators(name)
    except ValidationError as unfit:
        raise Invalid("name", " ".join(unfit.messages)) from unfit
    _refuse_weak(password, user)
    user.set_password(password)
    try:
        with transaction.atomic():
            standing.refuse_too_broad(role, standing.locked(by)[1])
            if User.objects.filter(username__iexact=name).exists():
                raise NameTaken(f"There is a person named {name} already; choose another name.")
            tenants.held(tenant)
            user.save(force_insert=True)
            after = {"role": role, **{fact: value for fact, value in profile.facts(user).items() if value}}
            audit.record(by, "person.created", ("person", name), after=after)
            outbox.put(Topic.PERSON_CREATED, {"person": name, "role": role, "tenant": tenant, "by": str(by)})
    except IntegrityError as taken:
        raise NameTaken(f"There is a person named {name} already; choose another name.") from taken
    return user


def change_password(user: User, password: str, *, by: Actor, session: str | None = None) -> None:
    """Give a person another password; every session of theirs ends, except the one that is kept under `session`.

    A weak password and the present one are refused. Who calls this has seen the present password; one that has been
    changed or reset since stays.
    """
    _refuse_weak(password, user)
    if user.check_password(password):
        raise Invalid("password", "This is your present password; choose another.")
    # What takes long comes before the transaction, in which others wait for this one. A session that begins meanwhile
    # ends all the same: it was made with the old password, and each request compares.
    hashed, others = make_password(password), sessions.keys_of(user, but=session)
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, password=user.password).update(password=hashed):
            raise PasswordChanged("Your password has been changed meanwhile, and stays so; log in with that one.")
        user.password = hashed
        ended = sessions.forget(others)
        audit.record(by, "person.password_changed", ("person", user.username), after={"sessions_ended": ended})
        outbox.put(Topic.PERSON_PASSWORD_CHANGED, {"person": user.username, "by": str(by)})


def reset_password(user: User, *, by: Actor, reason: str = "") -> str:
    """Give a person who forgot theirs a generated password, which is returned this once; all their sessions end.

    One's own is refused, and that of a person whose role holds what `by` does not.
    """
    text.check("reason", reason, most=500)
    if by.owner == user.pk:
        raise standing.NotYourself("Change your own password on your account page, where you type the present one.")
    password = generate_password()
    hashed, keys = make_password(password), sessions.keys_of(user)
    with transaction.atomic():
        # The role is judged under the lock: this opens whatever the person may do.
        found, by = standing.locked(by, user.pk)
        if user.pk not in found:
            raise standing.Unknown
        standing.refuse_too_broad(found[user.pk].role, by)
        User.objects.filter(pk=user.pk).update(password=hashed)
        user.password = hashed
        after = {"sessions_ended": sessions.forget(keys)}
        audit.record(by, "person.password_reset", ("person", user.username), after=after, reason=reason)
        outbox.put(Topic.PERSON_PASSWORD_RESET, {"person": user.username, "by": str(by)})
    return password


def first_administrator() -> tuple[str, str] | None:
    """Make the administrator `admin` if there are no people; the password, if generated, is returned this once.

    GATEHOUSE_ADMIN_PASSWORD decides it beforehand; then the password that is returned is empty.
    """
    if User.objects.exists():
        return None
    given = environment.text("ADMIN_PASSWORD")
    password = given or generate_password()
    try:
        create(FIRST_NAME, password, Role.ADMINISTRATOR, by=Actor.command("serve"))
    except NameTaken:
        return None  # Another replica was first.
    return FIRST_NAME, "" if given else password


def _refuse_weak(password: str, user: User) -> None:
    try:
        validate_password(password, user)
    except ValidationError as weak:
        raise Invalid("password", " ".join(weak.messages)) from weak


def generate_password() -> str:
    """24 letters and digits, 142 bits."""
    return "".join(secrets.choice(ALPHABET) for _ in range(24))
