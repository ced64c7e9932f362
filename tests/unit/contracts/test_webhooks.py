from __future__ import annotations

from typing import Any, Final

import msgspec
import pytest

from tests.support.sample_manifests import meeting
from worker.contracts.bot_facts import BotFacts, endpoint_id, related_id
from worker.contracts.meetstream import read_meetstream
from worker.contracts.recall import read_recall
from worker.contracts.status import (
    BotStatus,
    EndpointChange,
    audio_event,
    bot_status,
    delayed_event,
    endpoint_event,
    state_event,
    video_event,
    with_change,
)
from worker.contracts.vendor_words import status_code, words
from worker.contracts.webhooks import (
    Event,
    Form,
    Webhook,
    deletion_webhooks,
    is_deletion,
    webhooks_of,
)
from worker.manifest.schema import Manifest
from worker.reasons import Reason
from worker.states import State

NOW = 1_790_000_000.0
BOT = "0b7e5b5e-54e0-4b1b-8c44-b7a2d1c1a111"
LINK = "https://meet.google.com/abc-defg-hij"
TO_RECORDING = (State.JOINING, State.WAITING_ROOM, State.IN_CALL_NOT_RECORDING, State.IN_CALL_RECORDING)


class Visit:
    """A bot's worker: what it reports, and what is in the store then. ``events`` are as they were sent."""

    def __init__(self, form: Form = "recall", **config: Any) -> None:
        body: dict[str, Any] = {"bot_id": BOT}
        if form == "recall":
            body |= {"meeting_url": LINK, "metadata": {"customer": "7", "tags": ["a"]}, **config}
            self.job = read_recall(body, lambda: BOT)
        else:
            body |= {"meeting_link": LINK, "custom_attributes": {"customer": 7}, **config}
            self.job = read_meetstream(body, lambda: BOT)
        self.form = form
        self.status: BotStatus | None = None
        self.manifest: Manifest | None = None
        self.count = 0
        self.events: list[Event] = []
        self.made: list[Webhook] = []

    @property
    def facts(self) -> BotFacts:
        return BotFacts(
            job=self.job,
            created_at=NOW,
            is_dispatched=True,
            status=self.status,
            manifest=self.manifest,
            artifact_metadata={"video_separate": {"noted": "yes"}},
        )

    def send(self, event: Event) -> None:
        self.events.append(event)
        self.made += webhooks_of(self.form, event, self.facts)

    def enter(self, *states: State, reason: Reason | None = None) -> Visit:
        for state in states:
            self.count += 1
            names = words(state, reason, self.job.platform)
            entered = bot_status(self.job, state, reason, names, 1, 1000 + self.count, NOW + self.count)
            status = with_change(entered, self.status.history if self.status else [])
            audio = self.status.audio_status if self.status else status.audio_status
            endpoints = self.status.realtime_endpoints if self.status else []
            at_first = "in_progress" if self.job.separate_video else None
            video = at_first if self.status is None else self.status.video_status
            status = msgspec.structs.replace(
                status, audio_status=audio, video_status=video, realtime_endpoints=endpoints
            )
            # bot.json is written after the event was sent.
            self.send(state_event(status, names.event, self.job.custom_attributes))
            self.status = status
        return self

    def record(self) -> Visit:
        assert self.status is not None
        self.manifest = meeting(2, 60.0)
        recording = msgspec.structs.replace(self.manifest.recording, mixed_audio="audio.wav")
        self.manifest = msgspec.structs.replace(self.manifest, recording=recording)
        self.status = msgspec.structs.replace(self.status, audio_status="Success")
        self.send(audio_event(self.status, self.job.custom_attributes))
        return self

    def show(self, video_status: str = "Success", *, is_sent: bool = True) -> Visit:
        """Publishes the videos; the worker is lost before it sends the event where it is not ``is_sent``."""
        assert self.status is not None
        assert self.manifest is not None
        self.manifest = msgspec.structs.replace(self.manifest, video_streams=[])
        self.status = msgspec.structs.replace(self.status, video_status=video_status)
        if is_sent:
            self.send(video_event(self.status, self.job.custom_attributes))
        return self

    def end(self, state: State, reason: Reason) -> Visit:
        assert self.status is not None
        if self.manifest is None:
            self.status = msgspec.structs.replace(self.status, audio_status="Success")
        self.enter(state, reason=reason)
        names = words(state, reason, self.job.platform)
        self.send(
            {
                "event": "bot.result",
                "bot_id": BOT,
                "state": str(state),
                "reason": str(reason),
                "bot_status": names.bot_status,
                "status_code": status_code(names.bot_status),
                "code": names.code,
                "sub_code": names.sub_code,
                "message": names.message,
                "audio_streams": None if self.manifest is None else "bots/b/audio_streams.json",
                "updated_at": "2026-01-01T00:00:00.000Z",
                "attempt": 1,
                "sequence": 1099,
                "idempotency_key": f"{BOT}-result",
            }
        )
        return self

    @property
    def once(self) -> list[Webhook]:
        """As they are delivered: each key once."""
        first: dict[str, Webhook] = {}
        for webhook in self.made:
            first.setdefault(webhook.key, webhook)
        return list(first.values())

    @property
    def names(self) -> list[str]:
        return [webhook.event for webhook in self.once]


def recorded(form: Form, *, reason: Reason = Reason.MEETING_ENDED, **config: Any) -> Visit:
    visit = Visit(form, **config).enter(*TO_RECORDING)
    visit.enter(State.LEAVING, State.STOPPED, reason=reason)
    return visit.record().end(State.DONE, reason)


SEPARATE: dict[str, Any] = {"recording_config": {"audio_separate_raw": {}}}

RECALL_ORDER = [
    "bot.joining_call",
    "bot.in_waiting_room",
    "bot.in_call_not_recording",
    "bot.in_call_recording",
    "recording.processing",
    "audio_separate.processing",
    "audio_mixed.processing",
    "participant_events.processing",
    "meeting_metadata.processing",
    "bot.call_ended",
    "recording.done",
    "audio_separate.done",
    "audio_mixed.done",
    "participant_events.done",
    "meeting_metadata.done",
    "bot.done",
]

MEETSTREAM_ORDER = [
    "bot.joining",
    "bot.in_waiting_room",
    "bot.inmeeting",
    "bot.recording",
    "bot.leaving",
    "bot.stopped",
    "manifest.completed",
    "audio.processed",
    "bot.done",
]


def test_recalls_order_and_bodies() -> None:
    visit = recorded("recall", **SEPARATE)
    assert visit.names == RECALL_ORDER
    bodies = {webhook.event: webhook.body for webhook in visit.once}
    bot = {"id": BOT, "metadata": {"customer": "7", "tags": '["a"]'}}
    assert bodies["bot.call_ended"] == {
        "event": "bot.call_ended",
        "data": {
            "data": {
                "code": "call_ended",
                "sub_code": "call_ended_by_host",
                "updated_at": "2026-09-21T14:13:25.000Z",
            },
            "bot": bot,
        },
    }
    recording: Event = {"id": related_id("recording", BOT), "metadata": {}}
    done = bodies["audio_separate.done"]["data"]
    assert done == {
        "data": {"code": "done", "sub_code": None, "updated_at": done["data"]["updated_at"]},
        "audio_separate": {"id": related_id("audio_separate", BOT), "metadata": {}},
        "recording": recording,
        "bot": bot,
    }
    assert set(bodies["recording.done"]["data"]) == {"data", "recording", "bot"}
    assert bodies["bot.done"]["data"]["data"]["code"] == "done"


VIDEO_BODIES: Final[dict[Form, dict[str, Any]]] = {
    "recall": {"recording_config": {"video_separate_mp4": {}}},
    "meetstream": {"video_separate_streams": True},
}


def with_video(form: Form, video_status: str = "Success", *, is_sent: bool = True) -> Visit:
    visit = Visit(form, **VIDEO_BODIES[form]).enter(*TO_RECORDING)
    visit.enter(State.LEAVING, State.STOPPED, reason=Reason.MEETING_ENDED).record()
    visit.show(video_status, is_sent=is_sent)
    return visit.end(State.DONE, Reason.MEETING_ENDED)


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize(("video_status", "code"), [("Success", "done"), ("Failed", "failed")])
def test_recalls_video_is_done_after_the_other_artifacts(
    video_status: str, code: str, *, is_sent: bool
) -> None:
    visit = with_video("recall", video_status, is_sent=is_sent)
    names = visit.names
    assert [name for name in names if name.startswith("video")] == [
        "video_separate.processing",
        f"video_separate.{code}",
    ]
    assert names.index("recording.done") < names.index(f"video_separate.{code}") < names.index("bot.done")
    (end,) = (each.body["data"] for each in visit.once if each.event == f"video_separate.{code}")
    assert (end["data"]["code"], end["video_separate"]) == (
        code,
        {"id": related_id("video_separate", BOT), "metadata": {"noted": "yes"}},
    )


@pytest.mark.parametrize("is_sent", [True, False])
@pytest.mark.parametrize(("video_status", "code"), [("Success", 200), ("Failed", 500)])
def test_meetstreams_video_is_processed_between_audio_and_the_end(
    video_status: str, code: int, *, is_sent: bool
) -> None:
    visit = with_video("meetstream", video_status, is_sent=is_sent)
    assert visit.names[-3:] == ["audio.processed", "video.processed", "bot.done"]
    (body,) = (each.body for each in visit.once if each.event == "video.processed")
    assert (body["video_status"], body["status_code"]) == (video_status, code)


@pytest.mark.parametrize("form", ["recall", "meetstream"])
def test_video_that_was_not_asked_for_has_no_webhooks(form: Form) -> None:
    assert not [name for name in recorded(form).names if name.startswith("video")]


def test_an_artifact_that_was_not_asked_for_has_no_webhooks() -> None:
    names = recorded("recall", recording_config={"participant_events": None}).names
    assert not [name for name in names if name.startswith(("audio_separate", "participant_events"))]


def test_meetstreams_order_and_bodies() -> None:
    visit = recorded("meetstream")
    assert visit.names == MEETSTREAM_ORDER
    for webhook in visit.once:
        body = webhook.body
        assert body["event"] == webhook.event
        assert body["bot_id"] == BOT
        assert body["custom_attributes"] == {"customer": 7}
        assert body["status_code"] == 200
        assert set(body) >= {"event", "bot_event", "bot_id", "message", "status_code", "timestamp"}
    bodies = {webhook.event: webhook.body for webhook in visit.once}
    assert bodies["audio.processed"]["audio_status"] == "Success"
    assert bodies["audio.processed"]["status"] == "success"
    assert (bodies["bot.stopped"]["bot_event"], bodies["bot.stopped"]["bot_status"]) == (
        "bot.stopped",
        "Stopped",
    )
    assert bodies["bot.done"]["bot_status"] == "Done"


@pytest.mark.parametrize(
    ("reason", "bot_event", "bot_status_", "code"),
    [
        (Reason.DENIED_BY_HOST, "bot.denied", "Denied", 500),
        (Reason.WAITING_ROOM_TIMEOUT, "bot.notallowed", "NotAllowed", 500),
        (Reason.BROWSER_DIED, "bot.failed", "Error", 500),
        (Reason.INTERRUPTED, "bot.stopped", "Stopped", 200),
    ],
)
def test_the_one_end_of_a_visit_says_why(reason: Reason, bot_event: str, bot_status_: str, code: int) -> None:
    visit = Visit("meetstream").enter(State.JOINING, State.WAITING_ROOM)
    visit.enter(State.LEAVING, State.STOPPED, reason=reason).end(State.FATAL, reason)
    ends = [each for each in visit.once if each.event == "bot.stopped"]
    assert len(ends) == 1
    body = ends[0].body
    assert (body["bot_event"], body["bot_status"], body["status_code"]) == (bot_event, bot_status_, code)
    assert visit.names[-4:] == ["bot.stopped", "manifest.skipped", "audio.skipped", "bot.done"]


def test_a_removed_bot_leaves_and_was_kicked() -> None:
    visit = recorded("meetstream", reason=Reason.REMOVED)
    assert visit.names == MEETSTREAM_ORDER
    assert visit.once[5].body["bot_event"] == "bot.kicked"


@pytest.mark.parametrize(
    ("reason", "last"),
    [
        (Reason.DENIED_BY_HOST, "bot.done"),
        (Reason.BROWSER_DIED, "bot.fatal"),
        (Reason.INTERRUPTED, "bot.done"),
    ],
)
def test_recalls_end_without_a_recording(reason: Reason, last: str) -> None:
    visit = Visit().enter(State.JOINING, State.WAITING_ROOM)
    visit.enter(State.LEAVING, State.STOPPED, reason=reason).end(State.FATAL, reason)
    assert visit.names == ["bot.joining_call", "bot.in_waiting_room", "bot.call_ended", last]


def test_a_recording_of_which_nothing_is_left_failed() -> None:
    visit = Visit(**SEPARATE).enter(*TO_RECORDING)
    visit.enter(State.LEAVING, State.STOPPED, reason=Reason.TAPE_FAILED).end(State.FATAL, Reason.TAPE_FAILED)
    assert visit.names[-4:-1] == [
        "audio_mixed.failed",
        "participant_events.failed",
        "meeting_metadata.failed",
    ]
    assert "recording.failed" in visit.names
    assert visit.names[-1] == "bot.fatal"


@pytest.mark.parametrize("form", ["recall", "meetstream"])
def test_the_result_gives_what_lost_events_would_have_given(form: Form) -> None:
    config = SEPARATE if form == "recall" else {}
    whole = recorded(form, **config)
    result = whole.events[-1]
    alone = Visit(form)
    alone.made = webhooks_of(form, result, whole.facts)
    assert [webhook.key for webhook in alone.once] == [webhook.key for webhook in whole.once]
    bodies = {webhook.key: webhook.body for webhook in whole.once}
    for webhook in alone.once:
        if webhook.event.startswith("bot."):
            assert webhook.body == bodies[webhook.key]


def test_a_bot_that_comes_back_says_so_and_has_one_recording() -> None:
    visit = Visit().enter(*TO_RECORDING).enter(*TO_RECORDING)
    assert visit.names.count("bot.joining_call") == 2
    assert visit.names.count("recording.processing") == 1
    again = webhooks_of("recall", visit.events[0], visit.facts)
    assert again[0].key == visit.made[0].key, "the same event again is the same webhook"


def test_a_pause_is_told_in_recalls_words() -> None:
    visit = Visit().enter(*TO_RECORDING)
    for code in ("paused", "processing"):
        # As a change of state, but for its name.
        event = {**visit.events[-1], "event": f"recording.{code}", "code": code}
        (webhook,) = webhooks_of("recall", event, visit.facts)
        assert (webhook.event, webhook.body["data"]["data"]["code"]) == (f"recording.{code}", code)
        assert set(webhook.body["data"]) == {"data", "recording", "bot"}
        assert webhook.key not in {each.key for each in visit.once}


ENDPOINTS: dict[str, Any] = {
    "recording_config": {
        "realtime_endpoints": [
            {
                "type": "webhook",
                "url": f"https://live.example/{number}",
                "events": ["participant_events.join"],
                "metadata": {"shard": str(number)},
            }
            for number in range(2)
        ]
    }
}


def with_endpoints(form: Form) -> Visit:
    """In the call, where endpoint 0 was reached in each of two attempts, and 1 failed."""
    visit = Visit(form, **ENDPOINTS).enter(*TO_RECORDING)
    for seconds, number, code in ((1, 0, "running"), (2, 1, "failed"), (3, 0, "running"), (4, 0, "done")):
        assert visit.status is not None
        change = EndpointChange(
            number=number,
            code=code,
            sub_code=None,
            message="refused" if code == "failed" else "",
            attempt=1,
            at=f"2026-09-21T14:14:0{seconds}.000Z",
        )
        changes = [*visit.status.realtime_endpoints, change]
        visit.status = msgspec.structs.replace(
            visit.status, realtime_endpoints=changes, sequence=visit.status.sequence + 1, updated_at=change.at
        )
        visit.send(endpoint_event(visit.status, change, visit.job.custom_attributes))
    return visit


def test_states_of_endpoints_are_told_in_recalls_words() -> None:
    visit = with_endpoints("recall")
    told = [each for each in visit.once if each.event.startswith("realtime_endpoint.")]
    assert [(each.event, each.body["data"]["realtime_endpoint"]["metadata"]) for each in told] == [
        ("realtime_endpoint.running", {"shard": "0"}),
        ("realtime_endpoint.failed", {"shard": "1"}),
        ("realtime_endpoint.running", {"shard": "0"}),
        ("realtime_endpoint.done", {"shard": "0"}),
    ]
    assert told[1].body == {
        "event": "realtime_endpoint.failed",
        "data": {
            "data": {"code": "failed", "sub_code": None, "updated_at": "2026-09-21T14:14:02.000Z"},
            "realtime_endpoint": {"id": endpoint_id(1, BOT), "metadata": {"shard": "1"}},
            "recording": {"id": related_id("recording", BOT), "metadata": {}},
            "bot": {"id": BOT, "metadata": {"customer": "7", "tags": '["a"]'}},
        },
    }


def test_states_of_endpoints_reach_meetstreams_receivers() -> None:
    told = [each for each in with_endpoints("meetstream").once if each.event == "realtime_endpoint.failed"]
    assert [(each.body["message"], each.body["status_code"]) for each in told] == [
        ("Live streams to endpoint 1: failed (refused)", 500)
    ]


@pytest.mark.parametrize("form", ["recall", "meetstream"])
def test_the_result_gives_the_states_of_endpoints_whose_events_were_lost(form: Form) -> None:
    visit = with_endpoints(form)
    visit.enter(State.LEAVING, State.STOPPED, reason=Reason.MEETING_ENDED)
    visit.record().end(State.DONE, Reason.MEETING_ENDED)
    again = webhooks_of(form, visit.events[-1], visit.facts)
    told = [each for each in visit.once if each.event.startswith("realtime_endpoint.")]
    repeated = [each for each in again if each.event.startswith("realtime_endpoint.")]
    assert repeated == told


def test_other_events_reach_meetstreams_receivers_only() -> None:
    visit = Visit("meetstream")
    event = delayed_event(visit.job, "no node", 30.0, "m1", NOW)
    (webhook,) = webhooks_of("meetstream", event, visit.facts)
    assert (webhook.body["event"], webhook.body["bot_event"]) == ("bot.delayed", "bot.delayed")
    assert webhook.body["retry_at"]
    assert webhooks_of("recall", event, visit.facts) == []


def deleted(name: str, **fields: Any) -> Event:
    return {
        "event": name,
        "bot_id": BOT,
        "workspace": "anna",
        "message": "All data of the bot was deleted",
        "updated_at": "2026-01-01T00:00:00.000Z",
        **fields,
    }


def test_a_deletion_is_told_from_the_event_alone() -> None:
    event = deleted("audio_separate.deleted", custom_attributes={"a": "b"}, artifact_metadata={"c": "d"})
    (webhook,) = deletion_webhooks("recall", event)
    assert webhook.body == {
        "event": "audio_separate.deleted",
        "data": {
            "data": {"code": "deleted", "sub_code": None, "updated_at": "2026-01-01T00:00:00.000Z"},
            "audio_separate": {"id": related_id("audio_separate", BOT), "metadata": {"c": "d"}},
            "recording": {"id": related_id("recording", BOT), "metadata": {}},
            "bot": {"id": BOT, "metadata": {"a": "b"}},
        },
    }
    (webhook,) = deletion_webhooks("meetstream", deleted("data_deletion", custom_attributes={"a": "b"}))
    assert webhook.body == {
        "event": "data_deletion",
        "bot_event": "data_deletion",
        "bot_id": BOT,
        "message": "All data of the bot was deleted",
        "status_code": 200,
        "timestamp": "2026-01-01T00:00:00.000Z",
    }


def test_one_deletion_is_told_once_in_each_form() -> None:
    names = ("recording.deleted", "audio_mixed.deleted", "participant_events.deleted")
    made = [each for name in names for each in deletion_webhooks("meetstream", deleted(name))]
    assert [each.event for each in made] == ["data_deletion"]
    assert all(is_deletion(deleted(name)) for name in (*names, "data_deletion"))
    assert not is_deletion({"event": "bot.done"})
