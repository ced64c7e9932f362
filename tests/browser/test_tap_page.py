"""What the page can notice of the tap: only that encoded audio is not available."""

from __future__ import annotations

from tests.support.loopback import ORIGIN, Loopback, until
from worker.browser.launch import BrowserSession
from worker.tape.events import (
    ChannelMessage,
    ConnectionStateChanged,
    PageFault,
    ReceiverReport,
    RosterResponse,
    Tile,
    TilesSeen,
)


async def test_encoded_streams_are_not_available(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    seen = await loopback.page.evaluate(
        """() => {
          const connection = new RTCPeerConnection({ encodedInsertableStreams: true, iceCandidatePoolSize: 3 });
          connection.setConfiguration({ encodedInsertableStreams: true, iceCandidatePoolSize: 3 });
          return {
            receiver: "createEncodedStreams" in RTCRtpReceiver.prototype,
            sender: "createEncodedStreams" in RTCRtpSender.prototype,
            encoded: connection.getConfiguration().encodedInsertableStreams ?? false,
            pool: connection.getConfiguration().iceCandidatePoolSize,
          };
        }"""
    )
    assert seen == {"receiver": False, "sender": False, "encoded": False, "pool": 3}


async def test_the_peer_connection_constructor_behaves_as_before(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    seen = await loopback.page.evaluate(
        """async () => {
          class Own extends RTCPeerConnection {}
          const [connection, own] = [new RTCPeerConnection(), new Own({ iceServers: [] })];
          const error = (run) => { try { run(); return ""; } catch (error) { return error.name; } };
          return [
            connection instanceof RTCPeerConnection,
            own instanceof Own && own instanceof RTCPeerConnection,
            connection.constructor === RTCPeerConnection,
            RTCPeerConnection.name === "RTCPeerConnection" && RTCPeerConnection.length === 0,
            RTCPeerConnection === webkitRTCPeerConnection,
            (await RTCPeerConnection.generateCertificate({ name: "ECDSA", namedCurve: "P-256" })) instanceof RTCCertificate,
            String(RTCPeerConnection).includes("[native code]"),
            !Object.keys(window).includes("RTCPeerConnection"),
            error(() => RTCPeerConnection()) === "TypeError",
            error(() => new RTCPeerConnection({ iceServers: 7 })) === "TypeError",
            connection.addTransceiver.name === "addTransceiver",
            error(() => connection.addTransceiver("smell")) === "TypeError",
            (await connection.setRemoteDescription({ type: "answer", sdp: "x" }).catch((error) => error.name)) !== undefined,
          ];
        }"""
    )
    assert seen == [True] * 13
    assert loopback.of(PageFault) == []


async def test_the_tap_adds_no_global_names(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    names = await loopback.page.evaluate(
        """() => {
          const frame = document.createElement("iframe");
          frame.sandbox = "";  // a document of its own origin: its window has only the standard's names
          document.body.append(frame);
          return Object.getOwnPropertyNames(window);
        }"""
    )
    ours = {
        "CONFIG",
        "start",
        "Tap",
        "PageEvents",
        "Connections",
        "Tiles",
        "Watchdog",
        "observeMethod",
        "addListener",
    }
    assert not ours & set(names)
    assert not [name for name in names if name.startswith("tap")]


async def test_fetch_is_observed_and_behaves_as_before(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    seen = await loopback.page.evaluate(
        """async () => {
          const url = "/$rpc/google.rtc.meetings.v1.MeetingSpaceService/SyncMeetingSpaceCollections?key=secret";
          const body = await (await fetch(url, { method: "POST", body: "?" })).text();
          const request = new XMLHttpRequest();
          request.open("GET", url);
          const loaded = new Promise((resolve) => request.addEventListener("loadend", resolve));
          request.send();
          await loaded;
          const broken = await fetch("/broken").catch((error) => error.constructor.name);
          const aborted = await fetch(url, { signal: AbortSignal.abort() }).catch((error) => error.name);
          const illegal = await fetch().catch((error) => error.name);
          return [body, request.responseText, broken, aborted, illegal, fetch.name, fetch.length];
        }"""
    )
    assert seen == ["cm9zdGVy", "cm9zdGVy", "TypeError", "AbortError", "TypeError", "fetch", 1]
    await until(lambda: len(loopback.of(RosterResponse)) == 2)
    for response in loopback.of(RosterResponse):
        assert response.payload == b"cm9zdGVy"
        assert response.url == (
            f"{ORIGIN}/$rpc/google.rtc.meetings.v1.MeetingSpaceService/SyncMeetingSpaceCollections"
        )
    assert loopback.of(PageFault) == []


async def test_messages_of_data_channels_of_both_ends_are_recorded(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """async () => {
          connect();
          const [theirs, blobs] = [a.createDataChannel("collections"), a.createDataChannel("blobs")];
          const ours = b.createDataChannel("media-director");
          hear(ours);
          b.addEventListener("datachannel", ({ channel }) => {
            channel.binaryType = channel.label === "blobs" ? "blob" : "arraybuffer";
          });
          const answering = new Promise((resolve) => (a.ondatachannel = ({ channel }) => resolve(channel)));
          const opened = (channel) => new Promise((resolve) => (channel.onopen = resolve));
          const open = [opened(theirs), opened(blobs), opened(ours)];
          await negotiate(a, b);
          await Promise.all(open);
          for (const channel of [theirs, blobs, await answering]) {
            channel.send("Grüße");
            channel.send(new Uint8Array([0, 1, 255]));
            channel.send("last");
          }
        }"""
    )
    await until(lambda: len(loopback.of(ChannelMessage)) == 9)
    messages = loopback.of(ChannelMessage)
    for label in ("collections", "blobs", "media-director"):
        payloads = [message.payload for message in messages if message.label == label]
        assert payloads == ["Grüße".encode(), b"\x00\x01\xff", b"last"]
        assert {message.connection for message in messages} == {1}
    heard = await loopback.page.evaluate("heard.messages")
    assert [kind for label, kind in heard if label == "collections"] == ["String", "ArrayBuffer", "String"]
    assert [kind for label, kind in heard if label == "blobs"] == ["String", "Blob", "String"]
    assert len(heard) == 9


async def test_tiles_are_sent_when_they_change(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        """() => {
          document.body.insertAdjacentHTML("beforeend", `
            <div data-participant-id="spaces/x/devices/1"><span class="notranslate"> Ada L. </span></div>
            <div data-participant-id="spaces/x/devices/2"><i data-ssrc="6667"></i><b data-self-name="You">Bot</b></div>
            <div data-participant-id="spaces/x/devices/2" aria-label="Bot"><i data-ssrc="6668"></i></div>
            <div data-participant-id="spaces/x/devices/3" data-ssrc="9"></div>
            <div data-participant-id></div>`);
        }"""
    )
    await until(lambda: loopback.of(TilesSeen))
    assert loopback.of(TilesSeen)[0].tiles == [
        Tile(participant_id="spaces/x/devices/1", name="Ada L.", sources=[]),
        Tile(participant_id="spaces/x/devices/2", name="Bot", sources=["6667", "6668"]),
        Tile(participant_id="spaces/x/devices/3", name="", sources=["9"]),
    ]
    await loopback.page.evaluate("document.body.insertAdjacentHTML('beforeend', '<p>Nothing new</p>')")
    await loopback.page.evaluate(
        "document.querySelector('[data-ssrc=\"9\"]').setAttribute('data-ssrc', '10')"
    )
    await until(lambda: len(loopback.of(TilesSeen)) == 2)
    assert loopback.of(TilesSeen)[1].tiles[2].sources == ["10"]
    await loopback.page.evaluate("document.querySelector('.notranslate').textContent = 'A\\ud83d'")
    await until(lambda: len(loopback.of(TilesSeen)) == 3)
    assert loopback.of(TilesSeen)[2].tiles[0].name == "A\ufffd"


ICON = '<i class="google-material-icons notranslate" aria-hidden="true">keep_outline</i>'
TILE = f"""<div data-participant-id="spaces/x/devices/1" data-tile-media-id="spaces/x/devices/1">
  <div data-ssrc="7"><video></video></div>
  <button aria-label="Pin Ada L. to your main screen">{ICON}</button>
  <div role="button" aria-label="More options for Ada L."><span class="google-symbols notranslate">more_vert</span></div>
  <div>NAME<div role="tooltip" aria-hidden="true">Ada L.</div></div>
  <i class="google-symbols notranslate">devices</i><span class="notranslate" aria-hidden="true">stale</span></div>"""
LINE = f"""<div role="list" aria-label="Waiting to join"><div role="listitem" data-participant-id="spaces/x/devices/2"
  aria-label="Ben Own">{ICON}<span class="notranslate">Ben</span><button aria-label="Admit Ben Own"></button></div></div>"""
LABELS = ["Pin Ada L. to your main screen", "More options for Ada L."]


async def test_a_tiles_name_is_never_that_of_an_icon(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    named = TILE.replace("NAME", '<span class="notranslate"> Ada L. </span>')
    await loopback.page.evaluate(
        "(html) => document.body.insertAdjacentHTML('beforeend', html)", named + LINE
    )
    await until(lambda: loopback.of(TilesSeen))
    assert loopback.of(TilesSeen)[0].tiles == [
        Tile(participant_id="spaces/x/devices/1", name="Ada L.", sources=["7"], labels=LABELS),
        Tile(
            participant_id="spaces/x/devices/2",
            name="Ben Own",
            sources=[],
            labels=["Admit Ben Own"],
            listed_in="Waiting to join",
        ),
    ]


async def test_a_tile_of_icons_alone_has_no_name(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        "(html) => document.body.insertAdjacentHTML('beforeend', html)",
        TILE.replace("NAME", "") + TILE.replace("NAME", ""),
    )
    await until(lambda: loopback.of(TilesSeen))
    assert loopback.of(TilesSeen)[0].tiles == [
        Tile(participant_id="spaces/x/devices/1", name="", sources=["7"], labels=LABELS)
    ]


async def test_a_person_in_the_call_is_in_no_list_of_waiting_people(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(
        "(html) => document.body.insertAdjacentHTML('beforeend', html)",
        LINE + '<div data-participant-id="spaces/x/devices/2"></div>',
    )
    await until(lambda: loopback.of(TilesSeen))
    assert [tile.listed_in for tile in loopback.of(TilesSeen)[0].tiles] == [""]


SPOILED_CALL = """() => void setTimeout(async () => {
  const audio = new Audio();
  audio.autoplay = true;
  const track = tone(300);
  const stream = new MediaStream([track]);
  const spoil = () => { throw new Error("spoiled"); };
  const WebSocketBefore = WebSocket, transform = Object.getOwnPropertyDescriptor(RTCRtpReceiver.prototype, "transform");
  const bytes = new Uint8Array([9, 1, 2, 9]).subarray(1, 3), view = new DataView(new Uint8Array([9, 3, 4, 9]).buffer, 1, 2);
  const define = Reflect.defineProperty;
  const stringify = JSON.stringify;
  const iterator = (values) => Object.getPrototypeOf(values[Symbol.iterator]());
  // Without what Playwright's own binding uses: Promise, JSON of its calls, arrays, and get, set and delete of a Map.
  const spoiled = [
    [Map.prototype, ["forEach", "values", "entries", "keys", "has", "clear", "size"]],
    [Promise, ["all", "race", "resolve", "reject"]],
    [Reflect, ["apply", "construct", "defineProperty", "ownKeys"]],
    [Date, ["now"]],
    [RTCRtpReceiver.prototype, ["getStats", "track", "getContributingSources"]],
    [RTCPeerConnection.prototype, ["getReceivers", "connectionState", "iceConnectionState", "signalingState"]],
    [EventTarget.prototype, ["addEventListener", "removeEventListener", "dispatchEvent"]],
    [Event.prototype, ["preventDefault", "type", "target"]],
    [ErrorEvent.prototype, ["message"]],
    [CustomEvent.prototype, ["detail"]],
    [Uint8Array.prototype, ["constructor"]],
    // Fields of messages between our scripts, and traps of a Proxy.
    [Object.prototype, ["frames", "tally", "flushed", "fault", "apply", "construct", "getPrototypeOf", "has", "ownKeys"]],
    [Array.prototype, ["entries", "keys", "values", "shift", "splice", "pop", "concat", "at"]],
    [RTCDataChannel.prototype, ["label"]],
    [MessageEvent.prototype, ["data"]],
    [RTCTrackEvent.prototype, ["receiver"]],
    [RTCDataChannelEvent.prototype, ["channel"]],
    [MediaStreamTrack.prototype, ["kind"]],
    [iterator(new Map()), ["next"]], [iterator(new Set()), ["next"]],
    [window, [
      "setInterval", "setTimeout", "Set", "WeakMap", "Uint8Array", "TextEncoder", "TextDecoder", "Worker", "Blob", "URL",
      "String", "MessageEvent", "RTCTrackEvent", "RTCDataChannelEvent", "RTCRtpScriptTransform", "performance",
      "Event", "CustomEvent", "ErrorEvent", "WeakSet", "WeakRef", "ArrayBuffer", "DataView", "Number", "Date", "RegExp",
      "structuredClone", "queueMicrotask", "dispatchEvent", "addEventListener", "postMessage", "clearTimeout", "clearInterval",
      "MutationObserver", "Response", "XMLHttpRequest", "WebSocket", "RTCDataChannel", "RTCRtpReceiver", "MediaStreamTrack",
      "Symbol", "crypto", "btoa", "atob", "requestAnimationFrame", "parseInt", "isNaN", "encodeURIComponent",
    ]],
  ];
  for (const type of [
    Set, WeakMap, Promise, String, RegExp, Uint8Array, Object.getPrototypeOf(Uint8Array), TextEncoder, TextDecoder,
    Worker, RTCStatsReport, Performance, URL, Blob, DataView, ArrayBuffer, Number, MutationObserver, Response, XMLHttpRequest,
  ]) {
    const names = Reflect.ownKeys(type.prototype).filter((name) => name !== "constructor");
    spoiled.push([type.prototype, names]);
  }
  for (let i = 0; i < spoiled.length; i += 1) {
    const owner = spoiled[i][0], names = spoiled[i][1];
    for (let j = 0; j < names.length; j += 1) define(owner, names[j], { value: spoil, writable: true });
  }
  define(JSON, "stringify", { value: (value) => (value.serializedArgs ? stringify(value) : spoil()) });
  define(Array.prototype, "toJSON", { value: function () { return typeof this[0] === "string" ? this : spoil(); } });
  define(Object.prototype, "toJSON", { value: function () { return "serializedArgs" in this ? this : spoil(); } });
  const a = new RTCPeerConnection(), b = new RTCPeerConnection();
  // Traps that a hook has not are looked up in Object.prototype, unless it has none.
  const hooked = [RTCPeerConnection, WebSocketBefore, a.addTrack, a.setConfiguration];
  for (let i = 0; i < hooked.length; i += 1) Object.getPrototypeOf(hooked[i]);
  Object.getPrototypeOf(transform.set);
  a.onicecandidate = (event) => void b.addIceCandidate(event.candidate);
  b.onicecandidate = (event) => void a.addIceCandidate(event.candidate);
  b.ontrack = (event) => { audio.srcObject = event.streams[0]; };
  const channel = a.createDataChannel("collections"), main = a.createDataChannel("main-channel");
  channel.onopen = () => {
    channel.send("hello");
    channel.send(bytes);
  };
  main.onopen = () => main.send(view);
  a.addTrack(track, stream);
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
}, 0)"""


async def test_a_page_that_replaces_the_built_ins_is_recorded(browser_session: BrowserSession) -> None:
    loopback = await Loopback.open(browser_session)
    await loopback.page.evaluate(SPOILED_CALL)
    await until(lambda: loopback.of(PageFault) or len(loopback.frames) >= 250)
    await until(lambda: loopback.of(ReceiverReport))
    assert await loopback.tap.flush(5.0)
    messages = loopback.of(ChannelMessage)
    assert [each.payload for each in messages if each.label == "collections"] == [b"hello", b"\1\2"]
    assert [(each.payload, each.sent) for each in messages if each.label == "main-channel"] == [
        (b"\3\4", True),
        (b"\3\4", False),
    ]
    assert [each.state for each in loopback.of(ConnectionStateChanged)][-1] == "connected"
    assert loopback.tap.last_heartbeat is not None
    loopback.assert_nothing_lost()
