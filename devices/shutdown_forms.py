"""What a person says about a shutdown."""

import re
from collections.abc import Sequence
from typing import Any

from django import forms
from django.http import QueryDict

from devices import shutdown_fields
from devices.models import ID
from devices.rules_forms import MOMENTS, NO_MOMENT
from devices.shutdown_fields import Order
from portal.form_reading import read
from portal.refusal import Invalid
from portal.whole_number_field import WholeNumberField

MINUTE = 60
UNCONFIRMED = {"required": "Type your password to confirm this."}
WHY = {"required": f"Say why, in {shutdown_fields.REASON[0]} to {shutdown_fields.REASON[1]} characters."}
SECONDS = dict.fromkeys(
    ("required", "invalid", "min_value", "max_value"), f"Apps have 0 to {shutdown_fields.LONGEST_WAIT} seconds."
)
MINUTES = dict.fromkeys(
    ("required", "invalid", "min_value", "max_value"),
    f"An order is valid for {shutdown_fields.TTL[0] // MINUTE} to {shutdown_fields.TTL[1] // MINUTE} minutes.",
)
NONE_CHOSEN = {
    "required": "Tick at least one device.",
    "invalid_choice": "One of these devices is not to be retried any more; look again.",
}
NO_COUNT = dict.fromkeys(("required", "invalid"), "Type the number of devices.")
# Where the rules name a field otherwise than the form.
NAMED = {"ttl_seconds": "ttl_minutes"}
LONGEST_LIST = shutdown_fields.MOST_DEVICES * 130

_APART = re.compile(r"[\s,;]+")


class ChoiceForm(forms.Form):
    """Which devices of the list are to be shut down: those ticked, or all of it by its query."""

    which = forms.ChoiceField(choices=[(word, word) for word in ("chosen", "all")])
    query = forms.CharField(max_length=2000, required=False)
    reason = forms.CharField(max_length=500, required=False)


class OrderForm(forms.Form):
    """Which devices, why, how long their apps have, when, and how long it is valid."""

    devices = forms.CharField(
        max_length=LONGEST_LIST, error_messages={"required": "Name at least one device by its id."}
    )
    reason = forms.CharField(max_length=shutdown_fields.REASON[1], error_messages=WHY)
    max_ack_seconds = WholeNumberField(
        min_value=0, max_value=shutdown_fields.LONGEST_WAIT, error_messages=SECONDS, initial=shutdown_fields.USUAL_WAIT
    )
    execute_now = forms.BooleanField(required=False)
    start_at = forms.DateTimeField(
        required=False, input_formats=MOMENTS, widget=forms.DateTimeInput(format=MOMENTS[0]), error_messages=NO_MOMENT
    )
    ttl_minutes = WholeNumberField(
        min_value=shutdown_fields.TTL[0] // MINUTE,
        max_value=shutdown_fields.TTL[1] // MINUTE,
        error_messages=MINUTES,
        initial=shutdown_fields.USUAL_TTL // MINUTE,
    )

    def clean_devices(self) -> list[str]:
        """Each id once, in the order in which they were written."""
        ids = [word for word in _APART.split(self.cleaned_data["devices"]) if word]
        for word in ids:
            if not re.fullmatch(ID, word, re.ASCII):
                raise forms.ValidationError(f"{word[:40]} is no id of a device; write ids with blanks between them.")
        return list(dict.fromkeys(ids))

    def order(self) -> Order:
        said = self.cleaned_data
        return Order(
            said["devices"],
            said["reason"],
            max_ack_seconds=said["max_ack_seconds"],
            execute_now=said["execute_now"],
            start_at=said["start_at"],
            ttl_seconds=said["ttl_minutes"] * MINUTE,
        )

    def refuse(self, no: Invalid) -> None:
        """Put what a rule found wrong beside its field."""
        [field] = no.invalid or ("",)
        field = NAMED.get(field, field)
        self.add_error(field if field in self.fields else None, str(no))


class ConfirmForm(forms.Form):
    """The number of devices and a password, where the order is for several."""

    confirm_count = WholeNumberField(required=False, error_messages=NO_COUNT)
    password = forms.CharField(max_length=4096, strip=False, required=False, error_messages=UNCONFIRMED)

    def __init__(self, sent: QueryDict | None = None, *, number: int, fresh: bool) -> None:
        super().__init__(sent)
        self.number, self.fresh = number, fresh
        self.fields["confirm_count"].required = self.is_bulk
        self.fields["password"].required = self.asks_password

    @property
    def is_bulk(self) -> bool:
        return self.number > 1

    @property
    def asks_password(self) -> bool:
        return self.is_bulk and not self.fresh


class ReasonForm(forms.Form):
    """Why."""

    reason = forms.CharField(max_length=shutdown_fields.REASON[1], error_messages=WHY)


class CancelForm(ReasonForm):
    """Why, and whether all that is left or those ticked."""

    which = forms.ChoiceField(choices=[(word, word) for word in ("all", "chosen")])


class RetryForm(ConfirmForm):
    """For which of the devices that failed, why again, and what confirms it; `key` makes it once.

    `failed` may be chosen, `known` are those and what could be chosen before.
    """

    chosen = forms.MultipleChoiceField(error_messages=NONE_CHOSEN)
    reason = forms.CharField(max_length=shutdown_fields.REASON[1], error_messages=WHY)
    key = forms.UUIDField()

    def __init__(
        self, sent: QueryDict | None = None, *, failed: Sequence[str], known: Sequence[str], fresh: bool
    ) -> None:
        self.ticked = failed if sent is None else sent.getlist("chosen")
        super().__init__(sent, number=len(set(self.ticked)), fresh=fresh)
        self.failed = failed
        chosen: Any = self.fields["chosen"]
        # Where nothing failed the rule says why nothing is retried.
        chosen.required, chosen.choices = bool(failed), [(each, each) for each in known]

    @property
    def boxes(self) -> list[tuple[str, bool]]:
        """Each device that may be retried, and whether it is ticked: at first all of them."""
        ticked = set(self.ticked)
        return [(each, each in ticked) for each in self.failed]

    @property
    def may_ask_password(self) -> bool:
        """Whether ticking several asks for the password."""
        return len(self.failed) > 1 and not self.fresh


def key_in(sent: QueryDict) -> Any:
    """The key of a page, under which it orders once."""
    return read(KeyForm(sent), of_page=("key",))["key"]


class KeyForm(forms.Form):
    """What names an order before it is made."""

    key = forms.UUIDField()
