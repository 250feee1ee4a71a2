"""What a person says about a tenant: its name and title, and why it goes."""

from django import forms

from portal.tenants import LONGEST_TITLE
from portal.whole_number_field import WholeNumberField


class TitleForm(forms.Form):
    """Another title, and the revision that the person looked at."""

    title = forms.CharField(max_length=LONGEST_TITLE, required=False)
    seen = WholeNumberField(min_value=1)


class NewTenantForm(forms.Form):
    name = forms.CharField(max_length=20, error_messages={"required": "Say how programs name it."})
    title = forms.CharField(max_length=LONGEST_TITLE, required=False)


class DeletionForm(forms.Form):
    """Why it goes, and the revision that the person looked at."""

    reason = forms.CharField(max_length=500, required=False)
    seen = WholeNumberField(min_value=1)
