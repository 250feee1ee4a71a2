"""What a person says about an app: what it is, what a version of it may do, who hosts it, and that it goes."""

from django import forms
from django.http import QueryDict

from portal import scope_choices
from portal.actor import Actor
from portal.people_forms import ConfirmedForm, TenantChoice
from portal.scope_choices import Choice
from portal.scopes import Scope
from portal.tenants import FIRST
from portal.whole_number_field import WholeNumberField
from tokens import overlap, registration

FEATURES = ((registration.SHUTDOWN, "Order the shutdown of the device it is installed on, and see how that goes"),)
WRONG = ("required", "invalid", "min_value", "max_value")


class RegistrationForm(forms.Form):
    """The name that programs know it by, a title for people, and the tenant where it is at home."""

    name = forms.CharField(max_length=20, error_messages={"required": "Say what programs call it."})
    title = forms.CharField(max_length=100, required=False)
    tenant = TenantChoice(required=False, initial=FIRST, empty_value=FIRST)


class VersionForm(forms.Form):
    """The number of a version with the features and scopes that it declares, among those that the person holds."""

    version = forms.CharField(max_length=30, error_messages={"required": "Say which version this is."})
    features = forms.MultipleChoiceField(choices=FEATURES, required=False)
    scopes = forms.MultipleChoiceField(required=False)

    def __init__(self, sent: QueryDict | None, *, actor: Actor) -> None:
        super().__init__(sent)
        self.sent = sent
        self.held = scope_choices.offered(actor, Scope.CREDENTIALS_ROTATE_OWN)
        self.fields["scopes"].choices = [(choice.scope, choice.label) for choice in self.held]  # type: ignore[attr-defined]

    def declared(self) -> list[tuple[str, str, bool]]:
        """The features in words, each with whether its box is checked."""
        checked = self.sent.getlist("features") if self.sent is not None else []
        return [(name, words, name in checked) for name, words in FEATURES]

    def chosen(self) -> list[tuple[str, list[tuple[Choice, bool]]]]:
        """The scopes by what they are about, each with whether its box is checked."""
        checked = self.sent.getlist("scopes") if self.sent is not None else []
        return list(scope_choices.grouped(self.held, checked))


class TenantForm(forms.Form):
    """A tenant."""

    tenant = TenantChoice()


class RemovalForm(forms.Form):
    """The name of what goes, typed, so that nothing goes by mistake; and why."""

    typed = forms.CharField(max_length=60, required=False)
    reason = forms.CharField(max_length=500, required=False)

    def __init__(self, sent: QueryDict | None, *, name: str) -> None:
        super().__init__(sent)
        self.name = name

    def clean_typed(self) -> str:
        typed: str = self.cleaned_data["typed"]
        if typed != self.name:
            raise forms.ValidationError(f"Type {self.name} to confirm that it goes; nothing was changed.")
        return typed


class InstallationForm(ConfirmedForm):
    """Which version goes on which device, for how many days, and who hears when its token expires."""

    version = forms.CharField(max_length=30, error_messages={"required": "Choose a version."})
    device = forms.CharField(max_length=128, error_messages={"required": "Say on which device."})
    owner = forms.CharField(max_length=150, required=False)

    def __init__(self, sent: QueryDict | None, *, fresh: bool, owner: str) -> None:
        super().__init__(sent, fresh=fresh)
        self.most = overlap.longest_days()
        sentence = dict.fromkeys(WRONG, f"An app token lives 1 to {self.most} days.")
        self.fields["days"] = WholeNumberField(min_value=1, max_value=self.most, error_messages=sentence)
        self.initial = {"days": self.most, "owner": owner}


class VersionChangeForm(forms.Form):
    """The version that takes the place of the present one, and the revision that was seen."""

    version = forms.CharField(max_length=30, error_messages={"required": "Choose a version."})
    seen = WholeNumberField(min_value=1, required=False)
