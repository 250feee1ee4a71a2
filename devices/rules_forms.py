"""What a person says about an enrolment rule."""

from typing import Any

from django import forms

from devices import rules
from devices.models import EnrolmentRule, Verdict
from portal.form_reading import read
from portal.whole_number_field import WholeNumberField

# As a browser writes a moment, with seconds and without; all in UTC.
MOMENTS = ["%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S", "%Y-%m-%d %H:%M", "%Y-%m-%d"]
NO_MOMENT = {"invalid": "Write it as 2026-11-25 18:00, in UTC."}
NO_NUMBER = {"invalid": "Write a whole number, or nothing."}


class ConditionsForm(forms.Form):
    """What a rule asks of a device."""

    ca = forms.CharField(max_length=64, required=False)
    attribute = forms.CharField(max_length=rules.LONGEST["attribute"], required=False)
    pattern = forms.CharField(max_length=rules.LONGEST["pattern"], required=False)
    range_of = forms.CharField(max_length=rules.LONGEST["range_of"], required=False)
    first = forms.CharField(max_length=rules.LONGEST["first"], required=False)
    last = forms.CharField(max_length=rules.LONGEST["last"], required=False)


class RuleForm(ConditionsForm):
    """A whole rule; `seen` is the revision that the person looked at."""

    name = forms.CharField(max_length=64, error_messages={"required": "Say what the rule is for."})
    verdict = forms.ChoiceField(choices=Verdict.choices, error_messages={"required": "Choose what becomes of them."})
    starts_at = forms.DateTimeField(
        required=False, input_formats=MOMENTS, widget=forms.DateTimeInput(format=MOMENTS[0]), error_messages=NO_MOMENT
    )
    ends_at = forms.DateTimeField(
        required=False, input_formats=MOMENTS, widget=forms.DateTimeInput(format=MOMENTS[0]), error_messages=NO_MOMENT
    )
    most = WholeNumberField(required=False, error_messages=NO_NUMBER)
    fits_every_device = forms.BooleanField(required=False)
    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1, max_value=2**31 - 1, required=False)

    def changed(self) -> dict[str, Any]:
        """The facts that the person has changed; a moment is shown without fractions of a second, which then stay."""
        return {name: self.cleaned_data[name] for name in self.changed_data if name in rules.FACTS}

    def confirmed(self) -> dict[str, Any]:
        """What goes with the facts."""
        return {name: self.cleaned_data[name] for name in ("fits_every_device", "reason")}


class SeenForm(forms.Form):
    """The revision that the person looked at, and why."""

    seen = WholeNumberField(min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(max_length=500, required=False)


def blank() -> dict[str, Any]:
    """What a new form says."""
    return {"verdict": Verdict.ACCEPT.value}


def said(rule: EnrolmentRule) -> dict[str, Any]:
    """What the form of an existing rule says."""
    return {name: getattr(rule, name) for name in rules.FACTS}


def unsaved(form: forms.Form) -> EnrolmentRule:
    """A rule with the conditions of the form, to be looked at only."""
    return EnrolmentRule(**read(form))
