"""Both vendors' webhooks about a bot, made of the events that workers report (pure).

MeetStream's bodies are from its guide "Webhook Events" and what its own clients read (docs.meetstream.ai): the event's name is
in ``event`` and in ``bot_event``, which differ only at the end of a visit. Recall.ai's are from "Bot Webhooks", "Recording
Webhooks" and the pages of each artifact (docs.recall.ai).

Reporting is at least once, and a worker that was killed may have lost an event that its successor does not repeat. So the last
event, ``bot.result``, stands for all: it gives each webhook that the bot's history calls for. A webhook's ``key`` is the same
each time, and each key is sent once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any, Final, Literal, TypeAlias

import msgspec

from worker.contracts.bot_facts import BotFacts, endpoint_id, related_id
from worker.contracts.recall_documents import (
    AUDIO_MIXED,
    AUDIO_SEPARATE,
    MEETING_METADATA,
    PARTICIPANT_EVENTS,
    RECORDING,
    VIDEO_MIXED,
    VIDEO_SEPARATE,
    artifact_document,
    recording_document,
)
from worker.contracts.status import (
    REALTIME_ENDPOINT,
    BotStatus,
    EndpointChange,
    StatusChange,
    audio_event,
    endpoint_event,
    video_event,
)
from worker.contracts.text_values import text_values
from worker.contracts.vendor_words import CALL_ENDED, STATES, end_words, status_code
from worker.reasons import read_reason
from worker.states import State, read_state

Form: TypeAlias = Literal["meetstream", "recall"]
"""Whose bodies and signatures an endpoint gets."""

Event: TypeAlias = dict[str, Any]
"""As worker.contracts.status makes it."""

RESULT: Final = "bot.result"
AUDIO: Final = "audio.processed"
VIDEO: Final = "video.processed"
DELETION: Final = "data_deletion"
"""MeetStream's event of a bot all of whose data was deleted."""
_DELETED: Final = ".deleted"

KINDS: Final = (
    AUDIO_SEPARATE,
    AUDIO_MIXED,
    VIDEO_SEPARATE,
    VIDEO_MIXED,
    PARTICIPANT_EVENTS,
    MEETING_METADATA,
)
"""Artifacts with webhooks, in the order in which these are sent, after the recording's."""

PAUSES: Final = ("recording.paused", "recording.processing")
"""Recall.ai's events of a recording that is held up, and goes on."""

_FINISHED: Final = ("done", "failed")
_LAST: Final = frozenset({State.DONE, State.FATAL})
"""Their webhooks come with the result, after all others."""

_PUBLIC: Final = (
    "bot_status",
    "message",
    "status",
    "audio_status",
    "video_status",
    "status_code",
    "retry_at",
)
"""Fields of an event that MeetStream's form passes on."""


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook. ``event`` is its name, by which endpoints choose; ``key`` tells it from all others of the bot."""

    event: str
    key: str
    body: dict[str, Any]


def webhooks_of(form: Form, event: Event, facts: BotFacts) -> list[Webhook]:
    """The webhooks that ``event`` calls for, in order; ``facts`` are what is known of the bot when it is taken."""
    make = _MAKERS[form]
    return make(event, facts)


def is_deletion(event: Event) -> bool:
    """Whether ``event`` says that data of a bot was deleted: then nothing else may know of the bot any more."""
    name = str(event["event"])
    return name == DELETION or name.endswith(_DELETED)


def deletion_webhooks(form: Form, event: Event) -> list[Webhook]:
    """The webhooks of a deletion, made of the event alone.

    The event is MeetStream's DELETION, or one of Recall.ai's for the recording and each artifact (``recording.deleted``), whose
    metadata are its ``artifact_metadata``, and those of its bot its ``custom_attributes``.
    """
    name, bot_id, at = str(event["event"]), str(event["bot_id"]), str(event["updated_at"])
    if form == "recall":
        if name == DELETION:
            return []
        status = {"code": "deleted", "sub_code": None, "updated_at": at}
        kind = name.removesuffix(_DELETED)
        metadata = event.get("custom_attributes") or {}
        return [_artifact(kind, bot_id, metadata, status, event.get("artifact_metadata") or {})]
    if name not in {DELETION, f"{RECORDING}{_DELETED}"}:
        return []
    # The vendor's has no custom_attributes.
    body = {
        "event": DELETION,
        "bot_event": DELETION,
        "bot_id": bot_id,
        "message": event.get("message", "All data of the bot was deleted"),
        "status_code": 200,
        "timestamp": at,
    }
    return [Webhook(event=DELETION, key=DELETION, body=body)]


def _meetstream(event: Event, facts: BotFacts) -> list[Webhook]:
    if event["event"] == RESULT:
        return _meetstream_result(event, facts)
    if event["event"] == AUDIO:
        return _meetstream_audio(event, facts)
    if event["event"] == VIDEO:
        return [_meetstream_body(VIDEO, event, facts)]
    if (change := _change(event)) is not None:
        return _meetstream_change(change, facts)
    if (of_endpoint := _endpoint_change(event)) is not None:
        return [_meetstream_endpoint(of_endpoint, event, facts)]
    name = str(event["event"])
    body = _meetstream_body(name, event, facts)
    return [msgspec.structs.replace(body, key=f"{name}@{event.get('idempotency_key')}")]


def _meetstream_result(event: Event, facts: BotFacts) -> list[Webhook]:
    webhooks = [webhook for change in facts.history for webhook in _meetstream_change(change, facts)]
    if facts.status is not None:
        webhooks += [
            _meetstream_endpoint(each, endpoint_event(facts.status, each, {}), facts)
            for each in facts.endpoint_changes
        ]
    webhooks += _meetstream_end(event["reason"], event["updated_at"], facts)
    # A bot that was given up may get its audio later.
    if facts.has_audio and facts.status is not None:
        if event.get("audio_streams") is None:
            nothing: Event = {**event, "message": "Nothing was recorded", "status_code": 200}
            skipped = ("manifest.skipped", "audio.skipped")
            webhooks += [_meetstream_body(name, nothing, facts) for name in skipped]
        else:
            webhooks += _meetstream_audio(audio_event(facts.status, {}), facts)
            if facts.job.separate_video and facts.has_video:
                webhooks.append(_meetstream_body(VIDEO, video_event(facts.status, {}), facts))
    return [*webhooks, _meetstream_body("bot.done", event, facts)]


def _meetstream_audio(event: Event, facts: BotFacts) -> list[Webhook]:
    manifest = _meetstream_body("manifest.completed", event, facts, message="The manifest is ready")
    return [manifest, _meetstream_body(AUDIO, event, facts)]


def _meetstream_change(change: StatusChange, facts: BotFacts) -> list[Webhook]:
    state = read_state(change.state)
    if state is None or state in _LAST:
        return []
    if state is State.STOPPED:
        return _meetstream_end(change.reason, change.at, facts)
    words = STATES[state]
    event = {
        "bot_status": words.bot_status,
        "message": change.message,
        "status_code": status_code(words.bot_status),
        "updated_at": change.at,
    }
    webhook = _meetstream_body(words.event, event, facts)
    return [msgspec.structs.replace(webhook, key=f"{words.event}@{change.at}")]


def _meetstream_endpoint(change: EndpointChange, event: Event, facts: BotFacts) -> Webhook:
    """A webhook of ours, after Recall.ai's: MeetStream has none about live streams. Of the bot's own status it says nothing."""
    shown: Event = {name: event[name] for name in ("message", "status_code")}
    webhook = _meetstream_body(str(event["event"]), {**shown, "updated_at": change.at}, facts)
    return msgspec.structs.replace(webhook, key=_endpoint_key(change))


def _meetstream_end(reason: str, at: str, facts: BotFacts) -> list[Webhook]:
    known = read_reason(reason)
    if known is None:
        return []
    words = end_words(known)
    event = {
        "bot_status": words.bot_status,
        "message": words.message,
        "status_code": status_code(words.bot_status),
        "updated_at": at,
    }
    webhook = _meetstream_body("bot.stopped", event, facts)
    return [msgspec.structs.replace(webhook, body={**webhook.body, "bot_event": words.bot_event})]


def _meetstream_body(name: str, event: Event, facts: BotFacts, **changes: str) -> Webhook:
    shown: Event = {field: event[field] for field in _PUBLIC if field in event}
    body: Event = {
        "event": name,
        "bot_event": name,
        "bot_id": facts.bot_id,
        **shown,
        **changes,
        "custom_attributes": facts.metadata,
        "timestamp": event["updated_at"],
    }
    return Webhook(event=name, key=name, body=body)


def _recall(event: Event, facts: BotFacts) -> list[Webhook]:
    if event["event"] == RESULT:
        webhooks = [webhook for change in facts.history for webhook in _recall_change(change, facts)]
        webhooks += [_recall_endpoint(change, facts) for change in facts.endpoint_changes]
        return [*webhooks, *_recall_artifacts(facts, _FINISHED), _recall_end(event, facts)]
    if event["event"] in {AUDIO, VIDEO}:
        return _recall_artifacts(facts, _FINISHED)
    if event["event"] in PAUSES:
        code, at = str(event["event"]).rpartition(".")[2], event["updated_at"]
        data = {"code": code, "sub_code": None, "updated_at": at}
        webhook = _artifact(RECORDING, facts.bot_id, facts.metadata, data)
        return [msgspec.structs.replace(webhook, key=f"{webhook.key}@{at}")]
    if (of_endpoint := _endpoint_change(event)) is not None:
        return [_recall_endpoint(of_endpoint, facts)]
    change = _change(event)
    return [] if change is None else _recall_change(change, facts)


def _recall_change(change: StatusChange, facts: BotFacts) -> list[Webhook]:
    state = read_state(change.state)
    if state is None or state in _LAST:
        return []
    webhook = _recall_bot(change.code, change.sub_code, change.at, facts)
    if change.code != CALL_ENDED:
        # A bot that comes back into the call enters its states again.
        webhook = msgspec.structs.replace(webhook, key=f"{webhook.key}@{change.at}")
    webhooks = [webhook]
    if state is State.IN_CALL_RECORDING:
        webhooks += _recall_artifacts(_begun(facts, change), ("processing",))
    return webhooks


def _recall_end(result: Event, facts: BotFacts) -> Webhook:
    return _recall_bot(result["code"], result["sub_code"], result["updated_at"], facts)


def _recall_bot(code: str, sub_code: str | None, at: str, facts: BotFacts) -> Webhook:
    name = f"bot.{code}"
    body = {
        "event": name,
        "data": {
            "data": {"code": code, "sub_code": sub_code, "updated_at": at},
            "bot": {"id": facts.bot_id, "metadata": text_values(facts.metadata)},
        },
    }
    return Webhook(event=name, key=name, body=body)


def _recall_artifacts(facts: BotFacts, codes: tuple[str, ...]) -> list[Webhook]:
    """Of the recording and of what is made of it, those whose status is one of ``codes``."""
    recording = recording_document(facts, _no_url)
    if recording is None:
        return []
    documents = {RECORDING: recording}
    for kind in KINDS:
        if (document := artifact_document(facts, kind, _no_url)) is not None:
            documents[kind] = document
    return [
        _artifact(
            kind, facts.bot_id, facts.metadata, document["status"], facts.artifact_metadata.get(kind, {})
        )
        for kind, document in documents.items()
        if document["status"]["code"] in codes
    ]


def _recall_endpoint(change: EndpointChange, facts: BotFacts) -> Webhook:
    name = f"{REALTIME_ENDPOINT}.{change.code}"
    metadata = next((each.metadata for each in facts.job.live if each.number == change.number), {})
    body = {
        "event": name,
        "data": {
            "data": {"code": change.code, "sub_code": change.sub_code, "updated_at": change.at},
            REALTIME_ENDPOINT: {"id": endpoint_id(change.number, facts.bot_id), "metadata": metadata},
            "recording": {"id": related_id(RECORDING, facts.bot_id), "metadata": {}},
            "bot": {"id": facts.bot_id, "metadata": text_values(facts.metadata)},
        },
    }
    return Webhook(event=name, key=_endpoint_key(change), body=body)


def _endpoint_key(change: EndpointChange) -> str:
    """Several endpoints enter the same states, and each does so in each attempt."""
    return f"{REALTIME_ENDPOINT}.{change.code}#{change.number}@{change.at}"


def _artifact(
    kind: str,
    bot_id: str,
    metadata: Mapping[str, Any],
    status: Mapping[str, Any],
    noted: Mapping[str, Any] = MappingProxyType({}),
) -> Webhook:
    """``metadata`` are the bot's, ``noted`` the artifact's own."""
    name = f"{kind}.{status['code']}"
    own: Event = {}
    if kind != RECORDING:
        own = {kind: {"id": related_id(kind, bot_id), "metadata": text_values(noted)}}
    body = {
        "event": name,
        "data": {
            "data": dict(status),
            **own,
            "recording": {"id": related_id(RECORDING, bot_id), "metadata": {}},
            "bot": {"id": bot_id, "metadata": text_values(metadata)},
        },
    }
    return Webhook(event=name, key=name, body=body)


def _begun(facts: BotFacts, change: StatusChange) -> BotFacts:
    """``facts`` when recording began: bot.json may be written after the event, or be read much later."""
    status = facts.status or BotStatus(
        bot_id=facts.bot_id,
        state=change.state,
        reason=change.reason,
        bot_status=change.bot_status,
        code=change.code,
        sub_code=change.sub_code,
        message=change.message,
        attempt=change.attempt,
        sequence=0,
        updated_at=change.at,
    )
    then = msgspec.structs.replace(
        status, state=change.state, updated_at=change.at, history=[change], audio_status="in_progress"
    )
    return msgspec.structs.replace(facts, status=then, manifest=None)


def _change(event: Event) -> StatusChange | None:
    """The change of state that ``event`` reports; None for another event."""
    if not str(event["event"]).startswith("bot."):
        return None
    try:
        return msgspec.convert({**event, "at": event.get("updated_at")}, StatusChange)
    except msgspec.ValidationError:
        return None


def _endpoint_change(event: Event) -> EndpointChange | None:
    """The change of an endpoint of live streams that ``event`` reports; None for another event."""
    if not str(event["event"]).startswith(f"{REALTIME_ENDPOINT}."):
        return None
    return msgspec.convert(event.get("endpoint"), EndpointChange)


def _no_url(_: str) -> str:
    return ""


_MAKERS: Final[Mapping[Form, Callable[[Event, BotFacts], list[Webhook]]]] = MappingProxyType(
    {"meetstream": _meetstream, "recall": _recall}
)
