"""The form that sends a bot: what is in it, and what is wrong with it in plain English."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from worker.contracts.meetstream import read_meetstream
from worker.platforms.links import LinkError, parse_link
from worker.platforms.registry import PLATFORMS
from worker.safe_text import printable
from worker.server.bots import Bots
from worker.server.creation import Kind, Request, create_once, read_job
from worker.server.demo_link import with_demo_link
from worker.server.errors import ApiError
from worker.settings import DemoMeeting

MOST_FIELDS: Final = 20
LONGEST_FORM: Final = 64 * 1024
"""Bytes; the longest link has 8,192 characters, each of which may take nine."""

KEPT: Final = 86_400.0
"""Seconds for which a form that is sent again makes no other bot."""

_FIELDS: Final = {"meeting_link": "link", "bot_name": "name", "join_at": "when"}
"""Fields of the job → fields of the form."""


class SendForm(NamedTuple):
    """What somebody wrote. ``errors`` are by field, those of ``form`` about all of it. Forms with the same ``once`` are one.

    ``when_utc`` is ``when`` with the browser's zone; empty without a script.
    """

    link: str = ""
    name: str = ""
    when: str = ""
    when_utc: str = ""
    once: str = ""
    errors: Mapping[str, str] = MappingProxyType({})


def read_form(body: bytes) -> dict[str, str]:
    """The fields of a form (application/x-www-form-urlencoded). Raises ApiError."""
    try:
        if len(body) > LONGEST_FORM:
            raise ValueError(f"{len(body)} bytes")
        fields = dict(parse_qsl(body.decode("utf-8"), keep_blank_values=True, max_num_fields=MOST_FIELDS))
        "".join(fields.values()).encode()
    except ValueError as error:
        raise ApiError(400, "This form cannot be read. Go back, reload the page and try again.") from error
    return fields


def send_form(fields: dict[str, str]) -> SendForm:
    """The form out of its fields."""
    link, name, when, when_utc, once = (
        fields.get(name, "").strip() for name in ("link", "name", "when", "when_utc", "once")
    )
    return SendForm(link, name, when, when_utc, once)


def send_bot(
    bots: Bots, workspace: str, form: SendForm, demo: DemoMeeting | None, now: float
) -> dict[str, str]:
    """Sends the bot; returns the errors by field, none if it is sent. ``demo`` is the demo meeting, None: there is none.
    ``now`` is in Unix seconds. Blocks.
    """
    values: dict[str, Any] = with_demo_link({"meeting_link": form.link, "audio_separate_streams": True}, demo)
    errors = {} if not (why := _wrong_link(values["meeting_link"])) else {"link": why}
    if form.name:
        values["bot_name"] = form.name
    if when := form.when_utc or form.when:
        values["join_at"] = when
    if errors:
        return errors
    try:
        job = read_job(values, read_meetstream)
    except ApiError as error:
        return _errors(error)
    if job.join_at is not None and job.join_at < now - 60:
        return {"when": "This time is over. Leave the field empty to join now."}
    # Another text in a form that was sent before is another bot.
    body = repr((form.link, form.name, when)).encode()
    key = hashlib.sha256(form.once.encode() + body).hexdigest()
    creation = create_once(bots, Request(workspace, "/", key, KEPT, body, job), now)
    return {"form": "This form is being sent already."} if creation.kind is Kind.IN_FLIGHT else {}


def _wrong_link(link: str) -> str:
    titles = " or ".join(entry.title for entry in PLATFORMS.values())
    example = next(iter(PLATFORMS.values())).example_link
    if not link:
        return f"Enter the meeting’s link, like {example}"
    try:
        parse_link(link)
    except LinkError as error:
        why = f" ({printable(error.why, 200)})" if error.why else ""
        return f"This is no link to a {titles} call{why}. They look like {example}"
    return ""


def _errors(error: ApiError) -> dict[str, str]:
    name = next(iter(error.fields or {}), "")
    _, found, expected = error.message.rpartition("; expected ")
    text = f"Expected {expected}." if found else error.message
    return {_FIELDS.get(name, "form"): text}
