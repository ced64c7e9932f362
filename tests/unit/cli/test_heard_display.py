from __future__ import annotations

import io

import pytest
from rich.console import Console

from tests.support.live_messages import BEGAN, HOSTILE, meetstream, recall, separate, tone
from worker.cli.heard import Heard
from worker.cli.heard_display import (
    METER_CELLS,
    PlainHeard,
    counts,
    heard_view,
    meter,
    open_heard_display,
    plain_line,
    summary,
)
from worker.contracts.live_endpoints import GAP
from worker.contracts.live_received import Happened


def rendered(view: object, width: int = 100) -> str:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None)
    console.print(view)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def heard_of(*names: str | None) -> Heard:
    heard = Heard(lambda _: None, lambda _: None)
    connection = heard.connect()
    for number, name in enumerate(names):
        heard.take(connection, separate(number, name, 1.0, tone(0.5)), BEGAN + 1.05)
        heard.take(connection, recall("participant_events.join", number, name, 75.0), BEGAN)
    return heard


@pytest.mark.parametrize(
    ("level", "filled"), [(0.0, 0), (1e-9, 0), (0.004, 0), (0.063, 6), (1.0, METER_CELLS), (9.0, METER_CELLS)]
)
def test_the_meter_counts_decibels(level: float, filled: int) -> None:
    bar = meter(level).plain
    assert len(bar) == METER_CELLS
    assert bar.count("█") == filled


def test_the_view_has_a_line_for_each_speaker_and_the_events() -> None:
    heard = heard_of("Ada", "Ben")
    heard.take(heard.connect(), recall(GAP, 1, "Ben", 1.6, seconds=1.5), BEGAN + 1.6)
    heard.take(heard.connect(), meetstream("m", "Cleo", tone(0.5, 48_000)), BEGAN + 1.6)
    heard.take(
        heard.connect(),
        recall("audio_mixed_raw.data", None, None, 0.5, buffer="AAA="),
        BEGAN + 1.6,
    )
    lines = rendered(heard_view(heard, "ws://here", 83.0, BEGAN + 1.7)).splitlines()
    assert lines[0].split() == ["●", "4", "connections", "1:23", "ws://here"]
    rows = {line.split()[0]: line for line in lines if "█" in line or "░" in line}
    assert rows["Ada"].split()[2:] == ["0.5", "s", "50", "ms", "–"]
    assert rows["Ben"].split()[-2:] == ["1.5", "s"]
    assert rows["Cleo"].split()[-2:] == ["–", "–"]
    assert rows["everybody"]
    assert [line.split() for line in lines if "joined" in line] == [
        ["1:15", name, "joined"] for name in ("Ada", "Ben")
    ]
    assert "Ctrl-C" in lines[-1]


def test_the_view_of_nothing_says_so() -> None:
    view = rendered(heard_view(Heard(lambda _: None, lambda _: None), "ws://here", 0.0, BEGAN))
    assert "waiting for a bot" in view
    assert "nobody was heard yet" in view
    assert "nobody was heard" in rendered(summary(Heard(lambda _: None, lambda _: None), {}))


@pytest.mark.parametrize("width", [40, 80, 200])
def test_hostile_names_and_words_stay_in_their_line(width: int) -> None:
    heard = heard_of(HOSTILE, None)
    said = recall("participant_events.chat_message", 0, HOSTILE, 1.0, data={"text": HOSTILE})
    heard.take(heard.connect(), said, BEGAN)
    heard.take(heard.connect(), recall("participant_events.\x1b[2J" + "x" * 500, 0, HOSTILE, 1.0), BEGAN)
    for view in (
        heard_view(heard, "ws://here", 1.0, BEGAN + 1.6),
        summary(heard, {}),
        plain_line(heard, 1.0, BEGAN + 1.6).replace("[", "\\["),
    ):
        text = rendered(view, width)
        assert "\x1b" not in text
        assert "\u202e" not in text
        assert "[red]Mal" in text


def test_many_speakers_are_shown_those_who_speak_first() -> None:
    heard = heard_of(*(f"P{number}" for number in range(40)))
    heard.take(heard.connect(), separate(39, "P39", 9.0, tone(0.5)), BEGAN + 9.5)
    lines = rendered(heard_view(heard, "ws://here", 1.0, BEGAN + 9.6)).splitlines()
    assert lines[3].startswith("P39")
    assert any("and 24 more" in line for line in lines)


def test_the_summary_names_files_and_the_counts_what_was_wrong() -> None:
    heard = heard_of("Ada")
    files = dict.fromkeys(heard.speakers, "Ada_x.wav")
    row = rendered(summary(heard, files)).splitlines()[1].split()
    assert row == ["Ada", "0.5", "s", "1", "50", "ms", "–", "Ada_x.wav"]
    assert counts(heard) == "1 connection, 2 messages, 1 event"
    heard.take(heard.connect(), "{", BEGAN)
    heard.take(heard.connect(), '{"event": "new"}', BEGAN)
    heard.take(heard.connect(), separate(0, "Ada", 5_000.0, tone(0.02)), BEGAN)
    heard.take(heard.connect(), recall(GAP, None, None, 1.0, seconds=2.0), BEGAN)
    assert counts(heard) == (
        "5 connections, 6 messages, 1 event, 1 not understood, 1 of an unknown kind, 1 with impossible timestamps, "
        "2.0 s left out"
    )


def test_without_a_terminal_there_are_lines() -> None:
    out = io.StringIO()
    display = open_heard_display(Console(file=out, width=40), "ws://here", BEGAN)
    assert isinstance(display, PlainHeard)
    heard = heard_of("Ada")
    for elapsed in range(31):
        display.update(heard, BEGAN + elapsed)
    event = heard.events[0]
    assert isinstance(event, Happened)
    display.event(event)
    display.close()
    assert out.getvalue().splitlines() == [
        *(
            f"listening for 0:{at}: 1 connection, 1 speaker, 0.5 s heard, 50 ms behind, 0.0 s left out; speaking: nobody"
            for at in (10, 20, 30)
        ),
        "  1:15 Ada joined",
    ]


def test_on_a_terminal_there_is_a_view_that_goes_away() -> None:
    out = io.StringIO()
    console = Console(file=out, width=100, force_terminal=True, color_system=None)
    display = open_heard_display(console, "ws://here", BEGAN)
    heard = heard_of("Ada")
    display.update(heard, BEGAN + 1.6)
    display.event(heard.events[0])
    display.close()
    assert "Ada" in out.getvalue()
    assert next(iter(heard.speakers.values())).level == 0.0
