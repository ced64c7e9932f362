"""Invalid job bodies, each with the field that the error must name."""

from __future__ import annotations

import json
from typing import Any, Final

LINK: Final = "https://meet.google.com/abc-defg-hij"
TEAMS_LINK: Final = "https://teams.microsoft.com/meet/2345678901234?p=Zq7yT"

NOT_JSON: Final[list[bytes]] = [
    b"",
    b" \n\t",
    b"\x00",
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf",
    b"{",
    b"}",
    b"{]",
    b'{"meeting_link"}',
    b'{"meeting_link":}',
    b"{'meeting_link': 'x'}",
    b"{meeting_link: 1}",
    b'{"meeting_link": "x",}',
    b'{"meeting_link": "x"} {"meeting_link": "y"}',
    b'{"meeting_link": "x"}trailing',
    b'{"meeting_link": "line\nbreak"}',
    b'{"meeting_link": "\\x41"}',
    b'{"meeting_link": "\\u12"}',
    b'{"meeting_link": "\xff"}',
    b'{"meeting_link": "\xed\xa0\x80"}',
    b'{"meeting_link": "\xc0\xaf"}',
    b'{"meeting_link": "' + b"x" * 100,
    b'{"meeting_link": 01}',
    b'{"meeting_link": +1}',
    b'{"meeting_link": .5}',
    b'{"meeting_link": 0x10}',
    b'{"meeting_link": NaN}',
    b'{"meeting_link": Infinity}',
    b'{"meeting_link": -Infinity}',
    b'{"meeting_link": nan}',
    b'{"meeting_link": True}',
    b'{"meeting_link": undefined}',
    b"// a comment\n{}",
    b'{"audio_separate_raw": {} # a comment\n}',
    b"<meeting_link>x</meeting_link>",
    b"meeting_link=x&bot_name=y",
    b"\x1b[2J\x1b]0;title\x07",
    b"[" * 100_000,
    b'{"a":' * 50_000,
    b'{"a":[' * 40_000 + b"]}" * 40_000,
    b"-",
    b'"',
    b"nul",
]
"""Texts that are not JSON, or that parsers read differently."""

NOT_AN_OBJECT: Final[list[bytes]] = [
    b"null",
    b"true",
    b"false",
    b"0",
    b"-1.5e3",
    b'"a text"',
    b"[]",
    b'[{"meeting_link": "x"}]',
]

OUT_OF_RANGE: Final[list[bytes]] = [
    b'{"x": 1e999}',
    b'{"x": -1e999}',
    b'{"x": 18446744073709551616}',
    b'{"x": -9223372036854775809}',
    b'{"x": ' + b"9" * 5000 + b"}",
    b'{"automatic_leave": {"waiting_room_timeout": 1' + b"0" * 400 + b"}}",
    b'{"x": "\\ud800"}',
    b'{"\\udfff": 1}',
    b'{"x": ["\\udc00\\ud800"]}',
    b'{"bot_name": "a", "bot_name": "b"}',
    b'{"x": {"a": 1, "b": 2, "a": 1}}',
    b'{"x": {"": 1, "": 2}}',
    b'{"x": ' + b"[" * 40 + b"]" * 40 + b"}",
    b'{"x": "' + b"x" * 1_048_576 + b'"}',
    b'{"x": [' + b"1," * 600_000 + b"1]}",
]

_MEETSTREAM: Final = {"meeting_link": LINK}
_TEAMS: Final = {"meeting_link": TEAMS_LINK}
_RECALL: Final = {"meeting_url": LINK}


def _fields(base: dict[str, Any], dotted: str, values: list[Any]) -> list[tuple[bytes, str]]:
    bodies = []
    for value in values:
        inner: Any = value
        for name in reversed(dotted.split(".")):
            inner = {name: inner}
        bodies.append((json.dumps({**base, **inner}).encode(), dotted))
    return bodies


_NO_TEXT: Final[list[Any]] = [0, 1.5, True, [], {}, ["x"]]
_NO_SECONDS: Final[list[Any]] = [-1, -0.001, 1e9, "60", True, [], [60], {"seconds": 60}, 2**63]
_NO_OBJECT: Final[list[Any]] = [0, "x", True, [], [{}]]

WRONG_FIELDS: Final[list[tuple[bytes, str]]] = [
    *_fields(
        {},
        "meeting_link",
        [
            *_NO_TEXT,
            "",
            " ",
            "abcdefghij",
            "abc-defg-hi",
            f"https://user:password@{LINK.removeprefix('https://')}",
            LINK.replace(".com", ".com:8443"),
            LINK.replace("meet", "me\u0435t"),
            LINK.replace("https://", "https:\\\\"),
            f"{LINK} Passcode: Secret",
            f"https://eur01.safelinks.protection.outlook.com/?url={LINK.replace('google', 'g00gle')}",
            "https://protect-eu.mimecast.com/s/AbCdEf?domain=meet.google.com",
            "<YOUR_MEETING_LINK>",
            "https://zoom.us/j/123?pwd=abc",
            "https://us02web.zoom.us/j/123",
            "https://teams.microsoft.com/l/meetup-join/19%3ameeting",
            "https://teams.live.com/meet/",
            "https://teams.microsoft.com/v2/",
            "https://teams.microsoft.com.evil.example/meet/123",
            "https://example.webex.com/meet/ada",
            "https://meet.google.com/new",
            "https://meet.google.com@evil.example/abc-defg-hij",
            "https://[meet.google.com/abc-defg-hij",
            "javascript:alert(1)",
            "file:///etc/passwd",
            LINK + "\x00",
            LINK + "\u202e",
            LINK + "x" * 3000,
        ],
    ),
    *_fields({}, "meeting_url", [*_NO_TEXT, "", "https://zoom.us/j/123", "https://meet.google.com/"]),
    *_fields(
        _MEETSTREAM,
        "bot_id",
        [
            *_NO_TEXT,
            "",
            ".",
            "..",
            "../x",
            "a/b",
            "a\\b",
            "a b",
            "-x",
            ".x",
            "_x",
            "ä",
            "a\n",
            "a\x00",
            "a%2Fb",
            "x" * 129,
        ],
    ),
    *_fields(
        _MEETSTREAM,
        "bot_name",
        [*_NO_TEXT, "", "   ", "\n", "\x1b[31mred", "a\u202eb", "x" * 101, "\u0000", "\ufffe"],
    ),
    *_fields(_MEETSTREAM, "audio_separate_streams", [0, 1, "true", "", [], {}, 0.0]),
    *_fields(_MEETSTREAM, "recording_config", _NO_OBJECT),
    *_fields(_MEETSTREAM, "recording_config.audio_separate_streams", [1, "yes", {}, []]),
    *_fields(_MEETSTREAM, "automatic_leave", _NO_OBJECT),
    *_fields(_MEETSTREAM, "automatic_leave.waiting_room_timeout", [*_NO_SECONDS, 600.5, 1200, 1801]),
    *_fields(_TEAMS, "automatic_leave.waiting_room_timeout", [1800.5]),
    *_fields(_MEETSTREAM, "automatic_leave.in_call_recording_timeout", [*_NO_SECONDS, 0, 599, 18_001]),
    *_fields(_MEETSTREAM, "automatic_leave.no_one_joined_timeout", _NO_SECONDS),
    *_fields(_MEETSTREAM, "automatic_leave.noone_joined_timeout", [-1, "60"]),
    *_fields(_MEETSTREAM, "automatic_leave.bot_detection", [True, 1]),
    *_fields(_MEETSTREAM, "automatic_leave.bot_detection.using_participant_names.timeout", [-1, "10"]),
    *_fields(_MEETSTREAM, "bot_message", [1, True, {}, ["x"], "x" * 4097]),
    *_fields(_MEETSTREAM, "automatic_leave.everyone_left_timeout", _NO_SECONDS),
    *_fields(_MEETSTREAM, "automatic_leave.voice_inactivity_timeout", _NO_SECONDS),
    *_fields(_MEETSTREAM, "automatic_leave.recording_permission_denied_timeout", _NO_SECONDS),
    *_fields(
        _MEETSTREAM,
        "join_at",
        [
            *_NO_TEXT,
            "now",
            "2026-01-31",
            "20260131",
            "2026-W05-6",
            "2026-02-30T10:00:00Z",
            "2026-01-31T25:00:00Z",
            "31.01.2026 10:00",
            "1769851800",
            "0000-01-01T00:00:00Z",
            "2026-01-31T10:00:00 Europe/Berlin",
        ],
    ),
    *_fields(_MEETSTREAM, "custom_attributes", [0, "x", True, [], {"x": "x" * 70_000}]),
    *_fields(_RECALL, "metadata", [0, "x", True, [], {"x": ["x" * 1000] * 70}]),
    *_fields(_RECALL, "recording_config", _NO_OBJECT),
    *_fields(_RECALL, "recording_config.audio_separate_raw", _NO_OBJECT),
    *_fields(_RECALL, "recording_config.audio_separate_mp3", _NO_OBJECT),
    *_fields(_RECALL, "recording_config.start_recording_on", ["by_hand", "", 1, {}]),
    *_fields(_RECALL, "chat", _NO_OBJECT),
    *_fields(_RECALL, "chat.on_bot_join", ["hello", True]),
    *_fields(_RECALL, "chat.on_bot_join.message", [1, {}, "x" * 4097]),
    *_fields(_RECALL, "automatic_leave.in_call_recording_timeout", [*_NO_SECONDS, 86_401]),
    *_fields(_RECALL, "automatic_leave.waiting_room_timeout", _NO_SECONDS),
    *_fields(_RECALL, "automatic_leave.noone_joined_timeout", _NO_SECONDS),
    *_fields(_RECALL, "automatic_leave.everyone_left_timeout", [-1, 1e9, "2", True, [], [2]]),
    *_fields(_RECALL, "automatic_leave.everyone_left_timeout.timeout", _NO_SECONDS),
    *_fields(_RECALL, "automatic_leave.silence_detection", _NO_OBJECT),
    *_fields(_RECALL, "automatic_leave.silence_detection.activate_after", _NO_SECONDS),
    *_fields(_RECALL, "automatic_leave.bot_detection.using_participant_names.matches", ["x", {}, 1]),
    (b"{}", "meeting_link"),
    (b'{"meeting_link": null}', "meeting_link"),
    (b'{"meeting_url": null, "bot_name": "x"}', "meeting_link"),
    (json.dumps({"meeting_link": LINK, "meeting_url": TEAMS_LINK}).encode(), "meeting_link"),
    (json.dumps({"meeting_link": TEAMS_LINK, "meeting_url": TEAMS_LINK + "x"}).encode(), "meeting_link"),
    (json.dumps({"meeting_link": LINK, "meeting_url": "x"}).encode(), "meeting_url"),
    (json.dumps({"meeting_link": LINK, "meeting_url": {"id": 1}}).encode(), "meeting_url"),
    (
        json.dumps(
            {
                **_RECALL,
                "automatic_leave": {"bot_detection": {"using_participant_names": {"matches": ["a", 1]}}},
            }
        ).encode(),
        "automatic_leave.bot_detection.using_participant_names.matches.1",
    ),
]
"""Bodies that must be refused, each with the field that the error must name."""
