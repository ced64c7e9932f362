"""A link to a call on any platform of the registry (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple
from urllib.parse import urlsplit

from worker.errors import InputError
from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.registry import PLATFORMS, Platform
from worker.safe_text import Redactor, address_start

EXPECTED_LINK: Final = " or ".join(
    f"a {entry.title} link like {entry.example_link}" for entry in PLATFORMS.values()
)
"""Words for what is expected of a link."""


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

    def redactor(self) -> Redactor:
        """Hides what is secret in the address."""
        return Redactor(self.address.secrets)


def parse_link(value: str) -> Link:
    """The call that ``value`` links to. Raises LinkError."""
    host = _host(value)
    for platform, entry in PLATFORMS.items():
        if host in entry.hosts:
            try:
                return Link(platform, entry.parse_link(value))
            except AddressError as error:
                raise LinkError(str(error)) from error
    raise LinkError(f"meeting link {address_start(value)!r}: expected {EXPECTED_LINK}")


def _host(value: str) -> str:
    text = value.strip()
    try:
        return urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return ""
