"""What a person sent with a form, once nothing is wrong with it."""

from collections.abc import Collection
from typing import Any

from django import forms

from portal.refusal import Invalid


def read(
    form: forms.Form,
    *,
    of_page: Collection[str] = ("seen",),
    otherwise: str = "Reload the page, then decide again.",
    named: bool = False,
) -> dict[str, Any]:
    """What the form holds; the first thing that is wrong with it is refused.

    The fields `of_page` stand in the page and nobody types them; what is wrong with one of them says `otherwise`.
    `named` puts the name of the field before what is wrong, where the person would not know which is meant.
    """
    for field, mistakes in form.errors.get_json_data().items():
        sentence = mistakes[0]["message"]
        if named:
            sentence = f"{field.replace('_', ' ').capitalize()}: {sentence}"
        raise Invalid(field, otherwise if field in of_page else sentence)
    return form.cleaned_data
