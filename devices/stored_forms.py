"""What a person sends to change a file of a configuration."""

import re

from django import forms

from devices import config_files

_LINE_ENDS = re.compile(r"\r\n?")


class RemovalForm(forms.Form):
    """Which file, and the version of the configuration that the person looked at; empty if there was none."""

    seen = forms.CharField(max_length=64, required=False)
    name = forms.CharField(max_length=128, strip=True, error_messages={"required": "Give the file a name."})
    reason = forms.CharField(max_length=500, required=False)


class FileForm(RemovalForm):
    """A file as it is to be; `was` is its name before, empty for a new one."""

    was = forms.CharField(max_length=128, required=False)
    value = forms.CharField(max_length=2 * config_files.MOST_OF_A_FILE, strip=False, required=False)
    unencrypted = forms.BooleanField(required=False)
    on_changed = forms.CharField(max_length=8192, required=False)

    def file(self, before: config_files.File) -> config_files.File:
        """The file, with what stands in a line each of `on_changed` as its command."""
        commands = [line.strip() for line in self.cleaned_data["on_changed"].splitlines() if line.strip()]
        return {
            "Value": as_typed(self.cleaned_data["value"], before.get("Value", "")),
            "Unencrypted": self.cleaned_data["unencrypted"],
            "OnChanged": commands,
        }


def as_typed(sent: str, before: str) -> str:
    """What a person made of a text: a browser sends every end of a line as CRLF, whatever it was before."""
    typed = _LINE_ENDS.sub("\n", sent)
    if typed == _LINE_ENDS.sub("\n", before):
        return before
    return typed.replace("\n", "\r\n") if "\r\n" in before else typed
