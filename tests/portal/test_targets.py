"""Where a target may point: judged by what is written and by each address that a name has, in every spelling."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.core.exceptions import ImproperlyConfigured
from hypothesis import assume, given
from hypothesis import strategies as st

from portal import targets
from portal.addresses import NotFoundByName
from portal.targets import Allowed, TargetNotAllowed

EVERYTHING = ["private", "loopback", "public", "0.0.0.0/0", "::/0", "*.internal", "metadata.google.internal"]


def verdict(url: str, *words: str) -> bool:
    """Whether the target may be written down under these words."""
    allowed = Allowed.read(words)
    try:
        targets.judge(targets.read(url, allowed), allowed)
    except TargetNotAllowed as refused:
        no = refused
    else:
        return True
    assert no.invalid == {"target": [str(no)]}
    assert str(no).endswith(".")
    return False


@pytest.mark.parametrize(
    ("host", "opened_by"),
    [
        ("10.0.0.1", "private"),
        ("10.255.255.255", "private"),
        ("172.16.0.1", "private"),
        ("172.31.255.255", "private"),
        ("172.32.0.1", "public"),
        ("192.168.7.9", "private"),
        ("192.169.0.1", "public"),
        ("100.64.0.1", "private"),
        ("100.128.0.1", "public"),
        ("[fc00::1]", "private"),
        ("[fdff::1]", "private"),
        ("127.0.0.1", "loopback"),
        ("127.255.0.9", "loopback"),
        ("[::1]", "loopback"),
        ("localhost", "loopback"),
        ("LOCALHOST", "loopback"),
        ("a.localhost", "loopback"),
        ("8.8.8.8", "public"),
        ("[2606:4700::1111]", "public"),
        ("press", "private"),
        ("edgex-app_service", "private"),
        ("press.local", "private"),
        ("press.lan", "private"),
        ("a.b.internal", "private"),
        ("nas.home.arpa", "private"),
        ("hooks.example", "public"),
        ("locallan", "private"),
        ("xlocal.example", "public"),
        ("[::ffff:10.0.0.1]", "private"),
        ("[::ffff:7f00:1]", "loopback"),
        ("[64:ff9b::8.8.8.8]", "public"),
        ("[64:ff9b::7f00:1]", "loopback"),
    ],
)
def test_a_host_is_opened_by_its_own_word_alone(host: str, opened_by: str) -> None:
    others = [word for word in targets.WORDS if word != opened_by]
    assert verdict(f"http://{host}:9/", opened_by)
    assert not verdict(f"http://{host}:9/", *others)
    assert not verdict(f"http://{host}:9/")


NEVER = [
    "169.254.169.254", "169.254.0.1", "[fe80::1]", "[febf::1]", "[fd00:ec2::254]", "100.100.100.200",
    "metadata.google.internal", "METADATA.google.internal", "0.0.0.0", "0.1.2.3", "[::]", "224.0.0.1", "239.1.1.1",
    "[ff02::1]", "255.255.255.255", "[::ffff:169.254.169.254]", "[64:ff9b::a9fe:a9fe]", "[::ffff:0.0.0.0]",
]  # fmt: skip


@pytest.mark.parametrize("host", NEVER)
def test_some_are_never_open_whatever_is_listed(host: str) -> None:
    assert not verdict(f"http://{host}/", *EVERYTHING)


@pytest.mark.parametrize(
    "host",
    [
        "127.1", "2130706433", "0x7f.1", "0x7f000001", "0177.0.0.1", "010.0.0.1", "10.0.0.01", "1.2.3", "1.2.3.4.5",
        "256.1.1.1", "1.2.3.256", "10.0.0.1.", "localhost.", "10.0.0.0x1", "a.1", "a.0x", "0x", "１２７.0.0.1",
        "127。0。0。1", "[::1%25lo]", "[fe80::1%eth0]", "[::1", "::1", "[127.0.0.1]", "[]", "[:::]", "", ".", "a..b",
        "-a", "a-", "a b", "ä.example", "a" * 64, "%31%32%37.0.0.1", "127.0.0.1%00", "10.0.0.1\\", "[v1.x]",
    ],
)  # fmt: skip
def test_odd_spellings_are_refused_even_when_everything_is_open(host: str) -> None:
    assert not verdict(f"http://{host}/", *EVERYTHING)


@pytest.mark.parametrize(
    "url",
    [
        "ftp://10.0.0.1/", "//10.0.0.1/", "10.0.0.1", "http:10.0.0.1", "http:/10.0.0.1", "http:///10.0.0.1",
        "http://user@10.0.0.1/", "http://user:word@10.0.0.1/", "http://@10.0.0.1/", "http://8.8.8.8@10.0.0.1/",
        "http://10.0.0.1/#part", "http://10.0.0.1#@8.8.8.8/", "http://10.0.0.1\\@8.8.8.8/", "http://10.0.0.1/a\\b",
        "http://10.0.0.1:0/", "http://10.0.0.1:65536/", "http://10.0.0.1:99999/", "http://10.0.0.1:8x/",
        "http://10.0.0.1:/", "http://10.0.0.1:-1/", "http://10.0.0.1: 80/", "http://10.0.0.1:٨٠/",
        " http://10.0.0.1/", "http://10.0.0.1/ ", "http://10.0.0.1/a b", "http://10.0.0.1/\n", "http://10.0.0.1/\u202e",
        "http://10.0.0.1/\x00", "ht\ttp://10.0.0.1/", "http://10.0.\t0.1/", "javascript:alert(1)", "file:///etc/passwd",
        "http://10.0.0.1/" + "a" * 485, "",
    ],
)  # fmt: skip
def test_what_is_no_plain_url_is_refused(url: str) -> None:
    assert not verdict(url, *EVERYTHING)


@pytest.mark.parametrize(
    ("url", "parts"),
    [
        ("http://10.0.0.1", ("http", "10.0.0.1", 80, "/", "10.0.0.1")),
        ("HTTPS://Hooks.Example", ("https", "hooks.example", 443, "/", "hooks.example")),
        ("https://hooks.example:8443/a/b?c=d@e", ("https", "hooks.example", 8443, "/a/b?c=d@e", "hooks.example:8443")),
        ("http://hooks.example?x=1", ("http", "hooks.example", 80, "/?x=1", "hooks.example")),
        ("http://[FC00::0:1]:81/", ("http", "fc00::1", 81, "/", "[fc00::1]:81")),
        ("http://[::ffff:10.0.0.1]/", ("http", "10.0.0.1", 80, "/", "10.0.0.1")),
        ("https://hooks.example:443/", ("https", "hooks.example", 443, "/", "hooks.example")),
    ],
)
def test_a_url_is_read_into_its_parts(url: str, parts: tuple[Any, ...]) -> None:
    target = targets.read(url, Allowed())
    assert (target.scheme, target.host, target.port, target.rest, target.authority) == parts


@pytest.mark.parametrize(
    ("words", "url", "open_"),
    [
        (["203.0.113.0/24"], "http://203.0.113.9/", True),
        (["203.0.113.0/24"], "http://203.0.114.9/", False),
        (["203.0.113.9"], "http://203.0.113.9/", True),
        (["127.0.0.1/32"], "http://127.0.0.1/", True),
        (["127.0.0.1/32"], "http://127.0.0.2/", False),
        (["2001:db8::/32"], "http://[2001:db8::7]/", True),
        (["db.example"], "http://db.example/", True),
        (["db.example"], "http://a.db.example/", False),
        (["DB.example"], "http://db.EXAMPLE/", True),
        (["*.plant.example"], "http://a.plant.example/", True),
        (["*.plant.example"], "http://a.b.plant.example/", True),
        (["*.plant.example"], "http://plant.example/", False),
        (["*.plant.example"], "http://evilplant.example/", False),
        (["*.plant.example"], "http://plant.example.evil.example/", False),
    ],
)
def test_an_operator_opens_networks_names_and_endings(words: list[str], url: str, open_: bool) -> None:
    assert verdict(url, *words) == open_


@pytest.mark.parametrize("word", ["privat", "10.0.0.0/33", "10.0.0.1/8", "*", "*.", "a_b c", "http://x", "1.2.3", "-"])
def test_a_word_that_is_none_stops_the_start_with_a_sentence(word: str) -> None:
    if word == "privat":  # A name of one label, such as the operator may well mean.
        assert Allowed.read([word]).names == {"privat"}
        return
    with pytest.raises(ImproperlyConfigured, match=r"^GATEHOUSE_ROUTE_TARGETS holds .*\.$"):
        Allowed.read([word])


@given(st.integers(0, 2**32 - 1))
def test_no_spelling_of_an_ipv4_address_is_more_open_than_the_plain_one(number: int) -> None:
    """What is written otherwise is refused, or means and is judged as the same address."""
    plain = ipaddress.IPv4Address(number)
    first, second, third, fourth = plain.packed
    others = [
        str(number), hex(number), f"0{number:o}", f"{first}.{number & 0xFFFFFF}", f"{first}.{second}.{number & 0xFFFF}",
        f"0x{first:x}.{second}.{third}.{fourth}", f"{first}.{second}.{third}.0{fourth:o}", f"{plain}.",
        f"{first:03}.{second:03}.{third:03}.{fourth:03}",
    ]  # fmt: skip
    for words in (["private"], ["loopback"], ["public"], EVERYTHING):
        is_open = verdict(f"http://{plain}:9/", *words)
        for host in others:
            assert not (verdict(f"http://{host}:9/", *words) and host != str(plain))
        for host in (f"[::ffff:{plain}]", f"[::ffff:{number >> 16:x}:{number & 0xFFFF:x}]", f"[64:ff9b::{plain}]"):
            assert verdict(f"http://{host}:9/", *words) == is_open
        for host in (f"[::{plain}]", f"[2002:{number >> 16:x}:{number & 0xFFFF:x}::]"):
            assert words == EVERYTHING or number == 1 or not verdict(f"http://{host}:9/", *words)  # ::1


@pytest.mark.parametrize("host", ["[fec0::1]", "[feff::1]", "[200::1]", "[4000::1]", "[5f00::1]", "[2002:a00:1::]"])
def test_ipv6_that_nobody_was_given_is_not_public(host: str) -> None:
    """Old site-local addresses among it, which reach into the house."""
    assert not verdict(f"http://{host}:9/", "private", "public")


@given(st.ip_addresses(v=6))
def test_an_ipv6_address_is_judged_alike_however_it_is_written(address: ipaddress.IPv6Address) -> None:
    spellings = (str(address), address.exploded, address.exploded.upper())
    for words in (["private"], ["loopback"], ["public"], EVERYTHING):
        assert len({verdict(f"http://[{text}]:9/", *words) for text in spellings}) == 1


@given(st.ip_addresses())
def test_public_and_private_together_never_open_what_is_neither(
    address: ipaddress.IPv4Address | ipaddress.IPv6Address,
) -> None:
    """The library's own idea of what is local, reserved or for many."""
    assume(getattr(address, "ipv4_mapped", None) is None and address not in ipaddress.ip_network("64:ff9b::/96"))
    host = f"[{address}]" if address.version == 6 else str(address)
    if address.is_loopback or address.is_link_local or address.is_multicast or address.is_unspecified:
        assert not verdict(f"http://{host}:9/", "private", "public")


@given(st.text(min_size=1, max_size=30))
def test_whatever_stands_for_a_host_the_answer_is_yes_or_a_sentence(host: str) -> None:
    verdict(f"http://{host}/", "private", "public")


class TestNames:
    @pytest.fixture
    def resolve(self, monkeypatch: pytest.MonkeyPatch) -> Callable[..., None]:
        """Let every name have these addresses."""

        def answer(*found: str) -> None:
            rows = [
                (socket.AF_INET6 if ":" in each else socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, 80))
                for each in found
            ]
            monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: rows)

        return answer

    def addresses(self, url: str, *words: str) -> list[str]:
        allowed = Allowed.read(words)
        return targets.addresses_of(targets.read(url, allowed), allowed, seconds=1)

    def test_every_address_of_a_name_is_given_if_all_are_open(self, resolve: Callable[..., None]) -> None:
        resolve("10.0.0.1", "fc00::1")
        assert self.addresses("http://press.lan/", "private") == ["10.0.0.1", "fc00::1"]

    @pytest.mark.parametrize(
        "bad", ["127.0.0.1", "8.8.8.8", "169.254.169.254", "::1", "::ffff:127.0.0.1", "fe80::1%eth0", "0.0.0.0"]
    )
    def test_one_address_that_is_not_open_closes_the_name(self, resolve: Callable[..., None], bad: str) -> None:
        resolve("10.0.0.1", bad)
        with pytest.raises(TargetNotAllowed, match=r"^press\.lan is at "):
            self.addresses("http://press.lan/", "private")

    def test_a_listed_name_may_be_anywhere_but_here(self, resolve: Callable[..., None]) -> None:
        resolve("8.8.8.8", "10.0.0.1")
        assert len(self.addresses("http://press.example/", "press.example")) == 2
        for bad in ("127.0.0.1", "169.254.169.254", "::1"):
            resolve(bad)
            with pytest.raises(TargetNotAllowed):
                self.addresses("http://press.example/", "press.example")
        resolve("127.0.0.1")
        assert self.addresses("http://press.example:9/", "press.example", "loopback") == ["127.0.0.1"]

    def test_metadata_names_are_not_even_looked_up(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(socket, "getaddrinfo", lambda *args, **more: pytest.fail("It was looked up."))
        with pytest.raises(TargetNotAllowed):
            self.addresses("http://metadata.google.internal/", *EVERYTHING)

    def test_a_name_without_an_address_is_told_from_one_that_is_not_open(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def fail(*args: Any, **more: Any) -> Any:
            raise socket.gaierror(-2, "Name or service not known")

        monkeypatch.setattr(socket, "getaddrinfo", fail)
        with pytest.raises(NotFoundByName, match=r"^press\.lan has no address"):
            self.addresses("http://press.lan/", "private")

    def test_a_name_server_that_hangs_is_not_waited_for(self, monkeypatch: pytest.MonkeyPatch) -> None:
        ended, answered = threading.Event(), []

        def hang(*args: Any, **more: Any) -> list[Any]:
            ended.wait(60)
            answered.append(True)
            return []

        monkeypatch.setattr(socket, "getaddrinfo", hang)
        with pytest.raises(NotFoundByName):
            self.addresses("http://press.lan/", "private")
        assert answered == []
        ended.set()


class TestOurselves:
    @pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.7", "localhost", "[::ffff:127.0.0.1]"])
    @pytest.mark.parametrize("port", [8000, 8443, 8444])
    def test_our_own_doors_are_never_a_target(self, host: str, port: int) -> None:
        assert not verdict(f"http://{host}:{port}/", *EVERYTHING)
        assert verdict(f"http://{host}:9/", *EVERYTHING)

    def test_the_same_port_of_another_host_is_another_matter(self) -> None:
        assert verdict("http://203.0.113.9:8443/", "203.0.113.0/24")

    def test_nor_is_the_name_under_which_others_reach_us(self, settings: Any) -> None:
        settings.PUBLIC_URL = "https://gate.example"
        assert not verdict("https://gate.example/x", *EVERYTHING)
        assert not verdict("https://GATE.example:443/x", *EVERYTHING)
        assert verdict("https://gate.example:9000/x", *EVERYTHING)
