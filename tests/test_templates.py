"""A fragment is one element with an id, so that htmx can swap it for itself."""

import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

TEMPLATES = Path(__file__).resolve().parent.parent / "templates"
FRAGMENTS = sorted(TEMPLATES.rglob("_*.html"))
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
TAGS = re.compile(r"{#.*?#}|{%\s*comment.*?endcomment\s*%}|{%.*?%}", re.DOTALL)


class Roots(HTMLParser):
    """Collects what stands at the top: elements with their attributes, and text that belongs to none."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.roots: list[dict[str, str | None]] = []
        self.loose = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if not self.open:
            self.roots.append(dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """`<use/>` in an SVG closes itself; on an element of HTML the slash means nothing."""
        if not self.open:
            self.roots.append(dict(attrs))

    def handle_endtag(self, tag: str) -> None:
        assert self.open[-1:] == [tag], f"</{tag}> at {self.getpos()} closes what is not open"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if not self.open:
            self.loose += data.strip()


@pytest.mark.parametrize("path", FRAGMENTS, ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_fragment_is_one_element_with_an_id(path: Path) -> None:
    parsed = Roots()
    parsed.feed(TAGS.sub("", path.read_text()))
    parsed.close()
    assert not parsed.open
    assert not parsed.loose
    assert len(parsed.roots) == 1
    assert parsed.roots[0].get("id")


@pytest.mark.parametrize("path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES)))
def test_a_template_trusts_no_text_and_holds_no_inline_style_or_handler(path: Path) -> None:
    source = path.read_text()
    assert not re.search(r"\|\s*safe\b|autoescape\s+off|mark_safe", source)
    assert not re.search(r"<[^>]*\s(?:style|on[a-z]+)\s*=", TAGS.sub("", source))
