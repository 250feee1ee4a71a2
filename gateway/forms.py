"""What a person says about a device CA: its name, the certificate of one of others, and why one is withdrawn."""

from django import forms

from gateway import ca_certificates

UNNAMED = {"required": "Give it a name, such as plant-7."}


class NewCAForm(forms.Form):
    name = forms.CharField(max_length=63, error_messages=UNNAMED)


class ForeignCAForm(NewCAForm):
    # The rule judges its length; a browser sends two characters for the end of each line.
    certificate = forms.CharField(
        max_length=2 * ca_certificates.MAX_BYTES, error_messages={"required": "Paste the certificate of the CA."}
    )


class WithdrawalForm(forms.Form):
    """The name of the CA, typed to confirm it, and why."""

    typed = forms.CharField(max_length=63, required=False)
    reason = forms.CharField(max_length=500, required=False)
