"""What real senders and connections do, played to a real Chromium: every packet that arrives is in its file, in its place."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections import Counter
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare
from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import load_scenario
from fixtures.replica.truth import Truth, read_truth
from tests.browser.test_scenarios import files_of, run
from tests.support.places import assert_in_place
from worker.lifecycle.media_state import MediaMonitor
from worker.manifest.schema import Manifest
from worker.tape.events import ConnectionStateChanged, FrameBatch, VideoBatch
from worker.tape.reader import read_tape

ODDITIES = (
    "wire/clock-steps",  # one clock, whatever the page's and the system's are set to
    "wire/foreign-payloads",  # what is no Opus becomes silence of its length
    "wire/make-before-break",  # one connection owns a source while it delivers it
)
PLAYED = ("wire/ice-restart", "wire/packet-forms", *ODDITIES)
MIXES = ("teams-wire/repeated-track", "teams-wire/silent-main")

GROUPS = (
    ("wire/ice-restart", "wire/packet-forms", "wire/foreign-payloads"),
    ("wire/clock-steps", "wire/make-before-break", *MIXES),
)
"""What is recorded at the same time: two cores play and record no more of them without delay."""

STEPS = "1:20,8:-60,14:3600"
"""How the worker's clock is set while it attends the meeting of clock steps: while it joins, and twice in the call."""


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each scenario: several are recorded at the same time, because they are long and need little."""
    folder = tmp_path_factory.mktemp("recordings")

    async def record() -> None:
        for together in GROUPS:
            async with asyncio.TaskGroup() as group:
                for name in together:
                    output = folder / name
                    output.parent.mkdir(exist_ok=True)
                    recorder = run_with_steps if name == "wire/clock-steps" else run
                    group.create_task(
                        asyncio.to_thread(recorder, "demo", "--scenario", name, "--output", output)
                    )

    asyncio.run(record())
    return folder


def run_with_steps(*arguments: object) -> str:
    command = [sys.executable, "-m", "tests.support.stepped_clock", STEPS, *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def read(folder: Path) -> tuple[Manifest, Truth]:
    manifest = msgspec.json.decode((folder / "audio_streams.json").read_bytes(), type=Manifest)
    return manifest, read_truth(folder / TRUTH_FILE)


@pytest.mark.timeout(300)
@pytest.mark.parametrize("name", [*PLAYED, *MIXES])
def test_what_arrives_is_recorded_in_its_place(name: str, recordings: Path, tmp_path: Path) -> None:
    folder = recordings / name
    manifest, truth = read(folder)
    assert {person.participant_name for person in manifest.participants} == {
        truth.header.participants[who] for who in truth.speakers()
    }
    for stem in compare(folder, truth):
        assert stem.exact, stem
        assert stem.name == stem.expected_name
        assert_in_place(stem, load_scenario(name).network.jitter)
    assert manifest.recording.complete
    if name in PLAYED and not load_scenario(name).network.outages:
        assert compare_sum(folder).exact
    run("replay", folder / "tape", "--output", tmp_path / "replayed")
    assert files_of(tmp_path / "replayed") == files_of(folder)


def test_an_outage_costs_what_was_sent_in_it_and_no_more(recordings: Path) -> None:
    _, truth = read(recordings / "wire/ice-restart")
    (outage,) = load_scenario("wire/ice-restart").network.outages
    started = truth.header.started_at
    assert started is not None
    for packet in truth.packets:
        out = outage.at <= packet.meant_at - started < outage.at + outage.seconds
        if packet.fate == "lost":
            assert out, packet
    after = [packet for packet in truth.packets if packet.meant_at - started > outage.at + outage.seconds]
    assert {packet.fate for packet in after if packet.connection == 0} == {"sent"}


def test_a_connection_that_came_back_is_not_lost(recordings: Path) -> None:
    """The state of a failed connection is on the tape, and a frame that is newer than the failure cures it."""
    monitor = MediaMonitor()
    states: list[str] = []
    lost_since: float | None = None
    for event in read_tape(recordings / "wire/ice-restart" / "tape"):
        if isinstance(event, FrameBatch):
            monitor.observe(event, event.frames[-1].arrival)
            lost_since = monitor.now.disconnected_since
            continue
        if isinstance(event, VideoBatch):
            continue
        monitor.observe(event, event.at)
        if isinstance(event, ConnectionStateChanged):
            states.append(event.state)
    assert "connected" in states[states.index("failed") :]
    assert lost_since is None


def test_a_second_connection_brings_what_the_first_one_does(recordings: Path) -> None:
    _, truth = read(recordings / "wire/make-before-break")
    repeats = [packet for packet in truth.packets if packet.repeat and packet.fate == "sent"]
    assert len(repeats) > 50
    assert {packet.connection for packet in repeats} == {1}


def test_payloads_that_are_no_opus_reach_the_tape_and_are_warned_of(recordings: Path) -> None:
    """Chromium passes what the description announces, with its payload type."""
    manifest, truth = read(recordings / "wire/foreign-payloads")
    kinds = {"opus": "oversized", "pcmu": "pcmu", "comfort_noise": "cn", "telephone_event": "dtmf"}
    sent = Counter(kinds[packet.codec] for packet in truth.packets if packet.kind == "foreign")
    assert sent == {"dtmf": 20, "cn": 50, "pcmu": 30, "oversized": 25}
    assert {int(warning.split()[0]) for warning in manifest.recording.warnings} == set(sent.values())


def test_a_silent_main_track_is_warned_of_in_a_real_call(recordings: Path) -> None:
    silent, _ = read(recordings / "teams-wire/silent-main")
    repeated, _ = read(recordings / "teams-wire/repeated-track")
    assert any("silent" in warning for warning in silent.recording.warnings)
    assert not any("silent" in warning for warning in repeated.recording.warnings)


def test_packets_of_all_lengths_reached_the_page(recordings: Path) -> None:
    _, truth = read(recordings / "wire/packet-forms")
    sent = [packet for packet in truth.packets if packet.fate == "sent"]
    assert {0.01, 0.02, 0.04, 0.06, 0.12} <= {packet.seconds for packet in sent}
    assert {1274, 1300} <= {packet.length for packet in sent}
