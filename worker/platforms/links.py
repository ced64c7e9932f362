"""A link to a call on any platform of the registry (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from worker.errors import InputError
from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.registry import PLATFORMS, Platform

EXPECTED_LINK: Final = " or ".join(
    f"a {entry.title} link like {entry.example_link}" for entry in PLATFORMS.values()
)
"""Words for what is expected of a link."""

_SHOWN_LENGTH: Final = 100


class LinkError(InputError):
    """A text is no link to a call on a platform that is supported."""


class Link(NamedTuple):
    """A call, and the platform that it is on."""

    platform: Platform
    address: MeetingAddress

    @property
    def shown(self) -> str:
        """The address for logs and files, without secrets."""
        return self.address.shown


def parse_link(value: str) -> Link:
    """The call that ``value`` links to. Raises LinkError."""
    host = _host(value)
    for platform, entry in PLATFORMS.items():
        if host in entry.hosts:
            try:
                return Link(platform, entry.parse_link(value))
            except AddressError as error:
                raise LinkError(str(error)) from error
    address = value.partition("?")[0]
    shown = address if len(address) <= _SHOWN_LENGTH else address[:_SHOWN_LENGTH] + "…"
    raise LinkError(f"meeting link {shown!r}: expected {EXPECTED_LINK}")


def _host(value: str) -> str:
    text = value.strip()
    try:
        return urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return ""
