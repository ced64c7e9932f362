"""What real senders and connections do, played to a real Chromium: every packet that arrives is in its file, in its place."""

from __future__ import annotations

import asyncio
from pathlib import Path

import msgspec
import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE, compare
from fixtures.replica.comparison.summed import compare_sum
from fixtures.replica.scenario import load_scenario
from fixtures.replica.truth import Truth, read_truth
from tests.browser.test_scenarios import files_of, run
from tests.support.places import assert_in_place
from worker.manifest.schema import Manifest

PLAYED = ("wire/ice-restart", "wire/packet-forms")


@pytest.fixture(scope="module")
def recordings(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder for each scenario: they are recorded at the same time, because they are long and need little."""
    folder = tmp_path_factory.mktemp("recordings")

    async def record() -> None:
        async with asyncio.TaskGroup() as group:
            for name in PLAYED:
                output = folder / name
                output.parent.mkdir(exist_ok=True)
                group.create_task(asyncio.to_thread(run, "demo", "--scenario", name, "--output", output))

    asyncio.run(record())
    return folder


def read(folder: Path) -> tuple[Manifest, Truth]:
    manifest = msgspec.json.decode((folder / "audio_streams.json").read_bytes(), type=Manifest)
    return manifest, read_truth(folder / TRUTH_FILE)


@pytest.mark.timeout(180)
@pytest.mark.parametrize("name", PLAYED)
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
    if not load_scenario(name).network.outages:
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


def test_packets_of_all_lengths_reached_the_page(recordings: Path) -> None:
    _, truth = read(recordings / "wire/packet-forms")
    sent = [packet for packet in truth.packets if packet.fate == "sent"]
    assert {0.01, 0.02, 0.04, 0.06, 0.12} <= {packet.seconds for packet in sent}
    assert {1274, 1300} <= {packet.length for packet in sent}
