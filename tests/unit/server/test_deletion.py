from __future__ import annotations

import asyncio
import threading
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.support.api import KEY, MEETING, Api
from tests.support.memory_store import MemoryStore
from worker.contracts.meetstream import read_meetstream
from worker.contracts.recall import read_recall
from worker.contracts.status import AUDIO_IN_PROGRESS, AUDIO_SUCCESS, VIDEO_IN_PROGRESS, Result
from worker.delivery.fenced_store import FencedStore
from worker.delivery.folder_store import FolderStore
from worker.delivery.lease import Lease, LeaseLostError, LeaseRecord
from worker.jobs.bot_claim import claim_bot
from worker.jobs.reporter import read_status
from worker.jobs.result_file import read_result
from worker.reasons import Reason
from worker.server.bots import BotBusyError
from worker.server.command_box import tell_to_leave
from worker.server.creation import Request, create_once
from worker.server.deletion import CLAIM, LATER, UnfinishedDeletionError
from worker.server.errors import ApiError
from worker.server.records import QUEUE_KEEPS, BotRecord
from worker.states import State

OTHER_MEETING = "https://meet.google.com/xyz-xyzx-xyz"
HOUR = 3600.0
DAY = 24 * HOUR


def meetstream(api: Api, **fields: object) -> str:
    body = {"meeting_link": MEETING, "audio_separate_streams": True, **fields}
    return api.bots.create("anna", read_meetstream(body, lambda: str(uuid.uuid4()))).bot_id


def recall(api: Api, **config: object) -> str:
    body = {
        "meeting_url": MEETING,
        "metadata": {"team": "a"},
        "recording_config": {"audio_separate_raw": {}, **config},
    }
    return api.bots.create("anna", read_recall(body, lambda: str(uuid.uuid4()))).bot_id


def record_of(api: Api, bot_id: str) -> BotRecord:
    record = api.bots.find("anna", bot_id)
    assert record is not None
    return record


def keys_with(api: Api, bot_id: str) -> list[str]:
    return [each.key for each in api.store.list("") if bot_id in each.key]


def left_behind(api: Api, bot_id: str) -> None:
    """Writes what all parts of the service may write of a bot below its folder."""
    folder = api.bots.keys_of(bot_id).folder
    for name in (
        "attempts/0001/tape/part-000000.mcap",
        "attempts/0001/failure/screenshot.png",
        "attempts/0002/files/streams/anna.webm",
        "commands/1.json",
        "derived/anna.mp3",
        "what/a/later/version/writes",
    ):
        api.store.put(f"{folder}{name}", b"x", content_type="text/plain")


@pytest.mark.parametrize(
    ("given", "hours"),
    [
        (None, 720.0),
        ({"type": "timed", "hours": 2}, 2.0),
        ({"hours": 3}, 3.0),
        ({"type": "timed"}, 720.0),
        ({"type": "forever"}, None),
    ],
)
def test_meetstreams_retention_counts_from_the_bots_end(api: Api, given: object, hours: float | None) -> None:
    check_retention(api, meetstream(api, recording_config={"retention": given}), hours)


@pytest.mark.parametrize(
    ("given", "hours"),
    [(None, 168.0), ({"type": "timed", "hours": 2}, 2.0), ({"type": "forever"}, None)],
)
def test_recalls_retention_counts_from_the_bots_end(api: Api, given: object, hours: float | None) -> None:
    check_retention(api, recall(api, retention=given), hours)


def check_retention(api: Api, bot_id: str, hours: float | None) -> None:
    begun = api.now
    api.now += HOUR
    assert api.deletions.look() == 0
    api.record(bot_id)
    left_behind(api, bot_id)
    ended = api.now + 7
    facts = api.bots.facts("anna", bot_id)
    assert facts is not None
    assert facts.expires_at == (None if hours is None else ended + hours * HOUR)
    before = keys_with(api, bot_id)
    for moment in (ended, begun + (hours or 0) * HOUR, ended + (hours or 10_000) * HOUR - 1):
        api.now = moment
        assert api.deletions.look() == 0
        assert len(keys_with(api, bot_id)) == len(before)
    if hours is not None:
        assert [each.key for each in api.store.list("expiring/")] == [
            api.bots.keys.expiring_entry(bot_id, ended + hours * HOUR)
        ]
    api.now += 1
    assert api.deletions.look() == (0 if hours is None else 1)
    if hours is None:
        assert keys_with(api, bot_id) == before
        return
    record = record_of(api, bot_id)
    assert keys_with(api, bot_id) == sorted([api.bots.keys.record(bot_id), api.bots.keys.entry(record)])
    assert api.deletions.look() == 0


def test_a_bot_that_is_still_at_work_is_looked_at_again_and_not_deleted(api: Api) -> None:
    bot_id = meetstream(api, recording_config={"retention": {"hours": 1}})
    api.enter(bot_id, State.JOINING, State.IN_CALL_RECORDING)
    for _ in range(5):
        api.now += LATER + HOUR
        assert api.deletions.look() == 0
        assert [each.key for each in api.store.list("expiring/")] == [
            api.bots.keys.expiring_entry(bot_id, api.now + LATER)
        ]
    api.record(bot_id)
    api.now += DAY
    assert api.deletions.look() == 1


def test_a_deletion_is_reported_in_each_vendors_words(api: Api) -> None:
    meet, other = meetstream(api, custom_attributes={"deal": "7"}), recall(api)
    for bot_id in (meet, other):
        api.record(bot_id)
    api.deletions.forget(record_of(api, meet))
    (event,) = api.events.sent
    assert event["event"] == "data_deletion"
    assert (event["bot_id"], event["workspace"], event["status_code"]) == (meet, "anna", 200)
    assert "custom_attributes" not in event
    api.events.sent.clear()
    api.deletions.delete_media(record_of(api, other))
    assert [event["event"] for event in api.events.sent] == [
        "recording.deleted",
        "audio_separate.deleted",
        "audio_mixed.deleted",
        "participant_events.deleted",
        "meeting_metadata.deleted",
    ]
    assert {(event["code"], event["custom_attributes"]["team"]) for event in api.events.sent} == {
        ("deleted", "a")
    }
    assert len({event["idempotency_key"] for event in api.events.sent}) == 5
    sequences = [event["sequence"] for event in api.events.sent]
    assert sequences == sorted(set(sequences))
    assert sequences[0] > api_status(api, other).sequence


def api_status(api: Api, bot_id: str) -> Any:
    facts = api.bots.facts("anna", bot_id)
    assert facts is not None
    assert facts.status is not None
    return facts.status


def test_nothing_leads_to_a_forgotten_bot(api: Api) -> None:
    body = {"meeting_link": MEETING, "deduplication_key": "one"}
    job = read_meetstream(body, lambda: str(uuid.uuid4()))
    request = Request(
        workspace="anna", path="/p", key="k", kept=DAY, body=b"{}", job=job, deduplication="one"
    )
    create_once(api.bots, request, api.now)
    assert len([each for each in api.store.list("workspaces/anna/") if "/bots/" not in each.key]) == 2
    api.record(job.bot_id)
    left_behind(api, job.bot_id)
    api.deletions.forget(record_of(api, job.bot_id))
    assert api.store.list("") == []


def test_a_key_that_another_bot_has_by_now_stays(api: Api) -> None:
    job = read_meetstream({"meeting_link": MEETING}, lambda: str(uuid.uuid4()))
    request = Request(workspace="anna", path="/p", key="k", kept=HOUR, body=b"{}", job=job)
    create_once(api.bots, request, api.now)
    api.record(job.bot_id)
    api.now += 2 * HOUR
    other = read_meetstream({"meeting_link": MEETING}, lambda: str(uuid.uuid4()))
    create_once(api.bots, request._replace(job=other), api.now)
    api.deletions.forget(record_of(api, job.bot_id))
    reference = api.bots.reference(api.bots.keys.idempotency("anna", "/p", "k"))
    assert reference is not None
    assert reference.bot_id == other.bot_id


@pytest.mark.parametrize("begun", [False, True])
def test_a_bot_at_work_is_not_deleted(api: Api, begun: bool) -> None:
    bot_id = meetstream(api)
    if begun:
        api.enter(bot_id, State.JOINING)
    else:
        api.store.put(
            api.bots.keys_of(bot_id).lease,
            msgspec.json.encode(LeaseRecord(owner="worker", attempt=1, expires_at=api.now + 30)),
            content_type="application/json",
        )
    before = keys_with(api, bot_id)
    for delete in (api.deletions.delete_media, api.deletions.forget):
        with pytest.raises(BotBusyError):
            delete(record_of(api, bot_id))
    assert set(keys_with(api, bot_id)) >= set(before)
    assert api.events.sent == []


@pytest.mark.parametrize(
    ("audio_status", "video_status"),
    [(AUDIO_SUCCESS, None), (AUDIO_IN_PROGRESS, None), (AUDIO_SUCCESS, VIDEO_IN_PROGRESS)],
)
def test_a_bot_whose_end_was_reported_is_not_deleted_while_its_worker_recovers_audio(
    api: Api, audio_status: str, video_status: str | None
) -> None:
    bot_id = meetstream(api)
    keys = api.bots.keys_of(bot_id)
    lease = Lease.acquire(api.store, keys.lease, "worker", api.now, 30.0, time.monotonic)
    fenced = FencedStore(api.store, lambda: lease.may_speak(api.now))
    ended(api, bot_id, audio_status, video_status)
    for delete in (api.deletions.delete_media, api.deletions.forget):
        with pytest.raises(BotBusyError):
            delete(record_of(api, bot_id))
    api.now += 1000 * DAY
    lease.renew(api.now)
    assert api.deletions.look() == 0
    assert [each.key for each in api.store.list("expiring/")] == [
        api.bots.keys.expiring_entry(bot_id, api.now + LATER)
    ]
    fenced.put(keys.attempt(1).file("streams/anna.webm"), b"voice", content_type="audio/webm")
    ended(api, bot_id, AUDIO_SUCCESS)
    lease.release(api.now)
    api.deletions.forget(record_of(api, bot_id))
    assert api.store.list("") == []


@pytest.mark.parametrize("by", ["forget", "look"])
@pytest.mark.parametrize("lease", [b'{"owner":"w","attempt":1,"expires_at":0}', b"{"])
@pytest.mark.parametrize("waits_for", [(AUDIO_IN_PROGRESS, None), (AUDIO_SUCCESS, VIDEO_IN_PROGRESS)])
def test_a_bot_whose_worker_died_after_its_end_was_reported_is_deleted(
    api: Api, by: str, lease: bytes, waits_for: tuple[str, str | None]
) -> None:
    bot_id = meetstream(api)
    keys = api.bots.keys_of(bot_id)
    ended(api, bot_id, *waits_for)
    api.store.put(keys.lease, lease, content_type="application/json")
    with pytest.raises(BotBusyError):
        api.deletions.forget(record_of(api, bot_id))
    api.now += 1000 * DAY
    if by == "look":
        assert api.deletions.look() == 1
        assert api.store.list(f"{keys.folder}lease") == []
    else:
        api.deletions.forget(record_of(api, bot_id))
        assert api.store.list("") == []


def test_nothing_of_a_deleted_bot_is_written_by_a_worker_that_had_lost_its_lease(api: Api) -> None:
    bot_id = meetstream(api)
    keys = api.bots.keys_of(bot_id)
    steady = [0.0]
    lease = Lease.acquire(api.store, keys.lease, "worker", api.now, -2.0, lambda: steady[0])
    fenced = FencedStore(api.store, lambda: lease.may_speak(api.now))
    ended(api, bot_id, AUDIO_SUCCESS)
    api.deletions.forget(record_of(api, bot_id))
    with pytest.raises(LeaseLostError):
        fenced.put(keys.attempt(1).file("streams/anna.webm"), b"voice", content_type="audio/webm")
    assert api.store.list("") == []


def ended(api: Api, bot_id: str, audio_status: str, video_status: str | None = None) -> None:
    """Writes bot.json as of a bot that was given up, which is reported before its audio is recovered."""
    states = State.JOINING, State.IN_CALL_RECORDING, State.FATAL
    api.enter(
        bot_id,
        *states,
        reason=Reason.TOO_MANY_ATTEMPTS,
        reported=True,
        audio_status=audio_status,
        video_status=video_status,
    )


def test_a_worker_that_still_receives_the_job_of_a_deleted_bot_does_not_begin_it(api: Api) -> None:
    bot_id = meetstream(api, meeting_link=OTHER_MEETING, custom_attributes={"secret": "x"})
    (job,) = api.desk.jobs
    api.deletions.forget(record_of(api, bot_id))
    assert api.bots.find("anna", bot_id) is None
    keys = api.bots.keys_of(bot_id)
    claim_bot(api.store, keys, job)
    result = read_result(api.store, keys)
    assert isinstance(result, Result)
    assert result.custom_attributes == {}
    left = b"".join(api.store.get(each.key).data for each in api.store.list(""))
    assert b"secret" not in left
    assert OTHER_MEETING.encode() not in left
    _, status = read_status(api.store, keys)
    assert status is not None
    assert status.reported
    api.now += QUEUE_KEEPS + HOUR
    assert api.deletions.look() == 1
    assert api.store.list("") == []


def test_a_deletion_that_is_not_reported_is_not_over(api: Api) -> None:
    bot_id = meetstream(api)
    api.record(bot_id)
    api.events.is_down = True
    with pytest.raises(UnfinishedDeletionError):
        api.deletions.forget(record_of(api, bot_id))
    assert api.bots.find("anna", bot_id) is None
    api.events.is_down = False
    assert api.deletions.look() == 0, "its own server may still be at it"
    api.now += CLAIM
    assert api.deletions.look() == 1
    assert [event["event"] for event in api.events.sent] == ["data_deletion"]
    assert api.store.list("") == []


def test_deletions_wait_for_their_events_at_the_same_time(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    together = threading.Barrier(2)

    def drain(_: float) -> bool:
        together.wait(10)
        return True

    bots = [meetstream(api) for _ in range(2)]
    for bot_id in bots:
        api.record(bot_id)
    monkeypatch.setattr(api.events, "drain", drain)
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(api.deletions.forget, [record_of(api, bot_id) for bot_id in bots]))
    assert api.store.list("") == []


def test_a_deletion_whose_event_was_lost_is_not_over(api: Api, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where another deletion's call of drain() was told of it."""

    def drain(_: float) -> bool:
        api.events.lost_events += 1
        return True

    bot_id = meetstream(api)
    api.record(bot_id)
    monkeypatch.setattr(api.events, "drain", drain)
    with pytest.raises(UnfinishedDeletionError):
        api.deletions.forget(record_of(api, bot_id))
    monkeypatch.undo()
    api.now += CLAIM
    assert api.deletions.look() == 1
    assert api.store.list("") == []


class KilledError(BaseException):
    """The server is killed."""


@pytest.mark.parametrize("way", ["expired", "delete_media", "forget"])
def test_a_deletion_that_was_interrupted_is_completed_by_another_server(tmp_path: Path, way: str) -> None:
    def delete() -> None:
        if way == "expired":
            api.deletions.look()
        else:
            getattr(api.deletions, way)(record)

    def before(method: str, _: str) -> None:
        if method in {"put", "delete"}:
            writes.append(method)
            if len(writes) == last:
                raise KilledError

    store = MemoryStore()
    api = Api(tmp_path, store=store)
    # In one thread, so that a write is the last one.
    api.deletions._removers = InOneThread()  # type: ignore[assignment]
    bot_id = meetstream(api)
    api.record(bot_id)
    left_behind(api, bot_id)
    record = record_of(api, bot_id)
    expected = [] if way == "forget" else sorted([api.bots.keys.record(bot_id), api.bots.keys.entry(record)])
    writes: list[str] = []
    at_first, began = dict(store.objects), api.now + (1000 if way == "expired" else 1) * HOUR
    for last in range(1, 100):
        store.objects, writes = dict(at_first), []
        api.now = began
        api.events.sent.clear()
        store.before = before
        try:
            delete()
            was_killed = False
        except KilledError:
            was_killed = True
        store.before = lambda *_: None
        api.now += 2 * HOUR
        api.deletions.look()
        if keys_with(api, bot_id) != expected and last <= 2:
            # Killed before it was decided: the client got no answer, and asks again.
            delete()
        assert keys_with(api, bot_id) == expected, f"killed before write {last}"
        assert {event["idempotency_key"] for event in api.events.sent} == {f"{bot_id}-data_deletion"}
        if not was_killed:
            break
    assert 15 < last < 99


class InOneThread:
    map = staticmethod(map)


def test_two_servers_delete_an_expired_bot_once(api: Api) -> None:
    bot_id = meetstream(api)
    api.record(bot_id)
    api.now += 721 * HOUR
    original = api.store.put

    def race(key: str, *arguments: object, **options: object) -> str:
        api.store.put = original  # type: ignore[method-assign]
        assert api.deletions.look() == 1
        return original(key, *arguments, **options)  # type: ignore[arg-type]

    api.store.put = race  # type: ignore[method-assign]
    assert api.deletions.look() == 0
    assert [event["event"] for event in api.events.sent] == ["data_deletion"]


@pytest.mark.parametrize("broken", [b"{", b"[]", b'{"bot_id": 1}'])
def test_a_record_that_cannot_be_read_holds_up_no_other_deletion(
    api: Api, broken: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = (meetstream(api, recording_config={"retention": {"hours": hours}}) for hours in (1, 2))
    for bot_id in (first, second):
        api.record(bot_id)
    api.store.put(api.bots.keys.record(first), broken, content_type="application/json")
    api.now += 3 * HOUR
    assert api.deletions.look() + api.deletions.look() == 1
    assert f"{first} cannot be looked at for deletion" in caplog.text
    assert record_of(api, second).deletion is not None


@pytest.mark.parametrize("by", ["forget", "delete_media", "look"])
@pytest.mark.parametrize(
    "broken", ["audio_streams.json", "meeting.json", "result.json", "reference", "lease.json", "job"]
)
def test_what_cannot_be_read_is_deleted(
    api: Api, broken: str, by: str, caplog: pytest.LogCaptureFixture
) -> None:
    bot_id = meetstream(api)
    api.record(bot_id)
    folder = api.bots.keys_of(bot_id).folder
    reference = api.bots.keys.idempotency("anna", "/p", "k")
    record = record_of(api, bot_id)
    body = {**record.body, "meeting_link": "a later form"} if broken == "job" else record.body
    api.bots.write(msgspec.structs.replace(record, references=[reference], body=body))
    for key in (reference,) if broken == "reference" else (f"{folder}{broken}",):
        api.store.put(key, b'{"a": "later version"}', content_type="application/json")
    if by == "look":
        api.now += 721 * HOUR
        if broken == "job":
            # How long it is to be kept cannot be read: nothing is deleted on a guess.
            assert api.deletions.look() == 0
            assert f"{bot_id} cannot be looked at for deletion" in caplog.text
            return
        assert api.deletions.look() == 1
    else:
        getattr(api.deletions, by)(record_of(api, bot_id))
    known = api.bots.known(bot_id)
    named = [] if known is None else [api.bots.keys.record(bot_id), api.bots.keys.entry(known)]
    assert [each.key for each in api.store.list("")] == sorted(named)
    assert [event["event"] for event in api.events.sent] == ["data_deletion"]


@pytest.mark.parametrize("is_dispatched", [False, True])
def test_a_bot_that_never_began_and_whose_job_cannot_be_read_is_deleted(
    api: Api, is_dispatched: bool
) -> None:
    bot_id = meetstream(api, join_at="2030-01-01T00:00:00Z", custom_attributes={"customer": "secret"})
    record = record_of(api, bot_id)
    dispatched_at = api.now if is_dispatched else None
    broken = msgspec.structs.replace(
        record, body={**record.body, "meeting_link": "a later form"}, dispatched_at=dispatched_at
    )
    api.bots.write(broken)
    api.deletions.forget(record_of(api, bot_id))
    assert api.bots.find("anna", bot_id) is None
    assert b"secret" not in b"".join(api.store.get(each.key).data for each in api.store.list(""))
    api.now = 1_900_000_000.0
    api.deletions.look()
    api.bots.dispatch_due()
    assert api.store.list("") == []


def test_what_killed_writers_left_is_removed_with_what_expired(api: Api) -> None:
    assert isinstance(api.store, FolderStore)
    left = api.store.root / "unfinished" / "x"
    left.write_bytes(b"voice")
    api.deletions.look()
    assert not left.exists()


def test_a_deletion_that_another_server_is_at_is_refused(api: Api) -> None:
    bot_id = meetstream(api)
    api.record(bot_id)
    record = record_of(api, bot_id)
    api.events.is_down = True
    with pytest.raises(UnfinishedDeletionError):
        api.deletions.forget(record)
    api.events.is_down = False
    with pytest.raises(BotBusyError):
        api.deletions.delete_media(record)
    api.now += CLAIM
    api.deletions.delete_media(record)
    assert api.store.list("") == [], "it was to be forgotten"


@pytest.mark.parametrize("broken", ["meeting.json", "audio_streams.json"])
async def test_a_bot_with_a_document_that_cannot_be_read_is_as_one_without_it(
    api: Api, broken: str, caplog: pytest.LogCaptureFixture
) -> None:
    bot_id = meetstream(api)
    api.attend(bot_id, api.record(bot_id))
    key = f"{api.bots.keys_of(bot_id).folder}{broken}"
    paths = [
        f"/api/v1/bots/{bot_id}/{name}"
        for name in (
            "get_chats",
            "get_participants",
            "get_speaker_timeline",
            "get_audio",
            "get_audio_streams",
        )
    ]
    async with api.client() as client:
        api.store.delete(key)
        without = [(await client.get(path)).status_code for path in paths]
        assert 500 not in without
        assert without[0] == without[-1] == 200
        caplog.clear()
        api.store.put(key, b'{"a": "later version"}', content_type="application/json")
        assert [(await client.get(path)).status_code for path in paths] == without
        assert f"{key} cannot be read" in caplog.text
    async with api.client(None, Origin="http://api.example") as browser:
        cookie = (await browser.post("/login", content=f"key={KEY}")).headers["set-cookie"].split(";")[0]
        answer = await browser.get(f"/bots/{bot_id}", headers={"cookie": cookie})
        assert answer.status_code == 200
        assert f"/bots/{bot_id}/delete" in answer.text
        assert [facts.bot_id for facts in api.bots.each("anna", with_manifest=True)] == [bot_id]


def test_a_changed_retention_counts(api: Api) -> None:
    body = {"meeting_url": MEETING, "join_at": "2030-01-01T00:00:00Z"}

    def job(**config: object) -> Any:
        return read_recall({**body, "recording_config": config}, lambda: "b")

    api.bots.create("anna", job(retention={"type": "forever"}))
    assert api.store.list("expiring/") == []
    api.bots.change(record_of(api, "b"), job(retention={"hours": 5}))
    (entry,) = api.store.list("expiring/")
    api.bots.change(record_of(api, "b"), job(retention={"hours": 50}))
    (later,) = api.store.list("expiring/")
    assert entry.key < later.key
    api.bots.change(record_of(api, "b"), job(retention={"type": "forever"}))
    assert api.store.list("expiring/") == []
    api.deletions.withdraw(record_of(api, "b"))
    assert api.store.list("") == []


async def test_what_meetstreams_api_says_of_a_bot_whose_media_expired(api: Api) -> None:
    bot_id = meetstream(api)
    api.record(bot_id)
    async with api.client() as client:
        url = (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).json()["audio_url"]
        api.now += 722 * HOUR
        api.deletions.look()
        api.now += HOUR
        api.deletions.look()
        assert (await client.get(f"/api/v1/bots/{bot_id}/status")).json()["status"] == "Done"
        details = (await client.get(f"/api/v1/bots/{bot_id}/detail")).json()["bot_details"]
        assert details["StatusTimeline"]["MediaExpired"]["status"] == "Success"
        assert "Recording" in details["StatusTimeline"]
        streams = await client.get(f"/api/v1/bots/{bot_id}/get_audio_streams")
        assert (streams.status_code, streams.json()["audio_streams_available"]) == (200, False)
        assert (await client.get(f"/api/v1/bots/{bot_id}/get_audio")).status_code == 404
        assert (await client.get(url)).status_code in {403, 404}
        assert (await client.delete(f"/api/v1/bots/{bot_id}/delete")).status_code == 200
        assert (await client.get(f"/api/v1/bots/{bot_id}/status")).status_code == 404
    assert api.store.list("") == []
    assert len(api.events.sent) == 1, "it was reported before"


async def test_a_bot_whose_media_was_deleted_is_over_for_every_command(api: Api) -> None:
    bot_id = recall(api)
    api.record(bot_id)
    api.deletions.delete_media(record_of(api, bot_id))
    before = [each.key for each in api.store.list("")]
    async with api.client() as client:
        for method, path, status in (
            ("POST", f"bot/{bot_id}/leave_call/", 400),
            ("PATCH", f"bot/{bot_id}/", 400),
            ("DELETE", f"bot/{bot_id}/", 405),
            ("GET", f"bots/{bot_id}/remove_bot", 404),
        ):
            answer = await client.request(method, f"/api/v1/{path}", content=b"{}")
            assert answer.status_code == status, (path, answer.text)
    api.now += DAY
    assert api.bots.dispatch_due() == 0
    assert [each.key for each in api.store.list("")] == before


@pytest.mark.parametrize("by", ["delete_media", "recording"])
async def test_what_recalls_api_says_of_a_bot_whose_media_was_deleted(api: Api, by: str) -> None:
    bot_id = recall(api)
    async with api.client() as client:
        api.enter(bot_id, State.JOINING, State.IN_CALL_RECORDING)
        recording_id = (await client.get(f"/api/v1/bot/{bot_id}")).json()["recordings"][0]["id"]
        method, path = {
            "delete_media": ("POST", f"/api/v1/bot/{bot_id}/delete_media/"),
            "recording": ("DELETE", f"/api/v1/recording/{recording_id}/"),
        }[by]
        refused = await client.request(method, path)
        assert (refused.status_code, refused.json()["code"]) == (400, "cannot_command_unfinished_bot")
        api.record(bot_id)
        before = (await client.get(f"/api/v1/bot/{bot_id}")).json()
        assert before["recordings"][0]["expires_at"] == "2026-09-28T14:13:27.000Z"
        (separate,) = (await client.get("/api/v1/audio_separate/")).json()["results"]
        for _ in range(2):
            answer = await client.request(method, path)
            assert answer.status_code == (200 if by == "delete_media" else 204)
        after = (await client.get(f"/api/v1/bot/{bot_id}")).json()
        assert after["status_changes"] == before["status_changes"]
        (recording,), (earlier,) = after["recordings"], before["recordings"]
        assert (recording["id"], recording["started_at"]) == (earlier["id"], earlier["started_at"])
        assert recording["status"]["code"] == "deleted"
        assert [bot["id"] for bot in (await client.get("/api/v1/bot/")).json()["results"]] == [bot_id]
        for kind in ("audio_separate", "audio_mixed", "participant_events"):
            (artifact,) = (await client.get(f"/api/v1/{kind}/")).json()["results"]
            assert artifact["status"]["code"] == "deleted"
            assert set(artifact["data"].values()) == {None}
        assert (await client.get(separate["data"]["download_url"])).status_code == 404
        assert (await client.get("/api/v1/recording/", params={"status_code": "done"})).json()[
            "results"
        ] == []
    record = record_of(api, bot_id)
    assert keys_with(api, bot_id) == sorted([api.bots.keys.record(bot_id), api.bots.keys.entry(record)])


def test_a_failed_bot_has_no_recording_to_report(api: Api) -> None:
    bot_id = recall(api)
    api.enter(
        bot_id,
        State.JOINING,
        State.DONE,
        reason=Reason.EVERYONE_LEFT,
        audio_status=AUDIO_SUCCESS,
        reported=True,
    )
    api.deletions.delete_media(record_of(api, bot_id))
    assert api.events.sent == []


def give_leave(api: Api, record: BotRecord) -> None:
    """What remove_bot does, without the wait for the bot."""

    async def leave() -> None:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("worker.server.command_box.ACKNOWLEDGED_WITHIN", 0.0)
            await tell_to_leave(api.bots, record, api.now)

    with ThreadPoolExecutor(1) as pool:
        pool.submit(asyncio.run, leave()).result(30)


REQUESTS: dict[str, Callable[[Api, BotRecord], object]] = {
    "leave": give_leave,
    "forget": lambda api, record: api.deletions.forget(record),
    "delete_media": lambda api, record: api.deletions.delete_media(record),
}


class Between:
    """Calls ``act`` before the request ``number`` (from 1) to the store, and not for the requests that it makes itself."""

    def __init__(self, number: int, act: Callable[[], None]) -> None:
        self._number = number
        self._act = act
        self.seen = 0

    def __call__(self, _method: str, _key: str) -> None:
        if self.seen < self._number:
            self.seen += 1
            if self.seen == self._number:
                self._act()


@pytest.mark.parametrize("second", ["forget", "delete_media", "leave"])
@pytest.mark.parametrize("first", ["leave", "forget"])
def test_two_requests_about_a_waiting_bot_at_once_leave_nothing_of_a_deleted_one(
    tmp_path: Path, first: str, second: str
) -> None:
    """``second`` comes between each two requests of ``first`` to the store."""
    store = MemoryStore()
    api = Api(tmp_path, store=store)
    api.deletions._removers = InOneThread()  # type: ignore[assignment]
    bot_id = meetstream(api, join_at="2030-01-01T00:00:00Z", custom_attributes={"customer": "secret"})
    record = record_of(api, bot_id)
    at_first, begun = dict(store.objects), api.now + 60
    for number in range(1, 200):
        store.objects, api.now = dict(at_first), begun
        store.before = between = Between(number, lambda: attempt(api, second, record))
        attempt(api, first, record)
        store.before = lambda *_: None
        api.now += 2 * HOUR
        api.deletions.look()
        found = api.bots.known(bot_id)
        if found is None or found.deletion is not None:
            named = [] if found is None else [api.bots.keys.record(bot_id), api.bots.keys.entry(found)]
            assert keys_with(api, bot_id) == sorted(named), f"{second} before request {number}"
        if between.seen < number:
            break
    assert 3 < number < 199


def attempt(api: Api, name: str, record: BotRecord) -> None:
    with suppress(BotBusyError, ApiError):
        REQUESTS[name](api, record)
