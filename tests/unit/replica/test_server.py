"""The replica without a browser: a WebSocket client replaces the page, and a double the media server."""

from __future__ import annotations

import asyncio
import base64
import gzip
import re
import time
import zlib
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fixtures.replica.connection import ConnectionFailed
from fixtures.replica.meet import roster
from fixtures.replica.meet.chat_pb2 import OutgoingMessage
from fixtures.replica.meet.roster_pb2 import CollectionsMessage, SyncResponse, User
from fixtures.replica.meet.site import SYNC_PATH
from fixtures.replica.meet.video import Shown, VideoLayout
from fixtures.replica.scenario import Media, Page, Participant, Roster, Scenario
from fixtures.replica.server import Replica
from fixtures.replica.site import PageProtocolError
from tests.support.meet_schema import MEET

ADA = Participant(name="Ada", voice="elif", csrc=1001)
MEETING = Scenario(title="test", duration=60.0, participants=[ADA], page=Page(lobby=0.0))
PATIENCE = 5.0


class SilentMedia:
    """Answers like the media server, but sends no media."""

    def __init__(self) -> None:
        self.on_reconnect: Callable[[], Awaitable[None]] | None = None
        self.on_takeover: Callable[[], Awaitable[None]] | None = None
        self.on_retire: Callable[[], Awaitable[None]] | None = None
        self.on_renegotiate: Callable[[], Awaitable[None]] | None = None
        self.started_at: float | None = None
        self.layout = VideoLayout(MEETING)
        self.answers: list[str] = []
        """The page's, to the server's offers."""
        self.offers: list[str] = []
        """The page's."""
        self.collections: list[bytes] = []
        self.messages: list[tuple[str, bytes]] = []
        """Those of other channels, with their labels."""
        self.collections_sent = asyncio.Event()
        self.finished = asyncio.Event()
        self.channel_fails = False

    async def offer(self) -> str:
        return "server's offer"

    async def renegotiation_offer(self) -> str:
        return "sdp of a later offer"

    async def accept_answer(self, sdp: str) -> None:
        self.answers.append(sdp)

    async def answer(self, offer_sdp: str) -> str:
        self.offers.append(offer_sdp)
        return f"answer to {offer_sdp}"

    async def renegotiation_answer(self, offer_sdp: str) -> str:
        return await self.answer(offer_sdp)

    def described(self) -> None: ...

    def set_video(self, lines: list[Shown | None]) -> None:
        self.layout.lines = lines

    def allow_start(self) -> None:
        self.started_at = time.time()

    async def send(self, label: str, message: bytes) -> None:
        if self.channel_fails:
            raise ConnectionFailed(f"data channel {label}: closed")
        if label == "collections":
            self.collections.append(message)
            self.collections_sent.set()
        else:
            self.messages.append((label, message))

    async def wait_finished(self) -> None:
        await self.finished.wait()

    async def close(self) -> None:
        self.finished.set()


class Client:
    """The page's end of the WebSocket. ``sockets`` closes every WebSocket that it opens.

    aiohttp warns of a connection that is collected unclosed, and that warning fails whichever test runs at that moment.
    """

    def __init__(self, session: aiohttp.ClientSession, sockets: AsyncExitStack, base: str) -> None:
        self.session = session
        self.sockets = sockets
        self.base = base

    async def open(self) -> None:
        connecting = self.session.ws_connect(f"{self.base}/replica/meeting", ssl=False)
        self.socket = await self.sockets.enter_async_context(connecting)

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.socket.send_json({"type": kind, **fields})

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; skips other kinds. Takes each answer, as the page does."""
        while True:
            message: dict[str, Any] = await self.socket.receive_json(timeout=PATIENCE)
            if message["type"] == "answer":
                await self.tell("described")
            if message["type"] == kind:
                return message

    async def join(self) -> None:
        await self.open()
        await self.tell("ask_to_join", name="Stems")
        await self.hear("call")
        await self.tell("offer", sdp="page's offer")
        await self.hear("answer")

    async def get(self, path: str) -> aiohttp.ClientResponse:
        """The response, read to its end."""
        async with self.session.get(f"{self.base}{path}", ssl=False) as response:
            await response.read()
        return response

    async def post(self, path: str, body: bytes = b"") -> aiohttp.ClientResponse:
        """The response, read to its end."""
        async with self.session.post(f"{self.base}{path}", data=body, ssl=False) as response:
            await response.read()
        return response


@asynccontextmanager
async def running(scenario: Scenario = MEETING) -> AsyncIterator[tuple[Replica, SilentMedia, Client]]:
    media = SilentMedia()
    async with (
        Replica(scenario, Path("unused"), media=media) as replica,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as sockets,
    ):
        yield replica, media, Client(session, sockets, f"https://127.0.0.1:{replica.port}")


def first_update(media: SilentMedia) -> CollectionsMessage:
    return CollectionsMessage.FromString(zlib.decompress(media.collections[0]))


async def test_the_meeting_page_has_a_policy_like_meets_with_a_new_nonce_each_time() -> None:
    async with running() as (replica, _, client):
        page = await client.get("/abc-defg-hij")
        html = await page.text()
        policy = page.headers["Content-Security-Policy"]
        nonce = re.search(r"'nonce-([^']+)'", policy)
        assert nonce
        assert f'nonce="{nonce[1]}"' in html
        for directive in ("'strict-dynamic'", "require-trusted-types-for 'script'", "worker-src 'self'"):
            assert directive in policy
        assert "connect-src" not in policy, "an injected script may open ws://localhost"
        assert "default-src" not in policy
        again = await client.get("/abc-defg-hij")
        assert again.headers["Content-Security-Policy"] != policy, "a nonce is used once"
        assert replica.meeting_url == "https://meet.google.com/abc-defg-hij"


async def test_an_unknown_meeting_code_shows_the_page_for_wrong_codes() -> None:
    async with running() as (_, _, client):
        page = await client.get("/zzz-zzzz-zzz")
        assert "Check your meeting code" in await page.text()


@pytest.mark.parametrize("path", ["/", "/landing"])
async def test_meets_home_page_has_no_meeting(path: str) -> None:
    async with running() as (_, _, client):
        page = await client.get(path)
        text = await page.text()
        assert "New meeting" in text
        assert "Check your meeting code" not in text


async def test_a_visit_goes_from_the_lobby_to_the_end_of_the_meeting() -> None:
    async with running() as (replica, media, client):
        await client.open()
        first = await client.hear("pre_join")
        assert first == {
            "type": "pre_join",
            "signedIn": False,
            "label": "Ask to join",
            "tips": [],
            "encodedAudio": False,
        }
        assert replica.admitted_at is None
        await client.tell("ask_to_join", name="Stems")
        await client.hear("lobby")
        call = await client.hear("call")
        assert (call["name"], call["selfId"]) == ("Stems", roster.self_id(MEETING))
        assert replica.admitted_at is not None
        assert replica.bot_name == "Stems"
        (tile,) = (await client.hear("tiles"))["tiles"]
        assert (tile["name"], tile["source"]) == ("Ada", "1001")
        await client.tell("offer", sdp="page's offer")
        assert (await client.hear("answer"))["sdp"] == "answer to page's offer"
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert media.offers == ["page's offer"]
        users = first_update(media).envelope.collections.space.users.users
        assert [(user.full_name, bool(user.self_uuid)) for user in users] == [
            ("Ada", False),
            ("Stems", True),
        ]
        media.finished.set()
        assert (await client.hear("over"))["how"] == "host_ended"
        assert await replica.wait_ended() == "host_ended"
        sent = [what for _, what in replica.sent_to_page]
        assert [what for what in sent if what != "tiles"] == [
            "pre_join",
            "lobby",
            "call",
            "answer",
            "host_ended",
        ]


async def test_the_server_may_make_the_offer() -> None:
    scenario = Scenario(title="t", duration=60.0, media=Media(signalling="offer"), page=Page(lobby=0.0))
    async with running(scenario) as (_, media, client):
        await client.open()
        await client.tell("ask_to_join", name="Stems")
        assert (await client.hear("call"))["connection"]["signalling"] == "offer"
        await client.tell("ready")
        assert (await client.hear("offer"))["sdp"] == "server's offer"
        await client.tell("answer", sdp="page's answer")
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert media.answers == ["page's answer"]


async def test_admit_now_ends_the_lobby() -> None:
    async with running(Scenario(title="t", duration=60.0, page=Page(lobby=3600.0))) as (replica, _, client):
        await client.open()
        await client.tell("ask_to_join", name="Stems")
        await client.hear("lobby")
        replica.admit_now()
        await client.hear("call")


@pytest.mark.parametrize(
    ("steer", "how"),
    [
        (Replica.deny, "denied"),
        (Replica.leave_unanswered, "unanswered"),
        (Replica.remove_bot, "removed"),
        (Replica.end_meeting, "host_ended"),
    ],
)
async def test_the_host_can_end_the_visit_from_the_lobby(steer: Callable[[Replica], None], how: str) -> None:
    async with running(Scenario(title="t", duration=60.0, page=Page(lobby=3600.0))) as (replica, _, client):
        await client.open()
        await client.tell("ask_to_join", name="Stems")
        await client.hear("lobby")
        steer(replica)
        assert (await client.hear("over"))["how"] == how
        assert await replica.wait_ended() == how


async def test_the_lobby_has_the_calls_connection_and_nothing_of_the_meeting() -> None:
    scenario = Scenario(title="t", duration=60.0, participants=[ADA], page=Page(lobby=3600.0))
    async with running(scenario) as (replica, media, client):
        await client.open()
        await client.tell("ask_to_join", name="Stems")
        lobby = await client.hear("lobby")
        assert lobby["connection"]["channels"]["dcrpc"] % 2 == 1
        await client.tell("offer", sdp="lobby's offer")
        await client.hear("answer")
        assert await users_synced(client) == []
        assert (media.started_at, media.collections, media.messages) == (None, [], [])
        replica.admit_now()
        await client.hear("call")
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert media.offers == ["lobby's offer"]


async def test_a_call_may_have_a_connection_of_its_own() -> None:
    page = Page(lobby=0.0, reconnects_on_admission=True)
    async with running(Scenario(title="t", duration=60.0, page=page)) as (_, media, client):
        await client.join()
        await client.hear("reconnect")
        assert media.started_at is None
        await client.tell("offer", sdp="second offer")
        await client.hear("answer")
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert media.offers == ["page's offer", "second offer"]


async def test_a_lingering_lobby_stays_while_media_and_roster_come() -> None:
    page = Page(lobby=0.0, lobby_lingers=0.3)
    scenario = Scenario(title="t", duration=60.0, participants=[ADA], page=page)
    async with running(scenario) as (replica, media, client):
        await client.open()
        await client.tell("ask_to_join", name="Stems")
        await client.tell("offer", sdp="page's offer")
        await client.hear("answer")
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        await client.hear("call")
        assert [tile["name"] for tile in (await client.hear("tiles"))["tiles"]] == ["Ada"]
        sent = {what: at for at, what in replica.sent_to_page}
        assert replica.admitted_at is not None
        assert sent["call"] - replica.admitted_at >= page.lobby_lingers


async def test_streams_are_announced_over_dcrpc_also_to_a_new_connection() -> None:
    scenario = Scenario(title="t", duration=60.0, participants=[ADA], page=Page(lobby=0.0))
    async with running(scenario) as (_, media, client):
        await client.join()
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert media.on_reconnect
        again = asyncio.ensure_future(media.on_reconnect())
        await client.hear("reconnect")
        await client.tell("offer", sdp="second offer")
        await client.hear("answer")
        await again
        frames = [MEET.decode("Frame", frame) for label, frame in media.messages if label == "dcrpc"]
        read = [MEET.decode("Dcrpc", gzip.decompress(frame.f2) if frame.f2 else frame.f1) for frame in frames]
        assert [message.f1 for message in read] == [1, 2]
        streams = [[(stream.f4, list(stream.f8.f1)) for stream in message.f5.f4] for message in read]
        assert streams == [[("1001", [1001]), ("video", [501001])]] * 2


async def test_captions_come_while_they_are_switched_on() -> None:
    talker = Participant(name="Ada", voice="elif", csrc=1001, says=[(0.0, 0.4), (0.5, 60.0)])
    scenario = Scenario(title="t", duration=60.0, participants=[talker], page=Page(lobby=0.0))
    async with running(scenario) as (_, media, client):
        await client.join()
        await client.tell("captions", on=True)
        shown = await client.hear("caption")
        assert (shown["name"], shown["text"]) == ("Ada", "we")
        while (await client.hear("caption"))["id"] == 1:
            pass
        sent = [MEET.decode("Captions", data).f1 for label, data in media.messages if label == "captions"]
        assert (sent[0].f1, sent[0].f6) == (roster.device_id(0), "we")
        assert [caption.f2 for caption in sent[:2]] == [1, 2]


async def test_captions_stay_away_until_they_are_switched_on() -> None:
    talker = Participant(name="Ada", voice="elif", csrc=1001, says=[(-2.0, 0.1)])
    scenario = Scenario(title="t", duration=60.0, participants=[talker], page=Page(lobby=0.0))
    async with running(scenario) as (_, media, client):
        await client.join()
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        await client.tell("chat", payload=base64.b64encode(written("Hello")).decode())
        while b"Hello" not in zlib.decompress(media.collections[-1], wbits=47):
            media.collections_sent.clear()
            await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert "captions" not in dict(media.messages)


async def test_the_consent_modal_holds_back_media_and_roster_but_not_tiles() -> None:
    scenario = Scenario(
        title="t", duration=60.0, participants=[ADA], page=Page(lobby=0.0, consent_modal=True)
    )
    async with running(scenario) as (_, media, client):
        await client.join()
        assert await users_synced(client) == []
        assert (media.started_at, media.collections) == (None, [])
        await client.tell("consent")
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert [user.full_name for user in await users_synced(client)] == ["Ada", "Stems"]


async def users_synced(client: Client) -> list[User]:
    response = await client.post(SYNC_PATH)
    return list(SyncResponse.FromString(base64.b64decode(await response.text())).space.users.users)


async def test_withheld_roster_sources_send_nothing() -> None:
    scenario = Scenario(
        title="t",
        duration=60.0,
        participants=[ADA],
        page=Page(lobby=0.0),
        roster=Roster(collections_after=None, rpc_after=None, tiles_after=0.05),
    )
    async with running(scenario) as (_, media, client):
        await client.join()
        while not (await client.hear("tiles"))["tiles"]:
            pass
        assert media.collections == []
        assert await users_synced(client) == []


async def test_a_new_connection_gets_the_whole_roster_again() -> None:
    async with running() as (_, media, client):
        await client.join()
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        media.collections_sent.clear()
        assert media.on_reconnect
        again = asyncio.ensure_future(media.on_reconnect())
        await client.hear("reconnect")
        await client.tell("offer", sdp="second offer")
        await client.hear("answer")
        await again
        assert media.offers == ["page's offer", "second offer"]
        assert len(media.collections) == 2


async def test_a_channel_that_closes_during_a_message_does_not_end_the_meeting() -> None:
    async with running() as (replica, media, client):
        media.channel_fails = True
        await client.join()
        await client.hear("tiles")
        await client.tell("leave")
        assert await replica.wait_ended() == "left"


async def test_removal_is_also_sent_over_the_channel() -> None:
    async with running() as (replica, media, client):
        await client.join()
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        replica.remove_bot()
        assert (await client.hear("over"))["how"] == "removed"
        last = zlib.decompress(media.collections[-1], wbits=31)
        (gone,) = CollectionsMessage.FromString(last).envelope.collections.space.users.users
        assert (gone.device_id, gone.status) == (roster.self_id(MEETING), User.Status.REMOVED)


def written(text: str) -> bytes:
    """A message as the page sends it."""
    message = OutgoingMessage()
    chat = message.envelope.request.creation.wrapper.chat
    chat.sent_at, chat.body.text = 1785104796458, text
    return message.SerializeToString()


async def test_chat_is_kept_and_echoed() -> None:
    async with running() as (replica, media, client):
        await client.join()
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        media.collections_sent.clear()
        await client.tell("chat", payload=base64.b64encode(written("I record this")).decode())
        await asyncio.wait_for(media.collections_sent.wait(), PATIENCE)
        assert replica.chat == ["I record this"]
        assert b"I record this" in zlib.decompress(media.collections[-1], wbits=31)


async def test_a_page_that_left_may_rejoin_until_the_meeting_is_over() -> None:
    async with running() as (replica, _, client):
        await client.open()
        await client.tell("leave")
        assert (await client.hear("over"))["how"] == "left"
        await client.join()
        replica.end_meeting()
        await client.hear("over")
        await client.open()
        assert (await client.hear("over"))["how"] == "host_ended", "a meeting that is over stays over"


async def test_hiding_the_recording_banner_gets_the_bot_removed() -> None:
    async with running() as (replica, _, client):
        await client.join()
        await client.tell("banner_hidden")
        assert await replica.wait_ended() == "removed"


async def test_an_unknown_message_of_the_page_is_an_error_of_the_replica() -> None:
    async with running() as (replica, _, client):
        await client.open()
        await client.tell("dance")
        with pytest.raises(ExceptionGroup) as caught:
            await replica.wait_ended()
        assert caught.group_contains(PageProtocolError, match="'dance'")


async def test_an_invalid_page_report_is_refused() -> None:
    async with running() as (replica, _, client):
        response = await client.post("/replica/page-report", b'{"screen": 1}')
        assert response.status == 400
        assert "$.screen" in await response.text()
        assert replica.page_reports == []
