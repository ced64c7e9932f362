"""The replica's Teams without a browser: a WebSocket client replaces the page, and a double the media server."""

from __future__ import annotations

import asyncio
import base64
import gzip
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from fixtures.replica.scenario import Participant, Scenario, load_scenario, scenario_names
from fixtures.replica.server import Replica
from fixtures.replica.teams import links
from fixtures.replica.teams.links import LIVE_HOST, LOGIN_HOST, PASSCODE, SHORT_HOST, TEAMS_HOST, TROUTER_HOST
from fixtures.replica.teams.media import DominantChange, Utterance
from fixtures.replica.teams.scenario import TeamsPage, TeamsSignals
from worker.platforms.links import parse_link

PATIENCE = 5.0
NOTHING_COMES = 0.2
"""Seconds to wait for a frame that must not come; a frame is sent before the screen that it belongs to."""
ADA = Participant(name="Ada", voice="elif", csrc=414)


class SilentMix:
    """Answers like the media server, but sends no media."""

    def __init__(self) -> None:
        self.on_reconnect: Callable[[], Awaitable[None]] | None = None
        self.on_renegotiate: Callable[[], Awaitable[None]] | None = None
        self.started_at: float | None = None
        self.answers: list[str] = []
        self.messages: asyncio.Queue[bytes] = asyncio.Queue()
        self.finished = asyncio.Event()
        self.said: list[Utterance] = []

    async def offer(self) -> str:
        return "server's offer"

    async def answer(self, offer_sdp: str) -> str:
        return f"answer to {offer_sdp}"

    async def answer_in_lobby(self, offer_sdp: str, message: bytes) -> str:
        return f"lobby's answer to {offer_sdp}"

    async def until_lobby_sends(self) -> None:
        pass

    async def close_lobby(self) -> None:
        pass

    async def renegotiation_offer(self) -> str:
        return "one line more"

    async def accept_answer(self, sdp: str) -> None:
        self.answers.append(sdp)

    def allow_start(self) -> None:
        self.started_at = time.time()

    async def send_main_channel(self, message: bytes) -> None:
        self.messages.put_nowait(message)

    def dominant_changes(self) -> list[DominantChange]:
        return [DominantChange(0.0, [414])]

    def utterances(self) -> list[Utterance]:
        return self.said

    async def wait_finished(self) -> None:
        await self.finished.wait()

    async def close(self) -> None:
        self.finished.set()


class Client:
    """The page's end of its two WebSockets. ``sockets`` closes every WebSocket that it opens.

    aiohttp warns of a connection that is collected unclosed, and that warning fails whichever test runs at that moment.
    """

    def __init__(self, session: aiohttp.ClientSession, sockets: AsyncExitStack, port: int) -> None:
        self.session = session
        self.sockets = sockets
        self.port = port

    async def open(self) -> None:
        self.link = await self._socket(TEAMS_HOST, "/replica/meeting")
        self.trouter = await self._socket(TROUTER_HOST, "/v4/c")

    async def _socket(self, host: str, path: str) -> aiohttp.ClientWebSocketResponse:
        connecting = self.session.ws_connect(
            f"https://127.0.0.1:{self.port}{path}", headers={"Host": host}, ssl=False
        )
        return await self.sockets.enter_async_context(connecting)

    async def tell(self, kind: str, **fields: Any) -> None:
        await self.link.send_json({"type": kind, **fields})

    async def shown(self, screen: str) -> dict[str, Any]:
        """The next message that shows this screen; skips other messages."""
        while True:
            message: dict[str, Any] = await self.link.receive_json(timeout=PATIENCE)
            if message.get("screen") == screen:
                return message

    async def hear(self, kind: str) -> dict[str, Any]:
        """The next message of this kind; skips other kinds."""
        while True:
            message: dict[str, Any] = await self.link.receive_json(timeout=PATIENCE)
            if message["type"] == kind:
                return message

    async def ask_to_join(self, passcode: str | None = PASSCODE) -> None:
        await self.open()
        await self.shown("pre-join")
        await self.tell("ask_to_join", name="Stems", passcode=passcode)

    async def join(self) -> None:
        await self.ask_to_join()
        await self.shown("call")
        await self.connect()

    async def wait_in_lobby(self) -> dict[str, Any]:
        """Asks to join and connects as a waiting client does; the message that shows the lobby."""
        await self.ask_to_join()
        await self.shown("connecting")
        await self.tell("offer", sdp="page's offer")
        assert (await self.hear("answer"))["sdp"].startswith("lobby's answer to page's offer")
        return await self.shown("lobby")

    async def connect(self) -> None:
        """Answers the service's offer."""
        await self.tell("ready")
        assert (await self.hear("offer"))["sdp"] == "server's offer"
        await self.tell("answer", sdp="page's answer")

    async def next_request(self, path: str, within: float = PATIENCE) -> dict[str, Any]:
        """The next request over Trouter whose URL ends with ``path``; answers all requests up to it."""
        while True:
            frame = await self.trouter.receive_str(timeout=within)
            if not frame.startswith("3:::"):
                continue
            request: dict[str, Any] = json.loads(frame[4:])
            answer = {"id": request["id"], "status": 200, "headers": {}, "body": ""}
            await self.trouter.send_str("3:::" + json.dumps(answer))
            if request["url"].endswith(path):
                return request

    async def get(self, host: str, path: str) -> aiohttp.ClientResponse:
        """The response, read to its end; redirects are not followed."""
        url = f"https://127.0.0.1:{self.port}{path}"
        async with self.session.get(
            url, headers={"Host": host}, ssl=False, allow_redirects=False
        ) as response:
            await response.read()
        return response


def roster_of(request: dict[str, Any]) -> dict[str, Any]:
    """The participants in a roster frame, unpacked as the page does it."""
    assert request["headers"]["X-Microsoft-Skype-Content-Encoding"] == "gzip"
    participants: dict[str, Any] = json.loads(gzip.decompress(base64.b64decode(request["body"])))[
        "participants"
    ]
    return participants


@asynccontextmanager
async def running(
    page: TeamsPage | None = None, **fields: Any
) -> AsyncIterator[tuple[Replica, SilentMix, Client]]:
    scenario = Scenario(
        title="test",
        platform="microsoft_teams",
        duration=60.0,
        participants=[ADA],
        teams=page or TeamsPage(lobby=0.0),
        **fields,
    )
    media = SilentMix()
    async with (
        Replica(scenario, Path("unused"), media=media) as replica,
        aiohttp.ClientSession() as session,
        AsyncExitStack() as sockets,
    ):
        yield replica, media, Client(session, sockets, replica.port)


FILMED = [name for name in scenario_names("video") if name.startswith("video/teams-")]


@pytest.mark.parametrize("name", scenario_names("teams") + scenario_names("teams-outcomes") + FILMED)
def test_committed_scenarios_are_valid(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.platform == "microsoft_teams"
    assert name.startswith("teams-outcomes/") or 12 <= scenario.duration <= 25
    assert all(end <= scenario.duration for person in scenario.participants for _, end in person.says)
    parse_link(links.invitation(scenario.teams))


async def test_every_form_of_link_leads_to_the_pre_join_page() -> None:
    async with running() as (_, _, client):
        short = await client.get(SHORT_HOST, links.SHORT_PATH)
        assert short.headers["Location"] == f"https://{TEAMS_HOST}/meet/{links.MEETING_ID}?p={PASSCODE}"
        launcher = await client.get(LIVE_HOST, f"/meet/{links.MEETING_ID}?p={PASSCODE}")
        page = await client.get(LIVE_HOST, launcher.headers["Location"])
        assert "/light-meetings/launch?" in await page.text()
        light = await client.get(TEAMS_HOST, links.light_path("wrong"))
        assert 'data-passcode="wrong"' in await light.text()
        policy = light.headers["Content-Security-Policy"]
        assert "require-trusted-types-for 'script'" in policy
        assert "ws://localhost:*" in policy.split("connect-src")[1].split(";")[0]


@pytest.mark.parametrize("path", ["/", "/meet/1", "/light-meetings/launch?coords=%21", "/v2/"])
async def test_other_addresses_show_the_page_for_wrong_links(path: str) -> None:
    async with running() as (replica, _, client):
        page = await client.get(TEAMS_HOST, path)
        assert 'data-text="wrong_linkTitle"' in await page.text()
        assert [what for _, what in replica.sent_to_page] == ["wrong_link"]


async def test_a_sign_in_wall_at_the_link_redirects_to_the_sign_in_page() -> None:
    async with running(TeamsPage(wall="sign_in_redirect", wall_at="link")) as (replica, _, client):
        page = await client.get(TEAMS_HOST, links.light_path(PASSCODE))
        assert page.headers["Location"].startswith(f"https://{LOGIN_HOST}/")
        assert 'name="loginfmt"' in await (await client.get(LOGIN_HOST, "/common/oauth2")).text()
        assert [what for _, what in replica.sent_to_page] == ["sign_in_page"]


async def test_a_visit_goes_from_the_lobby_to_the_end_of_the_meeting() -> None:
    async with running(TeamsPage(lobby=3600.0, lobby_text="shortly")) as (replica, media, client):
        assert (await client.wait_in_lobby())["text"] == "shortly"
        accepted = json.loads((await client.next_request("call/acceptance/"))["body"])["callAcceptance"]
        assert accepted["callLabel"] == accepted["controllerName"] == "lobby"
        assert accepted["mediaContent"]["blob"] == "lobby's answer to page's offer"
        assert replica.admitted_at is None
        replica.admit_now()
        assert (await client.shown("call"))["name"] == replica.bot_name == "Stems"
        assert replica.admitted_at is not None
        await client.connect()
        await client.next_request("rosterUpdate/")
        assert b'"dsh"' in await asyncio.wait_for(media.messages.get(), PATIENCE)
        await client.tell("chat", text="I record this")
        media.finished.set()
        end = await client.next_request("conversation/conversationEnd/")
        assert json.loads(end["body"])["subCode"] == 5003
        await client.shown("host_ended")
        assert await replica.wait_ended() == "host_ended"
        assert replica.chat == ["I record this"]
        shown = ["pre-join", "connecting", "lobby", "call", "host_ended"]
        assert [what for _, what in replica.sent_to_page] == shown


@pytest.mark.parametrize(
    ("page", "screen", "sub_code", "unknown"),
    [
        (TeamsPage(lobby=0.0, verdict="denied"), "denied", 5854, None),
        (TeamsPage(lobby=0.0, verdict="declined", told_by="frames"), "declined", 5854, "ended"),
        (TeamsPage(lobby=0.0, verdict="anonymous_disabled"), "anonymous_disabled", 5723, None),
        (TeamsPage(lobby=0.0, verdict="removed"), "removed", 5300, None),
        (TeamsPage(lobby=0.0, verdict="denied", told_by="page"), "denied", None, None),
        (TeamsPage(lobby=0.0, verdict="unanswered"), "unanswered", None, None),
        (TeamsPage(lobby=0.0, encrypted=True), "encrypted", None, None),
    ],
)
async def test_a_guest_who_is_not_admitted_sees_the_screen_and_gets_the_end_frame(
    page: TeamsPage, screen: str, sub_code: int | None, unknown: str | None
) -> None:
    async with running(page) as (replica, _, client):
        await client.ask_to_join()
        assert (await client.shown(screen))["unknown"] == unknown
        assert await replica.wait_ended() == screen
        if sub_code is not None:
            end = await client.next_request("conversationEnd/")
            assert json.loads(end["body"])["subCode"] == sub_code
        else:
            with pytest.raises(TimeoutError):
                await client.next_request("conversationEnd/", within=NOTHING_COMES)


@pytest.mark.parametrize(
    ("ends_by", "paths"), [("conversation", ["conversationEnd/"]), ("leg", ["call/end/"])]
)
async def test_one_of_the_end_frames_may_come_alone(ends_by: Any, paths: list[str]) -> None:
    page = TeamsPage(lobby=0.0, verdict="denied", ends_by=ends_by, end_sub_code=5002)
    async with running(page) as (_, _, client):
        await client.ask_to_join()
        await client.shown("denied")
        request = await client.next_request("/")
        assert request["url"].endswith(paths[0])
        assert json.loads(request["body"])["subCode"] == 5002
        with pytest.raises(TimeoutError):
            await client.next_request("/", within=NOTHING_COMES)


async def test_captions_begin_when_the_page_asks_for_them() -> None:
    signals = TeamsSignals(dominance=False, captions_lag=0.3)
    async with running(TeamsPage(lobby=0.0, signals=signals)) as (_, media, client):
        media.said = [Utterance(0, 414, 0.0, 3.0)]
        await client.join()
        await client.tell("captions")
        message = await asyncio.wait_for(media.messages.get(), PATIENCE)
        assert b"recognitionResults" in message


async def test_the_whole_list_is_the_answer_to_a_request() -> None:
    async with running() as (_, _, client):
        await client.ask_to_join()
        assert (await client.shown("call"))["lists"] is True
        await client.connect()
        frame = roster_of(await client.next_request("rosterUpdate/"))
        assert {entry["details"]["displayName"] for entry in frame.values()} == {"Stems"}
        answer = await client.get(TEAMS_HOST, "/replica/flightproxy/conv/roster")
        listed = (await answer.json())["conversation"]["participants"]
        assert {entry["details"]["displayName"] for entry in listed.values()} == {"Ada", "Stems"}


@pytest.mark.parametrize("order", ["first", "later"])
async def test_frames_of_another_call_come_before_or_after_ours(order: Any) -> None:
    signals = TeamsSignals(whole_list="frames", other_call=order)
    async with running(TeamsPage(lobby=0.0, signals=signals)) as (_, _, client):
        await client.join()
        names = [
            {entry["details"]["displayName"] for entry in roster_of(request).values()}
            for request in [await client.next_request("rosterUpdate/") for _ in range(2)]
        ]
        ours, theirs = {"Ada", "Stems"}, {"Stranger 1"}
        assert names == ([theirs, ours] if order == "first" else [ours, theirs])


@pytest.mark.parametrize("wall", ["captcha", "wrong_id", "sign_in_verify", "sign_in_redirect"])
async def test_a_wall_appears_after_join(wall: Any) -> None:
    async with running(TeamsPage(wall=wall)) as (_, _, client):
        await client.ask_to_join()
        await client.shown(wall)


@pytest.mark.parametrize("passcode", ["", "else"])
async def test_a_wrong_passcode_shows_the_page_for_a_wrong_id(passcode: str) -> None:
    async with running() as (_, _, client):
        await client.ask_to_join(passcode)
        await client.shown("wrong_id")


async def test_the_first_attempts_to_connect_fail_also_after_a_reload() -> None:
    async with running(TeamsPage(lobby=0.0, connection_failures=2)) as (_, _, client):
        await client.ask_to_join()
        await client.shown("not_connected")
        await client.tell("dismissed")
        await client.ask_to_join()  # also after a reload, the failures go on
        await client.shown("not_connected")
        await client.tell("dismissed")
        await client.shown("pre-join")
        await client.tell("ask_to_join", name="Stems", passcode=None)
        await client.shown("call")


async def test_the_lobby_first_waits_for_the_organizer() -> None:
    async with running(TeamsPage(starts_after=0.05, lobby=0.05)) as (_, _, client):
        assert (await client.wait_in_lobby())["text"] == "not_started"
        assert (await client.shown("lobby"))["text"] == "soon"
        await client.shown("call")


async def test_withheld_signals_are_not_sent() -> None:
    signals = TeamsSignals(frames_after=None, objects_after=0.1, dominance=False)
    async with running(TeamsPage(lobby=0.0, signals=signals)) as (replica, media, client):
        await client.join()
        objects = [(await client.hear("people"))["objects"] for _ in range(2)]
        assert objects == [False, True]
        assert media.messages.empty()
        replica.remove_bot()
        leg, end = await client.next_request("/"), await client.next_request("/")
        assert leg["url"].endswith("/call/end/"), "no roster frame came before"
        assert end["url"].endswith("conversationEnd/")
        assert {json.loads(each["body"])["subCode"] for each in (leg, end)} == {5300}


async def test_more_audio_lines_are_negotiated_during_the_call() -> None:
    async with running() as (_, media, client):
        await client.join()
        await asyncio.wait_for(media.messages.get(), PATIENCE)
        assert media.on_renegotiate
        renegotiating = asyncio.ensure_future(media.on_renegotiate())
        assert (await client.hear("offer"))["sdp"] == "one line more"
        await client.tell("answer", sdp="more")
        await renegotiating
        assert media.answers == ["page's answer", "more"]


async def test_hiding_the_recording_notice_gets_the_bot_removed() -> None:
    async with running(TeamsPage(lobby=0.0, recording_notice=True)) as (replica, _, client):
        await client.join()
        await client.tell("banner_hidden")
        assert await replica.wait_ended() == "removed"
