from __future__ import annotations

import ipaddress
import random
from collections.abc import Sequence
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.url_guard import (
    Allowed,
    Parts,
    UnresolvedError,
    UrlBlockedError,
    UrlError,
    UrlGuard,
    judge,
    read_allowed,
    read_url,
)
from worker.settings import SettingsError

NAMES = {
    "public.example": ["93.184.215.14", "2606:4700::1111"],
    "private.example": ["10.1.2.3"],
    "mixed.example": ["93.184.215.14", "127.0.0.1"],
    "mapped.example": ["::ffff:169.254.169.254"],
    "linklocal.example": ["fe80::1%eth0"],
    "metadata.google.internal": ["169.254.169.254"],
    "localhost": ["127.0.0.1", "::1"],
    "svc.cluster.example": ["10.96.0.1"],
}


def resolve(host: str, port: int) -> Sequence[str]:
    if host not in NAMES:
        raise OSError("no such name")
    return NAMES[host]


REFUSED = [
    "http://127.0.0.1/",
    "http://127.8.9.10:8080/",
    "http://2130706433/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://017700000001/",
    "http://0177.0.0.1/",
    "http://127.1/",
    "http://127.0.1/",
    "http://127.0.0.1./",
    "http://127。0。0。1/",
    "http://①②⑦.0.0.1/",
    "http://%31%32%37.0.0.1/",
    "http://0.0.0.0/",
    "http://0/",
    "http://10.0.0.1/",
    "http://172.31.255.254/",
    "http://192.168.1.1/",
    "http://100.64.0.1/",
    "http://100.100.100.200/latest/meta-data/",
    "http://169.254.169.254/latest/meta-data/",
    "http://169.254.170.2/v2/credentials",
    "http://168.63.129.16/",
    "http://192.0.0.192/",
    "http://224.0.0.1/",
    "http://255.255.255.255/",
    "http://[::]/",
    "http://[::1]/",
    "http://[::127.0.0.1]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[0:0:0:0:0:ffff:a9fe:a9fe]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::169.254.169.254]/",
    "http://[64:ff9b:1::a00:1]/",
    "http://[2002:7f00:1::]/",
    "http://[2002:a9fe:a9fe::1]/",
    "http://[2001:0:7f00:1::]/",
    "http://[2606:4700::5efe:10.0.0.1]/",
    "http://[fe80::1]/",
    "http://[fe80::1%25eth0]/",
    "http://[fd00:ec2::254]/",
    "http://[fc00::1]/",
    "http://[fec0::1]/",
    "http://[ff02::1]/",
    "http://[2001:db8::1]/",
    "http://localhost/",
    "http://LOCALHOST./",
    "http://a.localhost/",
    "http://ｌｏｃａｌｈｏｓｔ/",
    "http://metadata.google.internal/computeMetadata/v1/",
    "http://printer.local/",
    "http://private.example/",
    "http://mixed.example/",
    "http://mapped.example/",
    "http://linklocal.example/",
    "http://public.example@127.0.0.1/",
    "http://127.0.0.1\\@public.example/",
    "http://public.example\n.internal/",
    "http://public.example:0/",
    "http://public.example:99999/",
    "ftp://public.example/",
    "file:///etc/passwd",
    "gopher://127.0.0.1:6379/_",
    "//public.example/",
    "public.example/hook",
    "http:///hook",
    "http://" + "a" * 3000,
    "",
    7,
    None,
]


@pytest.mark.parametrize("url", REFUSED, ids=lambda url: repr(url)[:60])
def test_what_leads_inside_is_refused(url: object) -> None:
    with pytest.raises(UrlError):
        UrlGuard(resolve=resolve).check(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://public.example/hook?token=a%20b",
        "http://public.example:8080/",
        "https://user:password@public.example/",
        "https://93.184.215.14/",
        "https://[2606:4700::1111]:8443/",
        "https://[64:ff9b::5db8:d70e]/",
        "https://unknown.example/",
    ],
)
def test_what_leads_to_the_public_passes(url: str) -> None:
    UrlGuard(resolve=resolve).check(url)


def test_every_address_of_a_refused_network_is_refused_in_each_form_that_holds_it() -> None:
    rng = random.Random(7)
    networks = [
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "224.0.0.0/4",
    ]
    for text in networks:
        network = ipaddress.IPv4Network(text)
        for _ in range(200):
            inside = int(network[rng.randrange(network.num_addresses)])
            mapped, compatible = (0xFFFF << 32) | inside, inside
            nat64, sixtofour = (0x64_FF9B << 96) | inside, (0x2002 << 112) | (inside << 80)
            assert not judge(ipaddress.IPv4Address(inside))
            for form in (mapped, compatible, nat64, sixtofour):
                assert not judge(ipaddress.IPv6Address(form))


def test_python_knows_no_private_address_that_passes() -> None:
    rng = random.Random(11)
    for bits, kind in ((32, ipaddress.IPv4Address), (128, ipaddress.IPv6Address)):
        for _ in range(20_000):
            address = kind(rng.getrandbits(bits))
            if judge(address):
                assert address.is_global
                assert not address.is_multicast


@given(
    st.one_of(
        st.text(max_size=40),
        st.builds(
            "{}://{}{}".format,
            st.sampled_from(["http", "https", "HTTP", "ws", ""]),
            st.text(alphabet="abc.-_:@[]%\\/0123456789xXA。①\u200b\x00 ?#", max_size=30),
            st.text(max_size=10),
        ),
    )
)
def test_any_text_is_a_url_that_is_judged_or_is_refused(text: str) -> None:
    with suppress(UrlError):
        parts = read_url(text)
        assert parts.scheme in {"http", "https"}
        assert 0 < parts.port < 65_536
        assert parts.host == parts.host.lower()
        UrlGuard(resolve=resolve).check(text)


def test_a_name_is_resolved_once_and_the_judged_addresses_are_given() -> None:
    answers = iter([["93.184.215.14"], ["127.0.0.1"]])
    guard = UrlGuard(resolve=lambda host, port: next(answers))
    parts = Parts("https", "rebinding.example", 443)
    assert guard.addresses(parts) == ["93.184.215.14"]
    with pytest.raises(UrlBlockedError):
        guard.addresses(parts)


def test_what_the_operator_names_is_allowed_and_nothing_beside() -> None:
    guard = UrlGuard(read_allowed(["127.0.0.1", "10.96.0.0/16", ".example.corp", "localhost"]), resolve)
    for url in ("http://127.0.0.1:9/", "http://svc.cluster.example/", "http://localhost/"):
        guard.check(url)
    for url in (
        "http://127.0.0.2/",
        "http://private.example/",
        "http://[::1]/",
        "http://[::ffff:127.0.0.1]/",
    ):
        with pytest.raises(UrlBlockedError):
            guard.check(url)
    corp = UrlGuard(read_allowed(["*.example.corp"]), lambda host, port: ["10.0.0.1"])
    corp.check("http://hooks.example.corp/")
    for host in ("example.corp", "badexample.corp", "example.corp.attacker.example"):
        with pytest.raises(UrlBlockedError):
            corp.check(f"http://{host}/")


@pytest.mark.parametrize("word", ["10.0.0.1/8", "300.1.1.1", "10.0.0.0/33", "a b", "http://x/", "-x", "::g"])
def test_a_wrong_word_is_one_line_that_names_it(word: str) -> None:
    with pytest.raises(SettingsError, match="MEETSTEMS_ALLOW_PRIVATE_URLS") as error:
        read_allowed([word])
    assert repr(word) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_message_repeats_neither_the_url_nor_an_address() -> None:
    secret = "http://user:hunter2@private.example/?token=hunter2"
    with pytest.raises(UrlBlockedError) as error:
        UrlGuard(resolve=resolve).check(secret)
    assert "hunter2" not in str(error.value)
    assert "10.1.2.3" not in str(error.value)


def test_a_name_without_an_address_is_told_apart() -> None:
    with pytest.raises(UnresolvedError):
        UrlGuard(resolve=resolve).addresses(Parts("https", "unknown.example", 443))


def test_schemes_of_sockets_have_their_ports() -> None:
    sockets = frozenset({"ws", "wss"})
    assert read_url("wss://Public.Example./live?a=b", sockets) == Parts("wss", "public.example", 443)
    assert read_url("ws://public.example/", sockets).port == 80
    with pytest.raises(UrlError):
        read_url("https://public.example/", sockets)


def test_nothing_is_allowed_by_default() -> None:
    assert Allowed() == read_allowed([])
