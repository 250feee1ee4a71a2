"""What the files of a configuration are: `{name: {"Value", "Unencrypted"?, "OnChanged"?}}`, and what is refused."""

import json
import re
from collections.abc import Mapping
from typing import Any

from portal import text
from portal.refusal import Invalid

File = dict[str, Any]
Files = dict[str, File]

MOST_FILES = 100
MOST_OF_A_FILE = 64 * 1024
MOST_IN_ALL = 256 * 1024
MOST_COMMANDS = 16
LONGEST_COMMAND = 256
MEMBERS = ("Value", "Unencrypted", "OnChanged")

_NAME = re.compile(r"[A-Za-z0-9_.-]{1,128}")


def read(sent: object) -> Files:
    """The files as they are kept: `Unencrypted` and `OnChanged` only if they say something. All are judged first."""
    if not isinstance(sent, Mapping):
        raise Invalid("files", "The files are a JSON object, each file a member by its name.")
    if len(sent) > MOST_FILES:
        raise Invalid("files", f"A configuration has at most {MOST_FILES} files.")
    files = {judge_name(name): _file(name, file) for name, file in sent.items()}
    if len(json.dumps(files, ensure_ascii=False).encode()) > MOST_IN_ALL:
        raise Invalid("files", f"A configuration takes at most {MOST_IN_ALL // 1024} KiB in all.")
    return files


def judge_name(name: str) -> str:
    """The name, if a file may be called so: it names a file and never a folder."""
    if not _NAME.fullmatch(name) or name in (".", ".."):
        raise Invalid("files", "A file is called by 1 to 128 of A-Z a-z 0-9 _ . -, and neither '.' nor '..'.")
    return name


def _file(name: str, sent: object) -> File:
    where = f"files.{name}"
    if not isinstance(sent, Mapping):
        raise Invalid(where, "A file is a JSON object with 'Value'.")
    if unknown := sorted(str(member) for member in sent if member not in MEMBERS):
        raise Invalid(f"{where}.{unknown[0][:40]}", "This member is unknown here.")
    file: File = {"Value": _value(f"{where}.Value", sent.get("Value"))}
    if _flag(f"{where}.Unencrypted", sent.get("Unencrypted", False)):
        file["Unencrypted"] = True
    if commands := _commands(f"{where}.OnChanged", sent.get("OnChanged", [])):
        file["OnChanged"] = commands
    return file


def _value(where: str, sent: object) -> str:
    if not isinstance(sent, str):
        raise Invalid(where, "The 'Value' of a file is text.")
    if "\0" in sent or any("\ud800" <= char <= "\udfff" for char in sent):
        raise Invalid(where, "It holds U+0000 or half of a surrogate pair; a file is text.")
    if len(sent.encode()) > MOST_OF_A_FILE:
        raise Invalid(where, f"A file takes at most {MOST_OF_A_FILE // 1024} KiB.")
    return sent


def _flag(where: str, sent: object) -> bool:
    if not isinstance(sent, bool):
        raise Invalid(where, "'Unencrypted' is true or false.")
    return sent


def _commands(where: str, sent: object) -> list[str]:
    if not isinstance(sent, list) or len(sent) > MOST_COMMANDS:
        raise Invalid(where, f"'OnChanged' is a list of at most {MOST_COMMANDS} texts.")
    for part in sent:
        if not isinstance(part, str):
            raise Invalid(where, "Each part of 'OnChanged' is text.")
        text.check(where, part, least=1, most=LONGEST_COMMAND)
    return sent
