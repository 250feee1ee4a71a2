"""What an administrator says about a person: who is new, which role, and why."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from django import forms
from django.http import QueryDict

from portal import profile
from portal.models import Tenant, User
from portal.roles import SCOPES, Role
from portal.scopes import Scope
from portal.tenants import FIRST
from portal.whole_number_field import WholeNumberField

ROLES = [(str(role), role.label) for role in Role]
NO_ROLE = {"required": "Choose a role.", "invalid_choice": "There is no such role; choose one that is shown."}
NO_TENANT = {"required": "Choose a tenant.", "invalid_choice": "There is no such tenant; choose one that is shown."}
NO_ADDRESS = "This is no e-mail address; write one such as ada@plant.example."
UNCONFIRMED = {"required": "Type your own password to confirm this."}


@dataclass(frozen=True)
class Choice:
    """A role in words: what it may do beyond `base`, the widest role that it contains."""

    role: Role
    base: Role | None
    adds: list[Scope]
    checked: bool


class ConfirmedForm(forms.Form):
    """What needs the password of who asks, if they did not give it lately."""

    password = forms.CharField(max_length=4096, strip=False, required=False, error_messages=UNCONFIRMED)

    def __init__(self, sent: QueryDict | None, *, fresh: bool) -> None:
        super().__init__(sent)
        self.fresh = fresh
        self.fields["password"].required = not fresh


class OwnFactsForm(forms.Form):
    """How to reach a person, and what they are called beside their name to log in with; all of it optional."""

    email = forms.EmailField(max_length=254, required=False, error_messages={"invalid": NO_ADDRESS})
    given_name = forms.CharField(max_length=150, required=False)
    family_name = forms.CharField(max_length=150, required=False)


def _tenants() -> list[tuple[str, str]]:
    named = Tenant.objects.order_by("pk").values_list("pk", "title")
    return [(name, f"{name} ({title})" if title else name) for name, title in named]


class TenantChoice(forms.TypedChoiceField):
    """One of the tenants that there are."""

    def __init__(self, **facts: Any) -> None:
        super().__init__(choices=_tenants, error_messages=NO_TENANT, **facts)


class FactsForm(OwnFactsForm):
    """The same with the tenant, the revision that was seen, and why."""

    tenant = TenantChoice()
    seen = WholeNumberField(min_value=1)
    reason = forms.CharField(max_length=500, required=False)

    def __init__(self, sent: QueryDict | None = None, *, person: User) -> None:
        super().__init__(sent, initial={**profile.facts(person), "seen": person.revision})


class RoleForm(ConfirmedForm):
    """The role to give, the one that was seen, and why."""

    role = forms.ChoiceField(choices=ROLES, error_messages=NO_ROLE)
    seen = forms.ChoiceField(choices=ROLES)
    reason = forms.CharField(max_length=500, required=False)

    def __init__(self, sent: QueryDict | None, *, fresh: bool, offered: Collection[Role], present: str) -> None:
        super().__init__(sent, fresh=fresh)
        self.choices = explained(offered, present)


class ResetForm(ConfirmedForm):
    """Why a password is set anew."""

    reason = forms.CharField(max_length=500, required=False)


class NewPersonForm(ConfirmedForm, OwnFactsForm):
    """A name, a role, and a password for the person unless one is to be generated; and what is known of them."""

    name = forms.CharField(max_length=128, error_messages={"required": "Say what the person is called."})
    role = forms.ChoiceField(choices=ROLES, error_messages=NO_ROLE)
    first_password = forms.CharField(max_length=4096, strip=False, required=False)
    tenant = TenantChoice(required=False, initial=FIRST, empty_value=FIRST)

    def __init__(self, sent: QueryDict | None, *, fresh: bool, offered: Collection[Role]) -> None:
        super().__init__(sent, fresh=fresh)
        self.choices = explained(offered, sent.get("role", "") if sent is not None else Role.VIEWER)


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, required=False)


class SearchForm(forms.Form):
    """A part of a name."""

    q = forms.CharField(max_length=150, required=False)


def explained(offered: Collection[Role], checked: str) -> list[Choice]:
    """The roles that are offered, the narrowest first, each by what it adds to the one before it."""
    choices = []
    for role in sorted(offered, key=lambda role: len(SCOPES[role])):
        narrower = [other for other in offered if SCOPES[other] < SCOPES[role]]
        base = max(narrower, key=lambda other: len(SCOPES[other]), default=None)
        adds = SCOPES[role] - (SCOPES[base] if base else frozenset())
        choices.append(Choice(role, base, [scope for scope in Scope if scope in adds], role == checked))
    return choices
