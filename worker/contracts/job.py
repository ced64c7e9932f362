"""A job, which sends one bot into one call, and the checks of its values that both vendors' readers share."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from worker.contracts.fields import LONGEST_NAME
from worker.contracts.json_body import JobError
from worker.contracts.live_endpoints import LiveEndpoint, LiveFault
from worker.contracts.live_fields import hide_live_secrets
from worker.contracts.validation import wrong
from worker.delivery.queue_text import ascii_json
from worker.lifecycle.leave_policy import LeavePolicy
from worker.platforms.links import EXPECTED_LINK, LinkError, parse_link
from worker.platforms.registry import Platform
from worker.safe_text import Redactor, address_start, printable

Vendor: TypeAlias = Literal["meetstream", "recall"]

DEFAULT_BOT_NAME: Final = "Meetstems"
LONGEST_BOT_NAME: Final = 60
"""Characters that Meet's name field accepts."""

MAX_ATTRIBUTES_BYTES: Final = 64 * 1024
"""The largest custom_attributes or metadata, as JSON in ASCII: every event repeats them and has to fit into a message."""

_OTHER_PLATFORMS: Final = {
    "zoom.us": "Zoom",
    "zoom.com": "Zoom",
    "webex.com": "Webex",
}
_LONGEST_WHY: Final = 100
_EXPECTED_TIME: Final = "a time like 2026-01-31T09:30:00Z"

FIRST_YEAR, LAST_YEAR = 1970, 2200
"""The years, in UTC, that ``join_at`` may be in: a time at the edge of the calendar cannot be written in all zones."""

_FIRST: Final = datetime(FIRST_YEAR, 1, 1, tzinfo=UTC).timestamp()
_END: Final = datetime(LAST_YEAR + 1, 1, 1, tzinfo=UTC).timestamp()


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """The job of one bot.

    ``meeting_url`` is as given without surrounding blanks, ``platform`` is the one of that link; ``bot_name`` is cut to
    LONGEST_BOT_NAME. ``join_at`` is in seconds since the Unix epoch, None: at once. ``separate_audio``: one file per speaker is
    wanted; ``separate_video``: one per camera and screen share. ``retention``: for how many seconds after the bot's end the API
    keeps what was recorded, None: for ever. ``leave`` says when the bot leaves by itself; ``announcement`` is its message to
    the chat once it is in the call, which the platform cuts to its limit. ``callback_url`` is where webhooks go, None: nowhere;
    it can hold a token. ``ignored`` are the dotted names of the fields that have no effect (see ignored_fields), and ``body``
    is the whole body as received. ``live`` are the receivers of live streams, whose URLs and headers are secret;
    ``live_faults`` say which were left out as they are wrong.
    """

    bot_id: str
    vendor: Vendor
    meeting_url: str
    platform: Platform
    bot_name: str
    join_at: float | None
    separate_audio: bool
    retention: float | None
    leave: LeavePolicy
    announcement: str | None
    callback_url: str | None
    custom_attributes: dict[str, Any]
    ignored: list[str]
    body: dict[str, Any]
    separate_video: bool = False
    live: tuple[LiveEndpoint, ...] = ()
    live_faults: tuple[LiveFault, ...] = ()

    def redactor(self) -> Redactor:
        """Hides what is secret in the meeting's link, and what leads to the receivers of live streams."""
        return hide_live_secrets(parse_link(self.meeting_url).redactor(), self.live)

    def __repr__(self) -> str:
        # Other fields can hold tokens and must not get into a log by mistake.
        return f"Job(bot_id={self.bot_id!r}, vendor={self.vendor!r})"


def read_meeting(field: str, link: str) -> tuple[str, Platform]:
    """The link of ``field`` without surrounding blanks, and its platform. Raises JobError."""
    try:
        platform = parse_link(link).platform
    except LinkError as error:
        # The query can contain a password.
        shown = address_start(link)
        other = _other_platform(link)
        why = f"{other} is not served yet" if other else printable(error.why, _LONGEST_WHY)
        raise wrong([field], shown, f"{EXPECTED_LINK} ({why})" if why else EXPECTED_LINK) from error
    return link.strip(), platform


def read_bot_name(given: str | None) -> str:
    """The name with single blanks, cut to LONGEST_BOT_NAME; DEFAULT_BOT_NAME for None. Raises JobError."""
    if given is None:
        return DEFAULT_BOT_NAME
    name = " ".join(given.split())
    if not name or printable(name, LONGEST_NAME) != name:
        raise wrong(["bot_name"], given, f"1 to {LONGEST_NAME} printable characters")
    return name[:LONGEST_BOT_NAME].rstrip()


def read_announcement(given: str | None) -> str | None:
    """The text without surrounding blanks; None if nothing is left."""
    return (given or "").strip() or None


def read_join_at(given: str | None) -> float | None:
    """``join_at`` as seconds since the Unix epoch; UTC if it has no offset. None for None and blanks. Raises JobError."""
    if given is None or not given.strip():
        return None
    try:
        moment = datetime.fromisoformat(given.strip())
    except ValueError as error:
        raise wrong(["join_at"], given, _EXPECTED_TIME) from error
    if len(given.strip()) <= len("2026-01-31"):
        raise wrong(["join_at"], given, _EXPECTED_TIME)
    at = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
    if not _FIRST <= at < _END:
        raise wrong(["join_at"], given, f"{_EXPECTED_TIME}, from {FIRST_YEAR} to {LAST_YEAR}")
    return at


def read_attributes(field: str, given: dict[str, Any] | None) -> dict[str, Any]:
    """The attributes of ``field``; {} for None. Raises JobError for more than MAX_ATTRIBUTES_BYTES."""
    size = len(ascii_json(given))
    if size > MAX_ATTRIBUTES_BYTES:
        message = f"job: {field}: {size} bytes; expected at most {MAX_ATTRIBUTES_BYTES}"
        raise JobError(message, field=[field])
    return given or {}


def read_webhook_url(given: object) -> str | None:
    """The address, None if it is none. A job that comes by the queue has no one to refuse it for that, so it is done without;
    the API refuses it.
    """
    if not isinstance(given, str):
        return None
    try:
        parts = urlsplit(given)
        is_address = parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        return None
    return given if given.isprintable() and is_address else None


def _other_platform(link: str) -> str | None:
    text = link.strip()
    try:
        host = urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return None
    return next(
        (name for known, name in _OTHER_PLATFORMS.items() if host == known or host.endswith(f".{known}")),
        None,
    )
