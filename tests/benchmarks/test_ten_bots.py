"""Ten bots at once on two cores: each tape has every packet that its meeting sent."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from pathlib import Path

import pytest

from fixtures.replica.comparison.recording import TRUTH_FILE
from fixtures.replica.truth import read_truth
from tests.support.record_process import events_of
from worker.tape.events import FrameBatch

SCENARIO = Path(__file__).parent / "three_talkers.toml"
BOTS = 10
CORES = 2


@contextmanager
def on_two_cores() -> Iterator[None]:
    """What is started meanwhile inherits the limit: the bots, their browsers and the replicas."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, sorted(before)[:CORES])
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def start(output: Path) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "worker.cli", "demo", "--scenario", str(SCENARIO)]
    return subprocess.Popen(
        [*command, "--output", str(output)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def missing_on_tape(output: Path) -> int:
    """How many packets were sent to the page and are not on the tape."""
    sent = Counter(packet.sha256 for packet in read_truth(output / TRUTH_FILE).packets if packet.sent_at)
    taped = Counter(
        sha256(frame.payload).hexdigest()
        for event in events_of(output)
        if isinstance(event, FrameBatch)
        for frame in event.frames
    )
    return (sent - taped).total()


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the cores cannot be limited here")
@pytest.mark.timeout(600)
def test_ten_bots_on_two_cores_have_complete_tapes(tmp_path: Path) -> None:
    outputs = [tmp_path / str(number) for number in range(BOTS)]
    with on_two_cores():
        bots = [start(output) for output in outputs]
    for bot in bots:
        said, _ = bot.communicate()
        assert bot.returncode == 0, said
    missing = [missing_on_tape(output) for output in outputs]
    print("\npackets that were sent and are not on the tapes:", missing)
    assert missing == [0] * BOTS
