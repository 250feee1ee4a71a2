"""What people say about their second factors."""

from django import forms

from portal.people_forms import ConfirmedForm

MISSING_CODE = {"required": "Type the code that your app shows."}
MISSING_NAME = {"required": "Give it a name, such as that of the device it is on."}


class ProofForm(forms.Form):
    """A password or a code, or what the browser says for a passkey."""

    typed = forms.CharField(max_length=4096, strip=False, required=False)
    answer = forms.CharField(max_length=16_384, required=False)


class AppForm(forms.Form):
    """The code of an app that has taken the secret that was offered."""

    offer = forms.CharField(max_length=4096)
    code = forms.CharField(max_length=64, error_messages=MISSING_CODE)


class PasskeyNameForm(forms.Form):
    name = forms.CharField(max_length=64, error_messages=MISSING_NAME)


class PasskeyForm(PasskeyNameForm):
    """A new passkey, as the browser made it."""

    answer = forms.CharField(max_length=16_384)


class SeenForm(forms.Form):
    """What the person looked at."""

    seen = forms.CharField(max_length=500, required=False)


class FactorsResetForm(ConfirmedForm):
    """Whose second factors are removed, typed as a confirmation, and why."""

    typed = forms.CharField(max_length=150, required=False)
    seen = forms.CharField(max_length=500)
    reason = forms.CharField(max_length=500, required=False)
