"""What becomes of access tokens that a person's API tokens bought, when the person is shut out or gets another role.

The portal judges the person at each request; the gateway's nodes know only what is named to them.
"""

from collections.abc import Iterable, Sequence

from portal import outbox
from portal.models import Outbox
from portal.roles import Role
from portal.topics import Topic
from tokens import gateway_tokens, revocation
from tokens.models import ApiToken, Named


@outbox.batch_receiver
def take(messages: Sequence[Outbox]) -> None:
    """In their order, so that who was let in again after all is honoured again."""
    for message in messages:
        person = message.body.get("person", "")
        if message.topic == Topic.PERSON_DEACTIVATED:
            for token in _tokens(person):
                gateway_tokens.refuse(token)
        elif message.topic == Topic.PERSON_ACTIVATED:
            for token in _tokens(person):
                if token.disabled_at is None:
                    gateway_tokens.honour(token)
        elif message.topic == Topic.PERSON_ROLE_CHANGED:
            _role_changed(_tokens(person), message.body["role"])


def _role_changed(tokens: Iterable[ApiToken], role: str) -> None:
    """What was bought in another role is refused, what is bought in this one is not."""
    for token in tokens:
        revocation.take_back_grant(gateway_tokens.grant(token, role))
        others = [gateway_tokens.grant(token, other) for other in Role.values if other != role]
        revocation.refuse(Named.GRANT, others)


def _tokens(person: str) -> Iterable[ApiToken]:
    tokens: Iterable[ApiToken] = ApiToken.objects.filter(owner__username=person, revoked_at=None)
    return tokens
