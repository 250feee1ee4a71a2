"""README names every setting and every command, and nothing that does not exist."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent
APPS = ("portal", "devices", "tokens", "gateway")
READERS = {
    "address", "choice", "database", "flag", "mail_address", "mail_addresses", "mail_server", "name", "number",
    "secret", "text", "url", "words",
}  # fmt: skip
MODULES = {"environment", "secret_files"}
READING = [
    path
    for app in APPS
    for path in (ROOT / app).rglob("*.py")
    if path.name not in ("environment.py", "secret_files.py")
]


def readme() -> str:
    return (ROOT / "README.md").read_text()


def settings_read() -> Iterator[str]:
    """The names that the code reads, as in `environment.text("DATA_DIR")`."""
    for path in READING:
        for node in ast.walk(ast.parse(path.read_text())):
            if (
                isinstance(node, ast.Call)
                and isinstance(node.func, ast.Attribute)
                and node.func.attr in READERS
                and isinstance(node.func.value, ast.Name)
                and node.func.value.id in MODULES
            ):
                name = node.args[0]
                assert isinstance(name, ast.Constant), f"{path} reads a setting whose name is not written out"
                yield f"GATEHOUSE_{name.value}"


def test_readme_lists_the_settings_that_the_code_reads_and_no_other() -> None:
    listed = re.findall(r"^\| `(GATEHOUSE_[A-Z_]+)` \|", readme(), re.MULTILINE)
    assert sorted(listed) == sorted(set(settings_read()))


def test_readme_lists_the_commands_that_there_are_and_no_other() -> None:
    section = readme().partition("## Commands")[2].partition("\n## ")[0]
    listed = re.findall(r"^\| `([a-z_]+)[` ]", section, re.MULTILINE)
    assert sorted(listed) == sorted(name for name, app in get_commands().items() if app in APPS)
