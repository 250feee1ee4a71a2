"""What a person says about a new token, about its successor, and why one is switched off or revoked."""

from django import forms
from django.conf import settings
from django.http import QueryDict

from portal import scope_choices
from portal.actor import Actor
from portal.scope_choices import Choice
from portal.whole_number_field import WholeNumberField
from tokens import rotation

USUAL_DAYS = 90
UNCONFIRMED = {"required": "Type your password to confirm this."}


class NewTokenForm(forms.Form):
    """Name, scopes among those that the person holds, days; and the password, if it was not given lately."""

    name = forms.CharField(max_length=100, error_messages={"required": "Say what the token is for."})
    addresses = forms.CharField(max_length=2000, required=False)
    scopes = forms.MultipleChoiceField(error_messages={"required": "Choose at least one scope."})
    password = forms.CharField(max_length=4096, strip=False, required=False, error_messages=UNCONFIRMED)

    def __init__(self, sent: QueryDict | None, *, actor: Actor, fresh: bool) -> None:
        most = settings.TOKEN_MAX_DAYS
        super().__init__(sent, initial={"days": min(USUAL_DAYS, most)})
        self.fresh, self.most = fresh, most
        self.checked = sent.getlist("scopes") if sent is not None else []
        self.held = scope_choices.offered(actor)
        self.fields["scopes"].choices = [(choice.scope, choice.label) for choice in self.held]  # type: ignore[attr-defined]
        sentence = dict.fromkeys(("required", "invalid", "min_value", "max_value"), f"A token lives 1 to {most} days.")
        self.fields["days"] = WholeNumberField(min_value=1, max_value=most, error_messages=sentence)
        self.fields["password"].required = not fresh

    def clean_addresses(self) -> list[str]:
        addresses: list[str] = self.cleaned_data["addresses"].replace(",", " ").split()
        return addresses

    def chosen(self) -> list[tuple[str, list[tuple[Choice, bool]]]]:
        """The scopes by what they are about, each with whether its box is checked."""
        return list(scope_choices.grouped(self.held, self.checked))


class RotationForm(forms.Form):
    """How many hours the old secret goes on; and the password, if it was not given lately."""

    overlap_hours = WholeNumberField(
        min_value=0,
        max_value=rotation.LONGEST_OVERLAP_HOURS,
        error_messages=dict.fromkeys(
            ("required", "invalid", "min_value", "max_value"),
            f"The overlap is 0 to {rotation.LONGEST_OVERLAP_HOURS} hours.",
        ),
    )
    password = forms.CharField(max_length=4096, strip=False, required=False, error_messages=UNCONFIRMED)

    def __init__(self, sent: QueryDict | None, *, fresh: bool) -> None:
        super().__init__(sent, initial={"overlap_hours": rotation.OVERLAP_HOURS})
        self.fresh, self.most = fresh, rotation.LONGEST_OVERLAP_HOURS
        self.fields["password"].required = not fresh


class ReasonForm(forms.Form):
    reason = forms.CharField(max_length=500, required=False)
