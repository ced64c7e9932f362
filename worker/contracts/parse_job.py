"""Reads a job: MeetStream's or Recall.ai's create-bot body, distinguished by the name of the link's field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from worker.contracts.envelopes import LINK_FIELDS, inside, open_envelopes
from worker.contracts.fields import BotId
from worker.contracts.job import Job, read_meeting
from worker.contracts.json_body import JobError
from worker.contracts.meetstream import MeetStreamBot, read_meetstream
from worker.contracts.recall import RecallBot, read_recall
from worker.contracts.validation import ignored_fields, wrong
from worker.platforms.links import EXPECTED_LINK, parse_link


def parse_job(body: bytes | str, new_bot_id: Callable[[], str]) -> Job:
    """The job in ``body``, also inside an envelope of SNS or EventBridge; ``new_bot_id`` is called only if it has no bot_id.

    ``meeting_link`` marks MeetStream's form, ``meeting_url`` Recall.ai's. Null means the same as an absent field. Raises
    JobError, one line that names the field; its ``bot_id`` is the body's if that is valid.
    """
    values, envelopes = open_envelopes(body)
    try:
        link = _link_field(values)
        other = next(name for name in LINK_FIELDS if name != link)
        alone = {name: value for name, value in values.items() if name != other or value is None}
        return (read_meetstream if link == "meeting_link" else read_recall)(alone, new_bot_id)
    except JobError as error:
        error.bot_id = _valid_bot_id(values)
        raise inside(error, envelopes) from error.__cause__


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


def _link_field(values: Mapping[str, Any]) -> str:
    """The name of the field that marks the form. Raises JobError if there is none, or if two lead to different calls."""
    given = [name for name in LINK_FIELDS if values.get(name) is not None]
    given = [name for name in given if values[name] != ""] or given[:1]
    if not given:
        raise JobError(f"job: meeting_link: missing, and so is meeting_url; expected {EXPECTED_LINK}")
    if len(given) == 1:
        return given[0]
    link, url = (_call(name, values[name]) for name in LINK_FIELDS)
    if link != url:
        raise JobError("job: meeting_link: leads to another call than meeting_url; expected one of them")
    # Of two links that are alike, the form counts that knows more of the body.
    return min(LINK_FIELDS, key=lambda name: len(ignored_fields(values, _FORMS[name])))


_FORMS: Final[Mapping[str, type[msgspec.Struct]]] = {"meeting_link": MeetStreamBot, "meeting_url": RecallBot}


def _call(field: str, link: object) -> tuple[str, tuple[str, ...]]:
    """What distinguishes the call behind ``link``. Raises JobError."""
    if not isinstance(link, str):
        raise wrong([field], link, EXPECTED_LINK)
    read_meeting(field, link)
    address = parse_link(link).address
    return address.shown, address.secrets


def _valid_bot_id(values: Mapping[str, Any]) -> str | None:
    try:
        return msgspec.convert(values.get("bot_id"), BotId | None)
    except msgspec.ValidationError:
        return None
