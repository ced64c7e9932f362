"""Clients by their addresses, for what is counted without knowing who they are."""

from __future__ import annotations

import ipaddress
from typing import Final

GROUPS: Final = 4096
"""Addresses are counted in so many groups, so that an attacker with many of them fills no memory."""

_SUBNET: Final = 64
"""Bits of an IPv6 address that a client cannot choose (RFC 4291, section 2.5.1)."""


def client_group(address: str) -> str:
    """The group of all addresses that a client at ``address`` can have. Which others are in it, nobody can foresee."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return str(hash(address) % GROUPS)
    if isinstance(parsed, ipaddress.IPv6Address):
        parsed = parsed.ipv4_mapped or ipaddress.IPv6Network((parsed, _SUBNET), strict=False).network_address
    return str(hash(str(parsed)) % GROUPS)
