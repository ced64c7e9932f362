"""A job: one bot to be sent into one call, worded as MeetStream's or as Recall.ai's create-bot body."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, Final, Literal, TypeAlias
from urllib.parse import urlsplit

import msgspec

from worker.job_body import JobError, read_body
from worker.job_checks import check, ignored_fields, wrong
from worker.job_fields import A_LINK, LONGEST_NAME, BotId, MeetStreamBot, RecallBot
from worker.job_leave import meetstream_leave, recall_leave
from worker.leave_policy import LeavePolicy
from worker.platforms.links import LinkError, parse_link
from worker.printable import printable

__all__ = ["Job", "JobError", "json_schema", "parse_job"]

Vendor: TypeAlias = Literal["meetstream", "recall"]

DEFAULT_BOT_NAME: Final = "Meetstems"
LONGEST_BOT_NAME: Final = 60
"""Characters that Meet's name field takes."""

MAX_ATTRIBUTES_BYTES: Final = 64 * 1024
"""The largest custom_attributes or metadata, as JSON: every event repeats them and has to fit into a message."""

_OTHER_PLATFORMS: Final = {
    "zoom.us": "Zoom",
    "zoom.com": "Zoom",
    "webex.com": "Webex",
}
_A_TIME: Final = "a time like 2026-01-31T09:30:00Z"


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """What one bot is to do.

    ``meeting_url`` is as it was given, ``platform`` ``google_meet`` or ``microsoft_teams``; ``bot_name`` is cut to what Meet's
    name field takes. ``join_at`` is in seconds since the Unix epoch, None: at once. ``separate_audio``: one file per speaker is
    wanted. ``leave`` says when the bot goes by itself; ``announcement`` is what it writes into the chat once it is in the call,
    which the platform cuts to what its chat takes. ``ignored`` are the dotted names of the fields that have no effect (see
    ignored_fields), and ``body`` is everything as it came.
    """

    bot_id: str
    vendor: Vendor
    meeting_url: str
    platform: str
    bot_name: str
    join_at: float | None
    separate_audio: bool
    leave: LeavePolicy
    announcement: str | None
    callback_url: str | None
    custom_attributes: dict[str, Any]
    ignored: list[str]
    body: dict[str, Any]

    def __repr__(self) -> str:
        # The rest can hold tokens and must not end up in a log by mistake.
        return f"Job(bot_id={self.bot_id!r}, vendor={self.vendor!r})"


def parse_job(body: bytes | str, new_bot_id: Callable[[], str]) -> Job:
    """The job in ``body``; ``new_bot_id`` is asked for an id only where it holds none.

    ``meeting_link`` tells MeetStream's form, ``meeting_url`` Recall.ai's. Null stands for an absent field everywhere. Raises
    JobError, one line that names the field; its ``bot_id`` is the body's where that is sound.
    """
    values = read_body(body)
    try:
        if _is_meetstream(values):
            return _from_meetstream(values, new_bot_id)
        return _from_recall(values, new_bot_id)
    except JobError as error:
        error.bot_id = _sound_bot_id(values)
        raise


def json_schema() -> dict[str, Any]:
    """JSON Schema (2020-12) of a job: one of the two vendors' forms. Further fields are allowed, and ignored."""
    forms, definitions = msgspec.json.schema_components(
        (MeetStreamBot, RecallBot), ref_template="#/$defs/{name}"
    )
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "meetstems job",
        "description": "A create-bot body of MeetStream or of Recall.ai, and a bot_id.",
        "oneOf": list(forms),
        "$defs": definitions,
    }


def _is_meetstream(values: Mapping[str, Any]) -> bool:
    link, url = values.get("meeting_link"), values.get("meeting_url")
    if link is None and url is None:
        raise JobError(f"job: meeting_link: missing, and so is meeting_url; expected {A_LINK}")
    if link is not None and url is not None:
        raise JobError("job: meeting_link: is given beside meeting_url; expected one of them")
    return link is not None


def _from_meetstream(values: dict[str, Any], new_bot_id: Callable[[], str]) -> Job:
    form = check(values, MeetStreamBot)
    nested = form.recording_config and form.recording_config.audio_separate_streams
    separate = nested if form.audio_separate_streams is None else form.audio_separate_streams
    meeting_url, platform = _meeting("meeting_link", form.meeting_link)
    return Job(
        bot_id=form.bot_id or new_bot_id(),
        vendor="meetstream",
        meeting_url=meeting_url,
        platform=platform,
        bot_name=_bot_name(form.bot_name),
        join_at=_unix_time(form.join_at),
        separate_audio=bool(separate),
        leave=meetstream_leave(form.automatic_leave, platform),
        announcement=_announcement(form.bot_message),
        callback_url=_callback_url(form.callback_url),
        custom_attributes=_attributes("custom_attributes", form.custom_attributes),
        ignored=ignored_fields(values, MeetStreamBot),
        body=values,
    )


def _from_recall(values: dict[str, Any], new_bot_id: Callable[[], str]) -> Job:
    form = check(values, RecallBot)
    recording = form.recording_config
    on_join = form.chat.on_bot_join if form.chat else None
    meeting_url, platform = _meeting("meeting_url", form.meeting_url)
    return Job(
        bot_id=form.bot_id or new_bot_id(),
        vendor="recall",
        meeting_url=meeting_url,
        platform=platform,
        bot_name=_bot_name(form.bot_name),
        join_at=_unix_time(form.join_at),
        separate_audio=recording is not None
        and (recording.audio_separate_raw is not None or recording.audio_separate_mp3 is not None),
        leave=recall_leave(form.automatic_leave, recording),
        announcement=_announcement(on_join.message if on_join else None),
        callback_url=None,
        custom_attributes=_attributes("metadata", form.metadata),
        ignored=ignored_fields(values, RecallBot),
        body=values,
    )


def _meeting(field: str, link: str) -> tuple[str, str]:
    """The link and the platform that it leads to."""
    try:
        platform = parse_link(link).platform
    except LinkError as error:
        # What follows the question mark can be a password.
        shown = link.partition("?")[0]
        if other := _other_platform(link):
            raise wrong([field], shown, f"{A_LINK} ({other} is not served yet)") from error
        raise wrong([field], shown, A_LINK) from error
    return link.strip(), platform


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


def _bot_name(given: str | None) -> str:
    if given is None:
        return DEFAULT_BOT_NAME
    name = " ".join(given.split())
    if not name or printable(name, LONGEST_NAME) != name:
        raise wrong(["bot_name"], given, f"1 to {LONGEST_NAME} printable characters")
    return name[:LONGEST_BOT_NAME].rstrip()


def _announcement(given: str | None) -> str | None:
    return (given or "").strip() or None


def _unix_time(given: str | None) -> float | None:
    if given is None:
        return None
    try:
        moment = datetime.fromisoformat(given.strip())
    except ValueError as error:
        raise wrong(["join_at"], given, _A_TIME) from error
    if len(given.strip()) <= len("2026-01-31"):
        raise wrong(["join_at"], given, _A_TIME)
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()


def _callback_url(given: str | None) -> str | None:
    if given is None:
        return None
    try:
        parts = urlsplit(given)
        sound = given.isprintable() and parts.scheme in ("http", "https") and bool(parts.hostname)
    except ValueError:
        sound = False
    if not sound:
        raise wrong(["callback_url"], given.partition("?")[0], "an http or https address")
    return given


def _attributes(field: str, given: dict[str, Any] | None) -> dict[str, Any]:
    size = len(msgspec.json.encode(given))
    if size > MAX_ATTRIBUTES_BYTES:
        raise JobError(f"job: {field}: {size} bytes; expected at most {MAX_ATTRIBUTES_BYTES}")
    return given or {}


def _sound_bot_id(values: Mapping[str, Any]) -> str | None:
    try:
        return msgspec.convert(values.get("bot_id"), BotId | None)
    except msgspec.ValidationError:
        return None
