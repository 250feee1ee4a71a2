"""A whole number in a form, as strict as one in a query; in a JSON body it is no text at all."""

from typing import Any

from django import forms

# Nobody means a longer one, and `int` is slow on very long ones.
LONGEST = 18


class WholeNumberField(forms.IntegerField):
    """Digits 0 to 9 with blanks around them at most: neither `+2` nor `2.0` nor `1_0` is one, nor are other digits."""

    def to_python(self, value: Any) -> int | None:
        sent = str(value).strip(" ") if value is not None else ""
        if sent and not (sent.isascii() and sent.isdigit() and len(sent) <= LONGEST):
            raise forms.ValidationError(self.error_messages["invalid"], code="invalid")
        return super().to_python(sent)
