"""The installation's own secrets: made once, guarded, and demanded where there are several replicas."""

import base64
import os
import stat
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from django.core.exceptions import ImproperlyConfigured

from portal import secret_files

ROOT = Path(__file__).resolve().parent.parent.parent
KEY = base64.urlsafe_b64encode(bytes(range(32))).decode()
ONE_BYTE = base64.urlsafe_b64encode(b"x" * 32).decode()


def one_sentence(read: Callable[[], object], name: str) -> None:
    with pytest.raises(ImproperlyConfigured) as refused:
        read()
    assert name in str(refused.value)
    assert str(refused.value).endswith(".")
    assert "\n" not in str(refused.value)


class TestKept:
    def test_a_secret_is_made_once_in_a_file_that_only_its_owner_reads(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets" / "secret_key"
        first = secret_files.kept(path, secret_files.random_text)
        assert secret_files.kept(path, secret_files.random_text) == first
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        assert [entry.name for entry in path.parent.iterdir()] == ["secret_key"]

    def test_of_many_that_start_at_once_all_agree_on_one(self, tmp_path: Path) -> None:
        path = tmp_path / "secrets" / "secret_key"
        with ThreadPoolExecutor(16) as threads:
            made = set(threads.map(lambda _: secret_files.kept(path, secret_files.random_text), range(64)))
        assert made == {path.read_text().strip()}

    @pytest.mark.parametrize("content", [b"", b"short", b"\xff" * 64, b" \n" * 40])
    def test_a_damaged_file_is_never_replaced(self, tmp_path: Path, content: bytes) -> None:
        path = tmp_path / "secret_key"
        path.write_bytes(content)
        one_sentence(lambda: secret_files.kept(path, secret_files.random_text), str(path))
        assert path.read_bytes() == content

    def test_a_folder_in_its_place_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "secret_key").mkdir()
        one_sentence(lambda: secret_files.kept(tmp_path / "secret_key", secret_files.random_text), "secret_key")

    def test_a_data_folder_that_is_a_file_is_refused(self, tmp_path: Path) -> None:
        (tmp_path / "var").write_text("")
        one_sentence(lambda: secret_files.kept(tmp_path / "var" / "secrets" / "k", secret_files.random_text), "var")

    def test_a_data_folder_that_cannot_be_written_is_refused(self) -> None:
        """/proc takes no files, not even from root."""
        one_sentence(lambda: secret_files.kept(Path("/proc/secrets/k"), secret_files.random_text), "/proc/secrets/k")


class TestRings:
    def test_what_is_made_can_be_read(self) -> None:
        assert len(secret_files.master_key(secret_files.random_key())) == 32
        ring = secret_files.pepper_ring(secret_files.first_pepper())
        assert {name: len(key) for name, key in ring.items()} == {"p1": 32}

    def test_the_first_pepper_is_the_newest(self) -> None:
        other = secret_files.random_key()
        assert list(secret_files.pepper_ring(f"p2:{other} p1:{KEY}")) == ["p2", "p1"]
        assert list(secret_files.pepper_ring(f"p2:{other},p1:{KEY}")) == ["p2", "p1"]

    @pytest.mark.parametrize(
        "value", ["", "x", KEY[:-1], KEY + KEY, "é" * 44, f"{KEY[:-3]}!!=", f"{KEY[:20]} {KEY[20:]}"]
    )
    def test_a_master_key_that_is_none_is_refused(self, value: str) -> None:
        one_sentence(lambda: secret_files.master_key(value), "GATEHOUSE_MASTER_KEY")

    @pytest.mark.parametrize(
        "value",
        [
            f"p2:{KEY} p1:{KEY}",
            f"p1:{ONE_BYTE}",
            "",
            ", ,",
            KEY,
            f":{KEY}",
            "p1:",
            "p1:short",
            f"p1:{KEY} p1:{KEY}",
            f"p-1:{KEY}",
            f"pepper123:{KEY}",
        ],
    )
    def test_a_ring_of_peppers_that_is_none_is_refused(self, value: str) -> None:
        one_sentence(lambda: secret_files.pepper_ring(value), "GATEHOUSE_PEPPERS")


def start(tmp_path: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Start Gatehouse as far as its settings, with nothing in the environment but this."""
    names = {f"GATEHOUSE_{name}": value for name, value in environment.items()}
    return subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"], "GATEHOUSE_DATA_DIR": str(tmp_path), **names},
        capture_output=True,
        text=True,
    )


SERVER = {
    "DATABASE_URL": "postgres://ada@db/fleet",
    "SECRET_KEY": "kq3Zr8vT1xW5yN7bM2cJ9dF4gH6sL0pA",
    "MASTER_KEY": KEY,
    "PEPPERS": f"p1:{KEY}",
}


class TestStart:
    def test_the_embedded_default_makes_its_secrets(self, tmp_path: Path) -> None:
        assert start(tmp_path).returncode == 0
        made = sorted(path.name for path in (tmp_path / "secrets").iterdir())
        assert made == ["master_key", "peppers", "secret_key"]

    def test_with_a_server_database_the_secrets_come_from_the_environment_and_nothing_is_made(
        self, tmp_path: Path
    ) -> None:
        assert start(tmp_path, **SERVER).returncode == 0
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("name", ["SECRET_KEY", "MASTER_KEY", "PEPPERS"])
    @pytest.mark.parametrize(
        "value",
        ["", "Qx7Lw2", "a" * 64, "change-me-change-me-change-me-change-me", "example-0a1b2c3d4e5f6g7h8i9j0k1l2m3n"],
    )
    def test_with_a_server_database_a_secret_that_is_missing_short_or_an_example_stops_the_start(
        self, tmp_path: Path, name: str, value: str
    ) -> None:
        ended = start(tmp_path, **{**SERVER, name: value})
        assert ended.returncode == 1
        assert ended.stdout == ""
        assert ended.stderr.startswith(f"GATEHOUSE_{name} ")
        assert ended.stderr.count("\n") == 1
        assert not value or value not in ended.stderr

    def test_three_doors_on_one_port_stop_the_start(self, tmp_path: Path) -> None:
        ended = start(tmp_path, HTTP_PORT="8443")
        assert ended.returncode == 1
        assert ended.stderr.count("\n") == 1
