"""Reads a job: MeetStream's or Recall.ai's create-bot body, distinguished by the name of the link's field."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from worker.contracts.fields import BotId
from worker.contracts.job import Job
from worker.contracts.json_body import JobError, read_body
from worker.contracts.meetstream import MeetStreamBot, read_meetstream
from worker.contracts.recall import RecallBot, read_recall
from worker.platforms.links import EXPECTED_LINK


def parse_job(body: bytes | str, new_bot_id: Callable[[], str]) -> Job:
    """The job in ``body``; ``new_bot_id`` is called only if it has no bot_id.

    ``meeting_link`` marks MeetStream's form, ``meeting_url`` Recall.ai's. Null means the same as an absent field. Raises
    JobError, one line that names the field; its ``bot_id`` is the body's if that is valid.
    """
    values = read_body(body)
    try:
        if _is_meetstream(values):
            return read_meetstream(values, new_bot_id)
        return read_recall(values, new_bot_id)
    except JobError as error:
        error.bot_id = _valid_bot_id(values)
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
        raise JobError(f"job: meeting_link: missing, and so is meeting_url; expected {EXPECTED_LINK}")
    if link is not None and url is not None:
        raise JobError("job: meeting_link: is given as well as meeting_url; expected one of them")
    return link is not None


def _valid_bot_id(values: Mapping[str, Any]) -> str | None:
    try:
        return msgspec.convert(values.get("bot_id"), BotId | None)
    except msgspec.ValidationError:
        return None
