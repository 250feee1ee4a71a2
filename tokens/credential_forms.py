"""What a person says about a secret: for which instance, how long, whose it is, how it is rotated, and why it ends."""

from django import forms
from django.http import QueryDict

from portal.actor import Actor
from portal.people_forms import ConfirmedForm
from portal.scopes import Scope, described, within
from portal.whole_number_field import WholeNumberField
from tokens import overlap
from tokens.apps_forms import WRONG
from tokens.models import AppVersion


class IssueForm(ConfirmedForm):
    """The instance, the scopes among those of the version and of the person, days, and who hears of the expiry."""

    instance = forms.CharField(max_length=20, required=False)
    scopes = forms.MultipleChoiceField(required=False)
    rotate_own = forms.BooleanField(required=False)
    owner = forms.CharField(max_length=150, error_messages={"required": "Say who hears when the secret expires."})

    def __init__(self, sent: QueryDict | None, *, version: AppVersion, actor: Actor, fresh: bool) -> None:
        super().__init__(sent, fresh=fresh)
        self.sent = sent
        self.most, self.may_rotate_own = overlap.longest_days(), actor.may(Scope.CREDENTIALS_ROTATE_OWN)
        offered = described([scope for scope in version.scopes if scope != Scope.CREDENTIALS_ROTATE_OWN])
        held = within(version.scopes, actor.scopes)
        self.offered = [(scope, words) for scope, words in offered if scope in held]
        self.withheld = [scope for scope, _ in offered if scope not in held]
        self.fields["scopes"].choices = self.offered  # type: ignore[attr-defined]
        sentence = dict.fromkeys(WRONG, f"A secret lives 1 to {self.most} days.")
        self.fields["days"] = WholeNumberField(min_value=1, max_value=self.most, error_messages=sentence)
        self.initial = {"days": self.most, "owner": actor.name, "rotate_own": self.may_rotate_own}

    def chosen(self) -> list[tuple[str, str, bool]]:
        """The scopes that may be given in words, each with whether its box is checked; at first all are."""
        checked = self.sent.getlist("scopes") if self.sent is not None else [scope for scope, _ in self.offered]
        return [(scope, words, scope in checked) for scope, words in self.offered]


class RotationForm(ConfirmedForm):
    """How long the old secret goes on and the new one lives, what else ends, why, and the revision that was seen."""

    force = forms.BooleanField(required=False)
    end_tokens = forms.BooleanField(required=False)
    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, required=False)

    def __init__(self, sent: QueryDict | None, *, fresh: bool) -> None:
        super().__init__(sent, fresh=fresh)
        self.most, self.most_hours = overlap.longest_days(), overlap.LONGEST_GRACE_HOURS
        hours = dict.fromkeys(WRONG, f"The old secret goes on for 0 to {self.most_hours} hours.")
        days = dict.fromkeys(WRONG, f"A secret lives 1 to {self.most} days.")
        self.fields["grace_hours"] = WholeNumberField(min_value=0, max_value=self.most_hours, error_messages=hours)
        self.fields["days"] = WholeNumberField(min_value=1, max_value=self.most, error_messages=days)
        self.initial = {"grace_hours": overlap.GRACE_HOURS, "days": self.most}


class OverlapForm(forms.Form):
    """That a secret that is in use may stop, and the revision that was seen."""

    confirm = forms.BooleanField(required=False)
    seen = WholeNumberField(min_value=1, required=False)


class OwnerForm(forms.Form):
    """Who hears from now on, and the revision that was seen."""

    owner = forms.CharField(max_length=150, error_messages={"required": "Say who hears from now on."})
    seen = WholeNumberField(min_value=1, required=False)


class ReasonForm(forms.Form):
    """Why, and the revision that was seen."""

    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, required=False)


class SeenForm(forms.Form):
    """The revision that was seen."""

    seen = WholeNumberField(min_value=1, required=False)
