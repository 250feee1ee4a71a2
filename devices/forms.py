"""What a person sends with a decision about a device."""

from django import forms

from devices import bulk
from portal.whole_number_field import WholeNumberField


class DecisionForm(forms.Form):
    """The revision that the person looked at, and why, in words that the history keeps."""

    seen = WholeNumberField(min_value=1, max_value=2**31 - 1)
    reason = forms.CharField(max_length=500, required=False)


class ReasonForm(forms.Form):
    """Why, where what is decided on carries no revision."""

    reason = forms.CharField(max_length=500, required=False)


class BulkForm(forms.Form):
    """Which devices a decision on many is about: those ticked, or all of a list by its query."""

    id = forms.UUIDField()
    which = forms.ChoiceField(choices=[(word, word) for word in ("chosen", "all")])
    decision = forms.ChoiceField(choices=[(word, word) for word in bulk.DECISIONS])
    query = forms.CharField(max_length=2000, required=False)
    reason = forms.CharField(max_length=500, required=False)
