"""Events about the deletion of what a bot recorded (pure)."""

from __future__ import annotations

from typing import Any

from worker.contracts.bot_facts import BotFacts
from worker.contracts.recall_documents import ARTIFACTS, DELETED, RECORDING, artifact_document
from worker.iso_time import iso_utc
from worker.states import State


def deletion_events(facts: BotFacts, workspace: str, at: float) -> list[dict[str, Any]]:
    """What is reported of a bot whose data was deleted at ``at`` (Unix seconds); ``facts`` are those before.

    MeetStream's ``data_deletion``, which has no ``custom_attributes``; or Recall.ai's ``recording.deleted`` and one for each
    artifact, none for a bot that did not record. ``workspace`` and ``callback_url`` are there since the bot itself may not be.
    """
    if facts.status is None:
        return []
    common = {
        "bot_id": facts.bot_id,
        "vendor": facts.job.vendor,
        "workspace": workspace,
        "callback_url": facts.job.callback_url,
        "attempt": facts.status.attempt,
        "updated_at": iso_utc(at),
        "timestamp": iso_utc(at),
    }
    if facts.job.vendor == "meetstream":
        event = {
            "event": "data_deletion",
            "bot_status": facts.status.bot_status,
            "message": "All data of the bot was deleted",
            "status_code": 200,
            "sequence": facts.status.sequence + 1,
            "idempotency_key": f"{facts.bot_id}-data_deletion",
        }
        return [{**event, **common}]
    return [
        {
            "event": f"{kind}.{DELETED}",
            "code": DELETED,
            "sub_code": None,
            "message": "All data of the recording was deleted",
            "sequence": facts.status.sequence + 1 + number,
            "idempotency_key": f"{facts.bot_id}-{kind}.{DELETED}",
            "custom_attributes": facts.job.custom_attributes,
            "artifact_metadata": facts.artifact_metadata.get(kind, {}),
            **common,
        }
        for number, kind in enumerate(_recorded_kinds(facts))
    ]


def _recorded_kinds(facts: BotFacts) -> list[str]:
    if facts.at(State.IN_CALL_RECORDING) is None:
        return []
    made = [kind for kind in ARTIFACTS if artifact_document(facts, kind, lambda _: "") is not None]
    return [RECORDING, *made]
