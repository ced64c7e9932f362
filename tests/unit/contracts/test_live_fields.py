from __future__ import annotations

from typing import Any

import pytest

from tests.support.job_parts import parse
from tests.support.malformed_jobs import LINK
from worker.contracts.job import Job
from worker.contracts.live_endpoints import AUDIO_OPUS, LiveForm, Transport
from worker.contracts.live_fields import (
    LONGEST_HEADER,
    LONGEST_URL,
    MOST_ENDPOINTS,
    MOST_HEADERS,
    MOST_METADATA_BYTES,
    schemes_of,
    without_headers,
)
from worker.streaming.request_headers import user_headers

CONFIG = "recording_config.realtime_endpoints"
WEBSOCKET = {"type": "websocket", "url": "wss://live.example/x", "events": ["audio_separate_raw.data"]}
WEBHOOK = {"type": "webhook", "url": "https://live.example/x", "events": ["participant_events.join"]}
SERVED = [
    "participant_events.join",
    "participant_events.leave",
    "participant_events.update",
    "participant_events.speech_on",
    "participant_events.speech_off",
    "participant_events.screenshare_on",
    "participant_events.screenshare_off",
    "participant_events.webcam_on",
    "participant_events.webcam_off",
    "participant_events.chat_message",
]
AUDIO = ["audio_separate_raw.data", "audio_mixed_raw.data", AUDIO_OPUS]
NOT_SERVED = [
    "video_separate_png.data",
    "video_separate_h264.data",
    "transcript.data",
    "transcript.partial_data",
    "transcript.provider_data",
    "participant_events.waved",
    "nonsense",
]


def recall(*endpoints: object) -> Job:
    return parse(meeting_url=LINK, recording_config={"realtime_endpoints": list(endpoints)})


def meetstream(*endpoints: object, **fields: Any) -> Job:
    config = {"recording_config": {"realtime_endpoints": list(endpoints)}} if endpoints else {}
    return parse(meeting_link=LINK, **config, **fields)


def test_a_job_without_the_fields_has_no_endpoints() -> None:
    for job in (
        parse(meeting_link=LINK),
        parse(meeting_url=LINK),
        parse(meeting_url=LINK, recording_config={"realtime_endpoints": None}),
        parse(meeting_link=LINK, live_audio_required=None),
        recall(),
    ):
        assert (job.live, job.ignored) == ((), [])


def test_an_endpoint_of_recall_has_what_was_given() -> None:
    given = {**WEBSOCKET, "events": [*AUDIO, *SERVED], "metadata": {"a": "b"}, "headers": {"X-Key": "k"}}
    job = recall(given, WEBHOOK)
    first, second = job.live
    assert (first.number, first.form, first.transport) == (0, LiveForm.RECALL, Transport.WEBSOCKET)
    assert first.url == WEBSOCKET["url"]
    assert first.events == (*AUDIO, *SERVED)
    assert (first.metadata, first.headers) == ({"a": "b"}, {"X-Key": "k"})
    assert first.wants_audio
    assert (second.number, second.transport, second.events) == (1, Transport.WEBHOOK, (SERVED[0],))
    assert not second.wants_audio
    assert second.field == f"{CONFIG}.1.url"
    assert job.ignored == []


def test_meetstreams_live_audio_is_the_first_endpoint() -> None:
    audio = {"websocket_url": "wss://audio.example/x"}
    job = meetstream(WEBHOOK, live_audio_required=audio)
    first, second = job.live
    assert (first.number, first.form, first.transport) == (0, LiveForm.MEETSTREAM_AUDIO, Transport.WEBSOCKET)
    assert (first.url, first.field) == (audio["websocket_url"], "live_audio_required.websocket_url")
    assert (second.number, second.form, second.events) == (
        1,
        LiveForm.MEETSTREAM,
        ("participant_events.join",),
    )
    assert job.ignored == []
    assert meetstream(WEBHOOK).live[0].number == 0


@pytest.mark.parametrize("event", NOT_SERVED)
def test_an_event_that_is_not_served_is_listed_and_costs_no_other(event: str) -> None:
    job = recall({**WEBSOCKET, "events": [event, AUDIO[0]]})
    assert [endpoint.events for endpoint in job.live] == [(AUDIO[0],)]
    assert job.ignored == [f"{CONFIG}.0.events.{event}"]
    assert job.body["recording_config"]["realtime_endpoints"][0]["events"] == [event, AUDIO[0]]


def test_an_event_is_served_where_its_vendor_and_type_have_it() -> None:
    job = recall({**WEBHOOK, "events": [*AUDIO, *SERVED]})
    assert job.live[0].events == tuple(SERVED)
    assert job.ignored == [f"{CONFIG}.0.events.{event}" for event in AUDIO]
    job = meetstream({**WEBHOOK, "events": SERVED})
    assert job.live[0].events == ("participant_events.join", "participant_events.leave")
    assert job.ignored == [f"{CONFIG}.0.events.{event}" for event in SERVED[2:]]


@pytest.mark.parametrize("kind", ["rtmp", "desktop_sdk_callback", "carrier_pigeon"])
def test_an_endpoint_of_a_type_that_is_not_served_is_listed(kind: str) -> None:
    job = recall({"type": kind, "url": "rtmp://x.example/", "events": ["audio_mixed_raw.data"]}, WEBHOOK)
    assert [endpoint.number for endpoint in job.live] == [0]
    assert job.ignored == [f"{CONFIG}.0"]


def test_what_is_never_sent_anything_is_listed() -> None:
    assert recall({**WEBSOCKET, "events": []}).ignored == [f"{CONFIG}.0"]
    assert meetstream(WEBSOCKET).ignored == [f"{CONFIG}.0"]
    nothing = recall({**WEBSOCKET, "events": ["transcript.data"]})
    assert (nothing.live, nothing.ignored) == ((), [f"{CONFIG}.0.events.transcript.data"])
    assert recall({**WEBHOOK, "color": "red"}).ignored == [f"{CONFIG}.0.color"]


S3CRET = "s3cr3t-t0ken"

NO_TEXTS: list[Any] = [
    7,
    [],
    {"a": 1},
    {"a": True},
    {"a": None},
    {"a": {}},
    {"a": "x" * MOST_METADATA_BYTES},
]

WRONG: list[tuple[Any, str]] = [
    (S3CRET, CONFIG),
    ({"url": S3CRET}, CONFIG),
    ([S3CRET], f"{CONFIG}.0"),
    ([WEBHOOK] * (MOST_ENDPOINTS + 1), CONFIG),
    ([{**WEBHOOK, "type": None}], f"{CONFIG}.0.type"),
    ([{**WEBHOOK, "type": 7}], f"{CONFIG}.0.type"),
    ([{**WEBHOOK, "events": S3CRET}], f"{CONFIG}.0.events"),
    ([{**WEBHOOK, "events": [7]}], f"{CONFIG}.0.events.0"),
    *(
        ([WEBHOOK, {**endpoint, "url": url}], f"{CONFIG}.1.url")
        for endpoint, scheme in ((WEBHOOK, "https"), (WEBSOCKET, "wss"))
        for url in (
            None,
            "",
            7,
            S3CRET,
            f"ftp://live.example/{S3CRET}",
            f"{scheme}://",
            f"{scheme}://live.example/{S3CRET}#x",
            f"{scheme}://live.example/{S3CRET} x",
            f"{scheme}://live.example/{S3CRET}\n",
            f"{scheme}://[live.example/{S3CRET}",
            f"{scheme}://{S3CRET}@live.example/",
            f"{scheme}://user:{S3CRET}@live.example/",
            f"{scheme}://@live.example/{S3CRET}",
            f"{scheme}://live.example/{S3CRET}".ljust(LONGEST_URL + 1, "x"),
        )
    ),
    ([{**WEBHOOK, "url": f"wss://live.example/{S3CRET}"}], f"{CONFIG}.0.url"),
    ([{**WEBSOCKET, "url": f"https://live.example/{S3CRET}"}], f"{CONFIG}.0.url"),
    *(([{**WEBHOOK, "metadata": metadata}], f"{CONFIG}.0.metadata") for metadata in NO_TEXTS),
    *(
        ([{**WEBHOOK, "headers": headers}], f"{CONFIG}.0.headers")
        for headers in (
            S3CRET,
            [S3CRET],
            {"X-Key": 7},
            {f"x-{number}": S3CRET for number in range(MOST_HEADERS + 1)},
            {"X-Key": S3CRET, "x-key": S3CRET},
            {f"X Key {S3CRET}": "x"},
            {"": S3CRET},
        )
    ),
    *(
        ([{**WEBHOOK, "headers": {name: S3CRET}}], f"{CONFIG}.0.headers.{name}")
        for name in ("Host", "content-length", "Sec-WebSocket-Key", "webhook-id", "Transfer-Encoding")
    ),
    *(
        ([{**WEBHOOK, "headers": {"X-Key": value}}], f"{CONFIG}.0.headers.X-Key")
        for value in (
            "",
            f" {S3CRET}",
            f"{S3CRET}\r\nX-Other: 1",
            f"{S3CRET}\x00",
            f"{S3CRET}é",
            S3CRET + "x" * LONGEST_HEADER,
            "***",
        )
    ),
]


IN_BOTH_FORMS = [
    (link, endpoints, field)
    for link in ("meeting_url", "meeting_link")
    for endpoints, field in WRONG
    # MeetStream's form has no endpoint of type websocket.
    if link == "meeting_url" or "'websocket'" not in str(endpoints)
]


@pytest.mark.parametrize(("link", "endpoints", "field"), IN_BOTH_FORMS)
def test_a_wrong_value_costs_its_endpoint_and_is_named_but_not_repeated(
    link: str, endpoints: Any, field: str
) -> None:
    job = parse(**{link: LINK, "recording_config": {"realtime_endpoints": endpoints}})
    (fault,) = job.live_faults
    assert fault.message.startswith(f"job: {field}: ")
    assert "; expected " in fault.message
    assert S3CRET not in f"{fault.message} {job.ignored}"
    assert ".".join(fault.field) == field
    (left_out,) = job.ignored
    assert field.startswith(left_out)
    assert job.body["recording_config"]["realtime_endpoints"] == endpoints


WRONG_AUDIO: list[Any] = [
    S3CRET,
    7,
    True,
    [S3CRET],
    {},
    {"websocket_url": 7},
    {"websocket_url": f"https://x/{S3CRET}"},
    {"websocket_url": f"wss://{S3CRET}@live.example/"},
]


@pytest.mark.parametrize("audio", WRONG_AUDIO)
def test_a_wrong_live_audio_costs_itself_and_is_named_but_not_repeated(audio: Any) -> None:
    job = meetstream(WEBHOOK, live_audio_required=audio)
    (fault,) = job.live_faults
    assert fault.message.startswith("job: live_audio_required")
    assert S3CRET not in fault.message
    assert job.ignored == ["live_audio_required"]
    assert [endpoint.number for endpoint in job.live] == [0]


def test_endpoints_beside_a_wrong_one_are_served() -> None:
    job = recall({**WEBHOOK, "url": "x"}, WEBSOCKET, {**WEBHOOK, "metadata": {"order": 7}}, WEBHOOK)
    assert [(each.number, each.field) for each in job.live] == [
        (0, f"{CONFIG}.1.url"),
        (1, f"{CONFIG}.3.url"),
    ]
    assert job.ignored == [f"{CONFIG}.0", f"{CONFIG}.2"]
    assert len(job.live_faults) == 2


@pytest.mark.parametrize("nothing", [None, False, "", []])
def test_what_says_nothing_is_not_wrong(nothing: Any) -> None:
    job = parse(
        meeting_link=LINK, live_audio_required=nothing, recording_config={"realtime_endpoints": nothing}
    )
    assert (job.live, job.live_faults, job.ignored) == ((), (), [])


def test_a_wrong_list_costs_no_job_with_two_links() -> None:
    assert parse(
        meeting_link=LINK, meeting_url=LINK, recording_config={"realtime_endpoints": ["x"]}
    ).live_faults


def test_secrets_of_endpoints_are_hidden_wherever_the_job_hides_something() -> None:
    token = "q4Zx9kPw2LmN8vBt"
    secrets = ["quer1value", token, "he4der-value", "b34rer-token"]
    job = recall(
        {
            **WEBSOCKET,
            "url": f"wss://live.example/{token}/x?key={secrets[0]}",
            "headers": {"X-Key": secrets[2], "Authorization": f"Bearer {secrets[3]}"},
        }
    )
    text = f"cannot reach {job.live[0].url}: {' '.join(secrets)} live.example"
    hidden = job.redactor().text(text)
    assert [secret for secret in secrets if secret in hidden] == []
    assert "live.example" in hidden
    assert [secret for secret in secrets if secret in f"{job!r} {job.live!r}"] == []


@pytest.mark.parametrize(
    "name",
    [
        "Content-Encoding",
        "User-Agent",
        "X-MeetStream-Signature",
        "Proxy-Authorization",
        "Connection",
        "Expect",
        "TE",
    ],
)
def test_a_header_that_the_sender_would_leave_out_is_refused(name: str) -> None:
    assert user_headers({name: "x"}) == {}
    assert recall({**WEBHOOK, "headers": {name: "x"}}).live_faults


@pytest.mark.parametrize("headers", [{"X-Key": "a b"}, {"Authorization": "Bearer x"}, {"x.y!": "~"}])
def test_a_header_that_is_taken_is_sent(headers: dict[str, str]) -> None:
    given = recall({**WEBHOOK, "headers": headers}).live[0].headers
    assert user_headers(given) == {name.lower(): value for name, value in headers.items()}


def test_headers_are_shown_by_name_alone() -> None:
    headers = {"X-Key": S3CRET}
    odd = {"recording_config": {"realtime_endpoints": [{"headers": [S3CRET]}, "x", {"headers": S3CRET}]}}
    assert S3CRET not in str(without_headers(odd))
    shown = without_headers(
        {"recording_config": {"realtime_endpoints": [{**WEBHOOK, "headers": headers}]}, "x": 1}
    )
    assert shown == {
        "recording_config": {"realtime_endpoints": [{**WEBHOOK, "headers": {"X-Key": "***"}}]},
        "x": 1,
    }
    bodies: list[dict[str, Any]] = [
        {},
        {"recording_config": None},
        {"recording_config": {"realtime_endpoints": None}},
    ]
    for body in bodies:
        assert without_headers(body) == body


def test_schemes_without_tls_have_to_be_allowed() -> None:
    assert schemes_of(Transport.WEBSOCKET, plain=False) == {"wss"}
    assert schemes_of(Transport.WEBSOCKET, plain=True) == {"ws", "wss"}
    assert schemes_of(Transport.WEBHOOK, plain=False) == {"https"}
    assert schemes_of(Transport.WEBHOOK, plain=True) == {"http", "https"}
