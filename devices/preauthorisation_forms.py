"""What a person says about devices that are expected: one in a form, or many in a list."""

import json

from django import forms

from devices import device_lists, expecting, identity
from devices.expecting import Expected
from devices.keys import MAX_BYTES as LONGEST_KEY
from devices.keys import is_private
from portal.refusal import Invalid


class ExpectedForm(forms.Form):
    """A device by the members of its identity, one a line as `mac=00:1b:44`, or by its id; and its public key."""

    identity = forms.CharField(max_length=identity.MAX_BYTES, required=False)
    id = forms.CharField(max_length=128, required=False)
    key = forms.CharField(max_length=LONGEST_KEY, error_messages={"required": "Paste the device's public key."})

    def expected(self) -> Expected:
        """The device, as far as it can be told without the others; what is wrong is refused by its field."""
        said, device_id, key = (self.cleaned_data[name] for name in ("identity", "id", "key"))
        if bool(said) == bool(device_id):
            raise Invalid("identity", "Write the members of the identity, or the id below, one of them.")
        return expecting.expect(_identity(said), key) if said else expecting.expect_id(device_id, key)

    def key_again(self) -> str:
        """The key, to be corrected; a private one is not shown again."""
        key = self["key"].value() or ""
        return "" if is_private(key) else key


class ListForm(forms.Form):
    """A list of devices, as a file or pasted."""

    file = forms.FileField(required=False, allow_empty_file=True)
    text = forms.CharField(required=False, strip=False)

    def sent(self) -> str:
        """The list that was sent, whichever way."""
        file, pasted = self.cleaned_data["file"], self.cleaned_data["text"]
        if bool(file) == bool(pasted.strip()):
            raise Invalid("list", "Choose a file, or paste the list, one of them.")
        return device_lists.decode(file.read(device_lists.MAX_BYTES + 1) if file else pasted.encode())


class JudgedForm(forms.Form):
    """The lines that were shown as ready."""

    judged = forms.CharField()


def _identity(said: str) -> identity.Identity:
    """The identity that the lines name, each member once."""
    members: dict[str, str] = {}
    for line in filter(None, map(str.strip, said.splitlines())):
        name, is_member, value = line.partition("=")
        if not is_member or not name.strip():
            raise Invalid("identity", "Write one member a line, such as mac=00:1b:44:11:3a:b7.")
        if name.strip() in members:
            raise Invalid("identity", "It names a member twice.")
        members[name.strip()] = value.strip()
    try:
        return identity.read(json.dumps(members, ensure_ascii=False))
    except identity.Malformed as malformed:
        raise Invalid("identity", f"This is no identity: {malformed}.") from malformed
