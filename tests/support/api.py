"""The API over a store of a test, asked without a network."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import msgspec
from prometheus_client import CollectorRegistry

from tests.support.sample_manifests import meeting, video_segment
from tests.support.shared_app import shared_app
from worker.contracts.job import Job
from worker.contracts.status import BotStatus, bot_status, with_change
from worker.contracts.vendor_words import words
from worker.delivery.event_sinks import EventSink
from worker.delivery.folder_store import FolderStore
from worker.delivery.object_store import PagedStore
from worker.delivery.url_guard import UrlGuard
from worker.manifest.meeting_schema import (
    Attendee,
    LoggedChange,
    LoggedMessage,
    MeetingLog,
    encode_meeting,
)
from worker.manifest.merge_meetings import merge_meetings
from worker.manifest.schema import Manifest, VideoStreams, encode_manifest
from worker.reasons import Reason
from worker.server.app import build_app
from worker.server.bots import Bots
from worker.server.deletion import Deletions
from worker.server.dispatcher import Dispatcher
from worker.server.keys import Keys, key_sha256
from worker.server.links import Links
from worker.server.metrics import ServerMetrics
from worker.server.rate_limits import RateLimits
from worker.server.request_log import AsgiApp, Network
from worker.server.services import Services
from worker.server.url_checks import UrlChecks
from worker.server.wrong_keys import WrongKeys
from worker.states import State

KEY, OTHER_KEY = "key-of-anna", "key-of-bob"
WORKSPACES = ("anna", "bob", "local")
"""Of KEY, of OTHER_KEY, and of a server for one machine."""
NOW = 1_790_000_000.0
MEETING = "https://meet.google.com/abc-defg-hij"
STEM = b"\x1a\x45\xdf\xa3 a stem"
FILM = b"a film of "


def resolve(host: str, port: int) -> Sequence[str]:
    """Each name is public, but those that say otherwise."""
    if host.startswith("unknown"):
        raise OSError("no such name")
    return ["10.1.2.3"] if host.startswith("private") else ["93.184.215.14"]


class Desk(Dispatcher):
    """Keeps the jobs that were handed over. ``error``: what is raised instead."""

    def __init__(self) -> None:
        self.jobs: list[Job] = []
        self.error: Exception | None = None

    def submit(self, job: Job) -> None:
        if self.error is not None:
            raise self.error
        self.jobs.append(job)

    def start(self) -> None: ...

    def close(self) -> None: ...


class Events(EventSink):
    """Keeps the events that were sent. ``is_down``: none is delivered."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []
        self.is_down = False
        self.lost_events = 0

    @property
    def lost(self) -> int:
        return self.lost_events

    @property
    def waiting(self) -> int:
        return 0

    def send(self, event: dict[str, Any]) -> None:
        json.dumps(event)
        if not self.is_down:
            self.sent.append(event)

    def drain(self, timeout: float) -> bool:
        return not self.is_down

    def close(self) -> None: ...


class Api:
    """An API with the keys KEY and OTHER_KEY; its clock stands at ``now`` until it is set."""

    def __init__(
        self,
        folder: Path,
        *,
        store: PagedStore | None = None,
        prefix: str = "",
        bucket_prefix: str = "",
        limits: dict[str, int] | None = None,
        trusted: Sequence[Network] = (),
    ) -> None:
        self.now = NOW
        self.steady = 0.0
        self.store = store or FolderStore(folder / "data")
        self.desk = Desk()
        self.keys_file = folder / "keys.json"
        limited = {"create": 1000, "list": 1000, "retrieve": 1000, **(limits or {})}
        self.write_keys(
            {"name": "anna", "sha256": key_sha256(KEY), "limits": limited},
            {"name": "bob", "sha256": key_sha256(OTHER_KEY), "limits": limited},
        )
        self.events = Events()
        self.bots = Bots(self.store, bucket_prefix, self.desk, lambda: self.now, self.events)
        self.deletions = Deletions(self.bots, self.events, lambda: self.now)
        self.services = Services(
            bots=self.bots,
            deletions=self.deletions,
            keys=Keys(self.keys_file),
            links=Links(b"secret of all servers", lambda: self.now),
            metrics=ServerMetrics(CollectorRegistry()),
            prefix=prefix,
            clock=lambda: self.now,
            limits=RateLimits(lambda: self.steady),
            wrong_keys=WrongKeys(lambda: self.steady),
            url_checks=UrlChecks(UrlGuard(resolve=resolve)),
        )
        self._trusted = trusted

    @cached_property
    def app(self) -> AsgiApp:
        """An application that can be run. It is made when it is first asked for: most tests go without."""
        return build_app(self.services, self.desk, self._trusted)

    def write_keys(self, *workspaces: dict[str, Any]) -> None:
        self.keys_file.write_text(json.dumps(workspaces))

    def client(self, key: str | None = KEY, **headers: str) -> httpx.AsyncClient:
        """A client of ``app`` where that is made, and of one that answers the same where not; ``key`` None: it sends none."""
        app = self.__dict__.get("app") or shared_app(self.services, self._trusted)
        authorization = {} if key is None else {"Authorization": f"Token {key}"}
        return httpx.AsyncClient(
            transport=httpx.ASGITransport(app, raise_app_exceptions=False),
            base_url=f"http://api.example{self.services.prefix}",
            headers={**authorization, **headers},
        )

    def manifest(self, bot_id: str) -> Manifest:
        """The manifest that was written about a bot."""
        return msgspec.json.decode(
            self.store.get(self.bots.keys_of(bot_id).audio_streams).data, type=Manifest
        )

    def file(self, bot_id: str, path: str) -> bytes:
        """A bot's file by its path in the bot's folder."""
        return self.store.get(f"{self.bots.keys_of(bot_id).folder}{path}").data

    def enter(
        self, bot_id: str, *states: State, reason: Reason | None = None, **changes: object
    ) -> BotStatus:
        """Writes bot.json as a worker does that goes through ``states``, one second each."""
        found = [record for name in WORKSPACES if (record := self.bots.find(name, bot_id)) is not None]
        job = found[0].job()
        status: BotStatus | None = None
        for number, state in enumerate(states, start=1):
            names = words(state, reason, job.platform)
            entered = bot_status(job, state, reason, names, 1, 1000 + number, self.now + number)
            status = with_change(entered, status.history if status is not None else [])
        assert status is not None
        status = msgspec.structs.replace(status, **changes)
        self.store.put(
            self.bots.keys_of(bot_id).status, msgspec.json.encode(status), content_type="application/json"
        )
        return status

    def record(self, bot_id: str, speakers: int = 2) -> Manifest:
        """Writes what a worker leaves of a meeting of a minute that it recorded: of a bot that was asked for video, the first
        speaker's camera, in two parts, and the last one's screen.
        """
        (found,) = [record for name in WORKSPACES if (record := self.bots.find(name, bot_id)) is not None]
        keys = self.bots.keys_of(bot_id)
        manifest = meeting(speakers, 60.0)
        recording = msgspec.structs.replace(manifest.recording, mixed_audio="attempts/0001/files/audio.wav")

        def placed(segment: Any) -> Any:
            return msgspec.structs.replace(segment, url=f"attempts/0001/files/streams/{segment.filename}")

        videos = self._put_videos(keys.folder, manifest) if found.job().separate_video else msgspec.UNSET
        people = [person.with_segments(placed) for person in manifest.participants]
        manifest = msgspec.structs.replace(
            manifest, bot_id=bot_id, recording=recording, participants=people, video_streams=videos
        )
        for _, segment in manifest.segments():
            data = STEM + segment.filename.encode()
            self.store.put(f"{keys.folder}{segment.url}", data, content_type="audio/webm")
        self.store.put(f"{keys.folder}{recording.mixed_audio}", b"RIFF a mix", content_type="audio/wav")
        self.store.put(keys.audio_streams, encode_manifest(manifest), content_type="application/json")
        self.enter(
            bot_id,
            State.JOINING,
            State.WAITING_ROOM,
            State.IN_CALL_NOT_RECORDING,
            State.IN_CALL_RECORDING,
            State.LEAVING,
            State.STOPPED,
            State.DONE,
            reason=Reason.MEETING_ENDED,
            audio_status="Success",
            video_status="Success" if found.job().separate_video else None,
            reported=True,
        )
        return manifest

    def _put_videos(self, folder: str, manifest: Manifest) -> list[VideoStreams]:
        first, last = manifest.participants[0], manifest.participants[-1]
        shown = [
            (first, "webcam", 0, 2.0, "mp4", "h264"),
            (first, "webcam", 1, 20.0, "webm", "vp8"),
            (last, "screenshare", 0, 5.0, "mp4", "av1"),
        ]
        streams: dict[str, VideoStreams] = {}
        for person, kind, index, start, ending, codec in shown:
            segment = video_segment(
                person.participant_name, start, index=index, kind=kind, ending=ending, codec=codec
            )
            url = f"attempts/0001/files/{segment.url}"
            segment = msgspec.structs.replace(segment, url=url)
            self.store.put(f"{folder}{url}", FILM + url.encode(), content_type=f"video/{ending}")
            before = streams.get(kind)
            streams[kind] = VideoStreams(
                participant_name=person.participant_name,
                participant_id=person.participant_id,
                name_source=person.name_source,
                is_host=person.is_host,
                kind=kind,
                segments=[*(before.segments if before else ()), segment],
            )
        return list(streams.values())

    def attend(self, bot_id: str, manifest: Manifest) -> tuple[str, str]:
        """Writes who was in a recorded meeting: its speakers, the bot, and one who joined, shared their screen, wrote and left.

        Returns the names of the first speaker and of that one.
        """
        silent, bot = "Silent Cy", "Notes"
        people = [
            _attendee("cy", silent),
            _attendee("bot", bot, is_bot=True),
            _attendee("screen", parent_id="cy"),
        ]
        changes = [(1.0, "join"), (2.0, "screenshare_on"), (5.0, "leave")]
        said = [(3.0, "cy", silent, "<b>hi</b>", None), (4.0, "bot", bot, "I record", NOW)]
        log = MeetingLog(
            started_at=manifest.recording.started_at,
            participants=people,
            events=[
                LoggedChange(at_seconds=at, action=action, participant_id="cy", name=silent)
                for at, action in changes
            ],
            messages=[
                LoggedMessage(
                    at_seconds=at,
                    message_id=f"m{at}",
                    participant_id=who,
                    name=name,
                    text=text,
                    sent_at=sent_at,
                )
                for at, who, name, text, sent_at in said
            ],
        )
        document = encode_meeting(merge_meetings(manifest, [log]))
        self.store.put(self.bots.keys_of(bot_id).meeting, document, content_type="application/json")
        return manifest.participants[0].participant_name, silent


def _attendee(
    device_id: str, name: str | None = None, *, is_bot: bool = False, parent_id: str | None = None
) -> Attendee:
    return Attendee(
        participant_id=device_id,
        name=name,
        full_name=name,
        display_name=name,
        name_source="collections",
        is_host=False,
        is_bot=is_bot,
        status="out",
        parent_id=parent_id,
    )
