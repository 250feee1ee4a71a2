"""Text that people will read must be what it looks like: no control, format or unassigned characters."""

import unicodedata

from portal.refusal import Invalid

# Cc control, Cf format (bidi marks, zero width), Cs lone surrogates, Cn unassigned, Zl and Zp separators of lines.
HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})


def hidden_character(text: str) -> str | None:
    """The first character that a reader could not see, as `U+202E`; None if there is none. Co, private use, is seen."""
    if text.isascii() and text.isprintable():
        return None
    return next((f"U+{ord(char):04X}" for char in text if unicodedata.category(char) in HIDDEN), None)


def fault(text: str, *, least: int = 0, most: int) -> str | None:
    """What is wrong with this text as a name or a reason, as a sentence; None if nothing is."""
    if not least <= len(text) <= most:
        return f"Write {least} to {most} characters." if least else f"Write at most {most} characters."
    if char := hidden_character(text):
        return f"It holds the invisible character {char}; remove it."
    return None


def check(field: str, value: str, *, least: int = 0, most: int) -> None:
    """Refuse a text that is no fit name or reason, naming the field."""
    if wrong := fault(value, least=least, most=most):
        raise Invalid(field, wrong)
