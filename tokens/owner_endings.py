"""What becomes of access tokens that a person's API tokens bought, when the person is shut out or gets another role.

The portal judges the person at each request; the gateway's nodes know only what is named to them.
"""

from collections.abc import Sequence

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
            gateway_tokens.refuse(*_tokens(person))
        elif message.topic == Topic.PERSON_ACTIVATED:
            gateway_tokens.honour(*_tokens(person))
        elif message.topic == Topic.PERSON_ROLE_CHANGED:
            _role_changed(_tokens(person), message.body["role"])


def _role_changed(tokens: Sequence[ApiToken], role: str) -> None:
    """What was bought in another role is refused, what is bought in this one is not."""
    revocation.take_back_grants(gateway_tokens.grant(token, role) for token in tokens)
    others = [other for other in Role.values if other != role]
    revocation.refuse(Named.GRANT, [gateway_tokens.grant(token, other) for token in tokens for other in others])


def _tokens(person: str) -> Sequence[ApiToken]:
    """Those that are not revoked, disabled ones too; who switches one off or on meanwhile waits, and is not undone."""
    tokens = ApiToken.objects.select_for_update(of=("self",), no_key=True)
    return list(tokens.filter(owner__username=person, revoked_at=None).order_by("pk"))
