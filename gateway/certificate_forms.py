"""What a person says about a door's certificate: the chain and its key, as files or pasted, and for which door."""

from typing import Any

from django import forms

from gateway.certificate_pem import MAX_BYTES, Sent
from gateway.models import GatewayNode, NodeKind
from gateway.nodes import LOCAL

# A browser sends two characters for the end of each line.
PASTED = 2 * MAX_BYTES


class InstallationForm(forms.Form):
    """Of both a file or a text; the file goes before."""

    certificate = forms.CharField(max_length=PASTED, required=False)
    certificate_file = forms.FileField(required=False, max_length=255)
    key = forms.CharField(max_length=PASTED, required=False)
    key_file = forms.FileField(required=False, max_length=255)
    node = forms.CharField(max_length=64, required=False)
    any_name = forms.BooleanField(required=False)

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean() or {}
        for name, wanted in (("certificate", "the certificate"), ("key", "its key")):
            fields = (name, f"{name}_file")
            if not any(cleaned.get(field) or field in self.errors for field in fields):
                self.add_error(name, f"Choose the file of {wanted}, or paste it.")
        return cleaned

    def sent(self, name: str) -> Sent:
        """What was sent as the certificate or as the key; one byte more than is taken at most."""
        file = self.cleaned_data[f"{name}_file"]
        if file:
            return Sent(file.read(MAX_BYTES + 1).decode("ascii", "replace"), file.name)
        return Sent(self.cleaned_data[name], "The certificate" if name == "certificate" else "The key")

    def refuse(self, name: str, sentence: str) -> None:
        """Tell what is wrong with the certificate or the key beside the field that it came by."""
        self.add_error(f"{name}_file" if self.cleaned_data.get(f"{name}_file") else name, sentence)


class RemovalForm(forms.Form):
    """Why an installed certificate is taken away."""

    reason = forms.CharField(max_length=500, required=False)


class DeletionForm(forms.Form):
    """The name of a node, typed to confirm its deletion, and why."""

    typed = forms.CharField(max_length=64, required=False)
    reason = forms.CharField(max_length=500, required=False)


def doors() -> list[str]:
    """The nodes whose doors may be chosen, the local one first."""
    remote = GatewayNode.objects.filter(kind=NodeKind.REMOTE).order_by("name").values_list("name", flat=True)
    return [LOCAL, *remote]
