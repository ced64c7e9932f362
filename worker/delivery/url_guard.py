"""Which addresses a URL that a user gave may lead to: public ones, and private ones that the operator names.

A webhook, or a live socket, is a request that this machine makes for a stranger (server-side request forgery, CWE-918). So the
URL is read by one parser, its name resolved once, all its addresses judged, and the connection made to a judged address: see
worker.delivery.guarded_http. ``judge`` and ``read_url`` are pure; only a Resolver asks the network.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from collections.abc import Callable, Sequence
from typing import Final, NamedTuple, TypeAlias

import httpx

from worker.errors import InputError
from worker.settings import SettingsError

Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address
Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network

Resolver = Callable[[str, int], Sequence[str]]
"""Takes a host's name and a port; returns all its addresses as text. Blocks. Raises OSError where it has none."""

HTTP_SCHEMES: Final = frozenset({"http", "https"})
"""Both vendors take webhooks without TLS, so these are let through as well."""

LONGEST_URL: Final = 2048
"""Characters."""

_REFUSED_V4: Final = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; 100.100.100.200 is Alibaba Cloud's metadata
        "127.0.0.0/8",
        "168.63.129.16/32",  # Azure's wire server, a public address that only virtual machines reach
        "169.254.0.0/16",  # link-local; 169.254.169.254 is the metadata of most clouds
        "172.16.0.0/12",
        "192.0.0.0/24",  # IETF protocols; 192.0.0.192 is Oracle Cloud's metadata
        "192.0.2.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)
"""The IANA registry of special-purpose IPv4 addresses, and multicast (RFC 6890)."""

_GLOBAL_V6: Final = ipaddress.IPv6Network("2000::/3")
"""The only unicast range that IANA gives out; all else is refused, so ranges that come are refused, too."""
_REFUSED_V6: Final = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # IETF protocols; 2001::/32 is Teredo, which holds an IPv4 address
        "2001:db8::/32",
        "2002::/16",  # 6to4, which holds an IPv4 address
        "3fff::/20",
    )
)
_NAT64: Final = ipaddress.IPv6Network("64:ff9b::/96")
"""How IPv4 is reached from networks without it (RFC 6052): what counts is the IPv4 address inside."""
_ISATAP: Final = frozenset({0x00005EFE, 0x02005EFE})
"""The upper half of an interface identifier that holds an IPv4 address (RFC 5214, section 6.1)."""

_NAME: Final = re.compile(r"(?!-)[a-z0-9_-]{1,63}(?<!-)(?:\.(?!-)[a-z0-9_-]{1,63}(?<!-))*", re.ASCII)
_NUMERIC: Final = re.compile(r"(?:.*\.)?(?:[0-9]+|0x[0-9a-f]*)", re.ASCII)
"""A host whose last label is a number: an IPv4 address in some notation (WHATWG URL, "ends in a number")."""
_SPECIAL: Final = ("localhost", "local", "internal", "home.arpa")
"""Names that are never public (RFC 6761, RFC 6762, RFC 8375, and ICANN's reserved ``internal``)."""


class UrlError(InputError):
    """The text is no URL that can be called; the message says why and does not repeat it."""


class UrlBlockedError(UrlError):
    """The URL leads to an address that is refused. The message does not say which, so that nobody can map a network by it."""


class UnresolvedError(UrlError):
    """The host has no address at the moment."""


class Parts(NamedTuple):
    """What a URL says of the server: its host is a name in lower case without a dot at the end, or an address."""

    scheme: str
    host: str
    port: int


class Allowed(NamedTuple):
    """What an operator exempts: ``networks`` of addresses, and ``hosts``, wherever they lead; ``.example`` is all below it."""

    networks: tuple[Network, ...] = ()
    hosts: frozenset[str] = frozenset()

    def has_host(self, host: str) -> bool:
        """Whether the name is exempted."""
        labels = host.split(".")
        parents = {f".{'.'.join(labels[index:])}" for index in range(1, len(labels))}
        return host in self.hosts or not self.hosts.isdisjoint(parents)

    def has_address(self, address: Address) -> bool:
        """Whether the address is exempted."""
        return any(address in network for network in self.networks)


NOTHING_ALLOWED: Final = Allowed()


def read_allowed(words: Sequence[str]) -> Allowed:
    """Reads the words of MEETSTEMS_ALLOW_PRIVATE_URLS: addresses, networks and host names. Raises SettingsError."""
    networks: list[Network] = []
    hosts: set[str] = set()
    for word in words:
        name = word.lower().removeprefix("*").rstrip(".")
        if "/" in word or ":" in word or _NUMERIC.fullmatch(name):
            try:
                networks.append(ipaddress.ip_network(word))
            except ValueError as error:
                raise SettingsError(
                    f"MEETSTEMS_ALLOW_PRIVATE_URLS: {word!r}: {error}; expected an address or a network like 10.0.0.0/8"
                ) from error
        elif _NAME.fullmatch(name.removeprefix(".")):
            hosts.add(name)
        else:
            raise SettingsError(
                f"MEETSTEMS_ALLOW_PRIVATE_URLS: {word!r}: expected a host like hooks.example or .example, or a network"
            )
    return Allowed(tuple(networks), frozenset(hosts))


def read_url(url: object, schemes: frozenset[str] = HTTP_SCHEMES) -> Parts:
    """What ``url`` says of the server. Pure. Raises UrlError, and UrlBlockedError for a host in a disguised notation."""
    if not isinstance(url, str):
        raise UrlError(f"expected an address like {_example(schemes)}")
    if len(url) > LONGEST_URL:
        raise UrlError(f"has {len(url)} characters; expected at most {LONGEST_URL}")
    # What other parsers may read in another way is refused: blanks, controls, and the backslash, a slash for browsers.
    if not url.isprintable() or any(letter in " \\" for letter in url):
        raise UrlError("has a blank, a backslash or a character that cannot be printed")
    try:
        parsed = httpx.URL(url)
        host = parsed.raw_host.decode("ascii").lower()
    except (httpx.InvalidURL, UnicodeError) as error:
        raise UrlError("is no URL, or its host is no valid name") from error
    if parsed.scheme not in schemes or not host:
        raise UrlError(f"expected an address like {_example(schemes)}")
    port = parsed.port if parsed.port is not None else _default_port(parsed.scheme)
    if not 0 < port < 65_536:
        raise UrlError(f"has the port {port}; expected 1 to 65535")
    return Parts(parsed.scheme, _read_host(host), port)


def judge(address: Address) -> bool:
    """Whether ``address`` is public: not private, loopback, link-local, shared, multicast, unspecified, reserved, or a form of
    IPv6 that leads to such an IPv4 address. Pure."""
    if isinstance(address, ipaddress.IPv4Address):
        return not any(address in network for network in _REFUSED_V4)
    if address.scope_id is not None:
        return False
    if address in _NAT64:
        return judge(ipaddress.IPv4Address(int(address) & 0xFFFF_FFFF))
    if address not in _GLOBAL_V6 or any(address in network for network in _REFUSED_V6):
        return False
    return (int(address) >> 32) & 0xFFFF_FFFF not in _ISATAP


def system_resolver(host: str, port: int) -> Sequence[str]:
    """The addresses that the system finds. Raises OSError."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def has_name(parts: Parts) -> bool:
    """Whether the host is a name that has to be looked up. Pure."""
    return _literal(parts.host) is None


class UrlGuard:
    """Resolves and judges. Thread-safe, if ``resolve`` is."""

    def __init__(self, allowed: Allowed = NOTHING_ALLOWED, resolve: Resolver = system_resolver) -> None:
        self._allowed = allowed
        self._resolve = resolve

    def addresses(self, parts: Parts) -> list[str]:
        """The addresses of a host, to one of which the connection has to be made: asking again may give others.

        Blocks. Raises UrlBlockedError if one of them is refused, UnresolvedError if there is none.
        """
        is_exempt = self._allowed.has_host(parts.host)
        literal = _literal(parts.host)
        # Without a look-up, which need not find an address on the machine that takes the URL. An exempted network may have it.
        if _is_special(parts.host) and not is_exempt and not self._allowed.networks:
            raise UrlBlockedError(_BLOCKED)
        try:
            found = [str(literal)] if literal is not None else list(self._resolve(parts.host, parts.port))
        except (OSError, UnicodeError) as error:
            raise UnresolvedError("the host's name cannot be resolved") from error
        if not found:
            raise UnresolvedError("the host's name has no address")
        for text in found:
            address = _literal(text)
            if address is None or not (is_exempt or judge(address) or self._allowed.has_address(address)):
                raise UrlBlockedError(_BLOCKED)
        return found

    def check(self, url: object, schemes: frozenset[str] = HTTP_SCHEMES) -> None:
        """Raises UrlError, or UrlBlockedError, for a URL that cannot be called. A name without an address is let pass: it may
        have one later, and is judged again then. Blocks.
        """
        try:
            self.addresses(read_url(url, schemes))
        except UnresolvedError:
            return


_BLOCKED: Final = "leads to an address that is local, private or reserved"


def _read_host(host: str) -> str:
    if ":" in host:
        try:
            # A zone id counts on one machine only.
            return str(ipaddress.IPv6Address(host.partition("%")[0])) + ("%" if "%" in host else "")
        except ValueError as error:
            raise UrlError("has a host that is no valid address") from error
    name = host.removesuffix(".")
    if _NUMERIC.fullmatch(name):
        try:
            return str(ipaddress.IPv4Address(name))
        except ValueError as error:
            raise UrlBlockedError("has an address in another notation than four decimal numbers") from error
    if len(name) > 253 or not _NAME.fullmatch(name):
        raise UrlError("has a host that is no valid name")
    return name


def _literal(host: str) -> Address | None:
    """The address that ``host`` is; None if it is a name. A zone id is kept, and is refused by ``judge``."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        return ipaddress.IPv6Address("::") if "%" in host else None


def _is_special(host: str) -> bool:
    return any(host == name or host.endswith(f".{name}") for name in _SPECIAL)


def _default_port(scheme: str) -> int:
    return 443 if scheme in {"https", "wss"} else 80


def _example(schemes: frozenset[str]) -> str:
    secure = sorted(scheme for scheme in schemes if _default_port(scheme) == 443)
    return f"{(secure or sorted(schemes))[0]}://hooks.example/path"
