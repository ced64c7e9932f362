"""A link to a call on any platform of the registry (pure)."""

from __future__ import annotations

from typing import Final, NamedTuple

from worker.errors import InputError
from worker.platforms.address import AddressError, MeetingAddress
from worker.platforms.registry import PLATFORMS, Platform
from worker.platforms.wrapped_links import (
    MOST_LAYERS,
    clean,
    hides_target,
    host_of,
    unsafe,
    unwrap,
)
from worker.safe_text import Redactor, address_start

LONGEST_LINK: Final = 8192
"""Characters of a link; each wrapper encodes what it holds, and a Teams link alone may have 400."""

EXPECTED_LINK: Final = " or ".join(
    f"a {entry.title} link like {entry.example_link}" for entry in PLATFORMS.values()
)
"""Words for what is expected of a link."""


class LinkError(InputError):
    """A text is no link to a call on a platform that is supported.

    ``why`` is what is wrong, empty if there is no more to say than that it is no such link.
    """

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why


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
    """The call that ``value`` links to, also if prose surrounds the link or a mail filter wraps it. Raises LinkError.

    A target that is wrapped has to pass the same checks as one that is not. Nothing is requested.
    """
    if len(value) > LONGEST_LINK:
        raise _refused(value, f"it has {len(value)} characters, more than {LONGEST_LINK}")
    refusal: LinkError | None = None
    inside = value
    for _ in range(MOST_LAYERS):
        text = clean(inside)
        if why := unsafe(text):
            raise refusal or _refused(value, why)
        try:
            if link := _read(text):
                return link
        except AddressError as error:
            if inside is value:
                refusal = LinkError(str(error), error.why)
            refusal = refusal or _refused(
                value, f"it leads to {host_of(text)!r}: {error.why or 'no meeting'}"
            )
        if (layer := unwrap(text)) is None:
            raise refusal or _refused(value, _why_not(value, text))
        inside = layer
    raise _refused(value, f"it is wrapped more than {MOST_LAYERS} times")


def _read(text: str) -> Link | None:
    """The call behind ``text``; None if no platform has its host. Raises AddressError for another page of that host."""
    for platform, entry in PLATFORMS.items():
        address = entry.short_form(text) or text
        if host_of(address) in entry.hosts:
            return Link(platform, entry.parse_link(address))
    return None


def _why_not(value: str, innermost: str) -> str:
    if hides_target(innermost):
        return "a mail filter hides its target: open it in a browser and copy the meeting's own link"
    host = host_of(innermost)
    return f"it leads to {address_start(host)!r}" if host != host_of(clean(value)) else ""


def _refused(value: str, why: str) -> LinkError:
    return LinkError(
        f"meeting link {address_start(value)!r}: expected {EXPECTED_LINK}" + (f" ({why})" if why else ""), why
    )
