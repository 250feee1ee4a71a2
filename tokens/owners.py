"""Who owns what holds a secret: an active person, who hears when the secret expires."""

from portal.actor import Actor
from portal.models import User
from portal.refusal import Invalid


def named(name: str) -> User:
    """The active person of this name."""
    person: User | None = User.objects.filter(username=name).first()
    if person is None:
        raise Invalid("owner", f"There is no person named {name[:150]}; the list of people shows them all.")
    if not person.is_active:
        raise Invalid("owner", f"{person.username} is not active; choose somebody who is.")
    return person


def behind(actor: Actor) -> User | None:
    """The person behind the actor; None behind an app or a command."""
    return User.objects.filter(pk=actor.owner).first() if actor.owner else None


def chosen(name: str | None, *, by: Actor) -> User:
    """The owner that was named, else the person behind the actor; where there is none, one must be named."""
    person = behind(by) if name is None else named(name)
    if person is None:
        raise Invalid("owner", "Name the person who is to hear when the secret expires; there is none behind you.")
    return person
