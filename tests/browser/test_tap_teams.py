"""What the tap records of a Teams page besides audio; the page cannot notice it."""

from __future__ import annotations

import json

from playwright.async_api import Route, WebSocketRoute

from tests.support.loopback import HTML, Loopback, until
from worker.browser.launch import BrowserSession, new_context
from worker.browser.tap import Tap
from worker.platforms.registry import PLATFORMS, Platform
from worker.tape.events import ChannelMessage, PageFault, PageObjects, RosterResponse, SocketMessage

HOST = "https://teams.microsoft.com"
SOCKET = "wss://trouter.teams.microsoft.com/v4/c?token=secret"


async def open_page(session: BrowserSession) -> Loopback:
    """The loopback page at an address of Teams, with a WebSocket that sends messages when it opens."""
    context = await new_context(session)
    loopback = Loopback()

    def greet(socket: WebSocketRoute) -> None:
        for message in ('3:::{"url":"Grüße"}', "5:::{}", b"3:::{}", "3:::2"):
            socket.send(message)

    async def serve(route: Route) -> None:
        await route.fulfill(body=HTML, content_type="text/html")

    await context.route_web_socket("wss://trouter.teams.microsoft.com/**", greet)
    loopback.tap = await Tap.attach(context, loopback.hear, PLATFORMS[Platform.MICROSOFT_TEAMS].page_scripts)
    loopback.page = await context.new_page()
    await context.route(f"{HOST}/**", serve)
    await loopback.page.goto(f"{HOST}/")
    return loopback


async def test_roster_frames_are_forwarded(browser_session: BrowserSession) -> None:
    loopback = await open_page(browser_session)
    heard = await loopback.page.evaluate(
        """url => new Promise((resolve) => {
          const heard = [];
          const socket = new WebSocket(url);
          socket.onmessage = ({ data }) => {
            heard.push(typeof data);
            if (heard.length === 4) resolve(heard);
          };
        })""",
        SOCKET,
    )
    assert heard == ["string", "string", "object", "string"]
    await until(lambda: len(loopback.of(SocketMessage)) == 2)
    messages = loopback.of(SocketMessage)
    assert [message.payload for message in messages] == ['3:::{"url":"Grüße"}'.encode(), b"3:::2"]
    assert {message.url for message in messages} == {"wss://trouter.teams.microsoft.com/v4/c"}
    assert loopback.of(PageFault) == []


async def test_sockets_and_channels_behave_as_before(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    seen = await loopback.page.evaluate(
        """() => {
          class Own extends WebSocket {}
          const error = (run) => { try { run(); return ""; } catch (error) { return error.name; } };
          const [socket, own] = [new WebSocket("wss://127.0.0.1:9/"), new Own("wss://127.0.0.1:9/", ["chat"])];
          socket.onerror = own.onerror = () => {};
          const channel = new RTCPeerConnection().createDataChannel("main-channel");
          return [
            socket instanceof WebSocket && own instanceof Own && own instanceof WebSocket,
            socket.constructor === WebSocket,
            WebSocket.name === "WebSocket" && WebSocket.length === 1 && WebSocket.OPEN === 1,
            String(WebSocket).includes("[native code]"),
            !Object.keys(window).includes("WebSocket"),
            error(() => WebSocket("wss://127.0.0.1:9/")) === "TypeError",
            error(() => new WebSocket("ftp://x")) === "SyntaxError",
            channel.send.name === "send" && channel.send.length === 1,
            error(() => channel.send("too early")) === "InvalidStateError",
            error(() => RTCDataChannel.prototype.send.call({}, "x")) === "TypeError",
          ];
        }"""
    )
    assert seen == [True] * 10
    assert loopback.of(PageFault) == []


async def test_messages_that_the_page_sends_on_the_main_channel_are_recorded(
    browser_session: BrowserSession,
) -> None:
    loopback = await open_page(browser_session)
    await loopback.page.evaluate(
        """async () => {
          connect();
          const [main, other] = [b.createDataChannel("main-channel"), b.createDataChannel("other")];
          const opened = (channel) => new Promise((resolve) => (channel.onopen = resolve));
          const open = [opened(main), opened(other)];
          await negotiate(b, a);
          await Promise.all(open);
          const bytes = new Uint8Array([7, 1, 2, 3]);
          for (const channel of [main, other]) {
            channel.send("text");
            channel.send(bytes.subarray(1));
            channel.send(bytes.buffer);
          }
          bytes.fill(9);
        }"""
    )
    await until(lambda: len([each for each in loopback.of(ChannelMessage) if each.sent]) == 3)
    sent = [each for each in loopback.of(ChannelMessage) if each.sent]
    assert [each.payload for each in sent] == [b"text", b"\x01\x02\x03", b"\x07\x01\x02\x03"]
    assert {each.label for each in sent} == {"main-channel"}
    assert loopback.of(PageFault) == []


async def test_answers_that_list_participants_are_forwarded(browser_session: BrowserSession) -> None:
    loopback = await open_page(browser_session)
    service = f"{HOST}/api.flightproxy/ep/conv/call-1"
    bodies = {"1": '{"participants":{}}', "2": '{"state":"ok"}', "3": '{"participants":{"Grüße":1}}'}

    async def answer(route: Route) -> None:
        name = route.request.url.partition("n=")[2]
        await route.fulfill(body=bodies[name], content_type="application/json; charset=utf-8")

    await loopback.page.context.route("**/api*", answer)
    await loopback.page.context.route("**/api*/**", answer)
    heard = await loopback.page.evaluate(
        """async (service) => {
          const texts = [];
          for (const address of [`${service}?n=1`, `${service}?n=2`, "/api/users?n=1"])
            texts.push(await (await fetch(address)).text());
          for (const type of ["", "json", "arraybuffer"]) {
            const request = new XMLHttpRequest();
            request.open("GET", `${service}?n=3`);
            request.responseType = type;
            await new Promise((resolve) => { request.onload = resolve; request.send(); });
            texts.push(typeof request.response);
          }
          return texts;
        }""",
        service,
    )
    assert heard == [bodies["1"], bodies["2"], bodies["1"], "string", "object", "object"]
    await until(lambda: len(loopback.of(RosterResponse)) == 4)
    assert [each.payload.decode() for each in loopback.of(RosterResponse)] == [
        bodies["1"],
        *[bodies["3"]] * 3,
    ]
    assert {each.url for each in loopback.of(RosterResponse)} == {service}
    assert loopback.of(PageFault) == []


def sources(objects: PageObjects) -> list[list[int]]:
    return [each["sources"] for each in json.loads(objects.payload)["participants"]]


async def test_the_participants_in_the_pages_objects_are_recorded(browser_session: BrowserSession) -> None:
    loopback = await open_page(browser_session)
    await loopback.page.evaluate(
        """async () => {
          const person = (id, displayName, source) => ({
            id, displayName, state: "active", meetingRole: "presenter",
            hasAudioSource: (csrc) => csrc === (window.moved ? undefined : source),
          });
          connect();
          const channel = a.createDataChannel("main-channel");
          b.createDataChannel("main-channel");
          const opened = new Promise((resolve) => (channel.onopen = resolve));
          await negotiate(a, b);
          await opened;
          channel.send('\\0\\u0001[{"type":"dsh","history":[414, 9]}]');
          const participants = [person("ada", "Ada\\ud83d", 414), { id: 7 }, null,
            { mri: "bob", displayName: "Bob", hasAudioSource: (csrc) => window.moved && csrc === 414 }];
          const call = { participants, callerMri: "bot" };
          window.msteamscalling = { deref: () => ({ callingService: { getActiveCall: () => call } }) };
        }"""
    )
    await until(lambda: any(b"414" in each.payload for each in loopback.of(PageObjects)))
    (last,) = [each for each in loopback.of(PageObjects) if b"414" in each.payload]
    assert last.origin == "msteamscalling"
    assert json.loads(last.payload) == {
        "us": "bot",
        "participants": [
            {"id": "ada", "name": "Ada\ufffd", "state": "active", "role": "presenter", "sources": [414]},
            {"id": "bob", "name": "Bob", "state": "", "role": "", "sources": []},
        ],
    }
    await loopback.page.evaluate("window.moved = true")
    await until(lambda: sources(loopback.of(PageObjects)[-1]) == [[], [414]])
    await loopback.page.evaluate(
        "window.callingDebug = { get observableCall() { throw new Error('not yours'); } }"
    )
    await until(lambda: loopback.of(PageFault))
    assert loopback.of(PageFault)[0].message == "Error: not yours"
    assert len(loopback.of(PageFault)) == 1
