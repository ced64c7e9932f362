"""What the roster shows x who speaks x the policy -> when the bot leaves, and why."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from worker.contracts import meetstream, recall
from worker.lifecycle.automatic_leave import AutomaticLeave
from worker.lifecycle.ending import Ending
from worker.lifecycle.leave_policy import STANDALONE, LeavePolicy, Patience
from worker.lifecycle.media_state import MediaState
from worker.lifecycle.presence import LONGEST_PAUSE
from worker.reasons import Reason
from worker.roster.roster import Device, Evidence, Roster, SourceOwner, Status

T0 = 1_800_000_000.0
STEP = 0.5
RECALL, MEETSTREAM = recall.DEFAULT_LEAVE, meetstream.DEFAULT_LEAVE
EAGER = LeavePolicy(noone_joined=60.0, everyone_left=Patience(2.0), silence=None)
"""Leaves an empty room at once and sets no limit to silence."""
BOTS = LeavePolicy(
    everyone_left=Patience(2.0),
    only_bots_by_names=Patience(10.0),
    bot_names=("notetaker",),
    only_bots_by_events=Patience(20.0),
)

ANA, BEN, STRANGER, OTHER = 101, 102, 901, 902
"""Sources. The roster may own the first two; nobody owns the others."""
UNLISTED = 0
"""Speech in packets that list no source."""

Talk = tuple[float, float, int]
"""From, to (seconds) and the source."""
Shown = tuple[float, dict[str, Status]]
"""From when on (seconds) the roster has these statuses."""

IN, OUT, UNKNOWN, WAITING = Status.IN, Status.OUT, Status.UNKNOWN, Status.WAITING
NAMES = {"us": "Notes", "ana": "Ana", "ben": "Ben", "bot": "Acme Notetaker"}
OWNERS = {ANA: "ana", BEN: "ben"}


class Row(NamedTuple):
    """``left_at``: when the bot leaves (seconds), None: it still stays at ``until``."""

    name: str
    policy: LeavePolicy
    shown: Sequence[Shown]
    talk: Sequence[Talk]
    reason: Reason | None
    left_at: float | None = None
    until: float = 4000.0


def roster_at(shown: Sequence[Shown], second: float) -> Roster:
    statuses = next((each for since, each in reversed(shown) if since <= second), {})
    devices = {
        key: Device(device_id=key, name=NAMES[key], is_us=key == "us", status=status)
        for key, status in statuses.items()
    }
    sources = {
        source: SourceOwner(device_id=owner, evidence=(Evidence.FRAMES,))
        for source, owner in OWNERS.items()
        if owner in devices
    }
    return Roster(devices=devices, sources=sources)


def played(
    policy: LeavePolicy, shown: Sequence[Shown], talk: Sequence[Talk], until: float
) -> tuple[Ending, float] | None:
    """How and when (seconds) a bot that is admitted at 0 leaves."""
    leave = AutomaticLeave(policy, "Notes")
    media = MediaState(receivers=True, messages=True)
    second = 0.0
    while second < until:
        second += STEP
        speaking = [source for start, end, source in talk if start <= second < end]
        at = T0 + second
        if speaking:
            listed = {source: at for source in speaking if source != UNLISTED}
            media = media._replace(last_speech=at, sources={**media.sources, **listed})
            if UNLISTED in speaking:
                media = media._replace(unlisted_speech=at)
        if ending := leave.ending(roster_at(shown, second), media, T0, at):
            return ending, second
    return None


ALONE = {"us": IN}
WITH_ANA = {"us": IN, "ana": IN}
ANA_LEFT = {"us": IN, "ana": OUT}
BOTH = {"us": IN, "ana": IN, "ben": IN}
BOTH_LEFT = {"us": IN, "ana": OUT, "ben": OUT}
TURNS = [(5, 20, STRANGER), (80, 95, OTHER), (155, 170, STRANGER), (230, 245, OTHER)]
"""Two people whom nobody owns, with pauses of a minute."""
UNLISTED_TURNS = [(start, end, UNLISTED) for start, end, _ in TURNS]

ROWS = [
    # A roster that shows others come and go is believed.
    Row(
        "everybody left",
        RECALL,
        [(0, BOTH), (60, BOTH_LEFT)],
        [(5, 40, ANA), (40, 58, BEN)],
        Reason.EVERYONE_LEFT,
        118,
    ),
    Row(
        "everybody left, packets list nobody",
        RECALL,
        [(0, BOTH), (60, BOTH_LEFT)],
        [(5, 58, UNLISTED)],
        Reason.EVERYONE_LEFT,
        118,
    ),
    Row(
        "nobody ever spoke",
        STANDALONE,
        [(0, BOTH), (60, BOTH_LEFT)],
        [],
        Reason.EVERYONE_LEFT,
        360,
    ),
    Row("a full roster, pauses", RECALL, [(0, BOTH)], [(5, 20, ANA), (1500, 1510, BEN)], None),
    Row(
        "somebody waits outside",
        EAGER,
        [(0, WITH_ANA), (60, {**ANA_LEFT, "ben": WAITING})],
        [],
        Reason.EVERYONE_LEFT,
        62,
    ),
    Row(
        "everybody left, a patience of its own",
        MEETSTREAM,
        [(0, BOTH), (60, BOTH_LEFT)],
        [(5, 58, ANA)],
        Reason.SILENCE,
        158,
    ),
    Row(
        "everybody left, counted from then",
        STANDALONE,
        [(0, BOTH), (60, BOTH_LEFT)],
        [(5, 58, ANA)],
        Reason.EVERYONE_LEFT,
        362.5,
    ),
    # The roster cannot show who is there; two people talk.
    Row(
        "one known person leaves, another speaks for the first time after that",
        RECALL,
        [(0, WITH_ANA), (22, ANA_LEFT)],
        [(5, 20, ANA), (70, 80, STRANGER), (160, 170, OTHER)],
        Reason.EVERYONE_LEFT,
        1072,
    ),
    Row("nothing of a roster", RECALL, [], TURNS, None),
    Row("only the bot's own entry", RECALL, [(0, ALONE)], TURNS, None),
    Row("only the bot's own entry, packets list nobody", RECALL, [(0, ALONE)], UNLISTED_TURNS, None),
    Row(
        "one known person leaves, two others talk",
        RECALL,
        [(0, WITH_ANA), (100, ANA_LEFT)],
        TURNS,
        Reason.EVERYONE_LEFT,
        1146.5,
    ),
    Row(
        "told only of changes: Ana comes and goes",
        RECALL,
        [(0, ALONE), (30, WITH_ANA), (60, ANA_LEFT)],
        TURNS,
        Reason.EVERYONE_LEFT,
        1146.5,
    ),
    Row(
        "told only of changes, packets list nobody",
        RECALL,
        [(0, ALONE), (30, WITH_ANA), (60, ANA_LEFT)],
        UNLISTED_TURNS,
        Reason.EVERYONE_LEFT,
        1146.5,
    ),
    Row(
        "Ana talks on after she is shown as gone",
        RECALL,
        [(0, WITH_ANA), (60, ANA_LEFT)],
        [(5, 200, ANA)],
        Reason.EVERYONE_LEFT,
        1101.5,
    ),
    Row("people who left before the bot came", RECALL, [(0, BOTH_LEFT)], TURNS, None),
    Row(
        "the decoder stops: who left is still shown",
        RECALL,
        [(0, BOTH)],
        [(5, 60, ANA)],
        Reason.SILENCE,
        4800,
        4900,
    ),
    # Then silence ends it: by the policy, or after a long pause.
    Row("unreadable, MeetStream's silence", MEETSTREAM, [], TURNS[:1], Reason.SILENCE, 119.5),
    Row("unreadable, Recall.ai's silence", RECALL, [], TURNS[:1], Reason.SILENCE, 4800, 4900),
    Row("unreadable, no limit to silence", EAGER, [], TURNS, Reason.SILENCE, 1144.5),
    Row(
        "unreadable, no limit to silence, a longer everyone_left",
        LeavePolicy(everyone_left=Patience(1200.0)),
        [],
        TURNS,
        Reason.SILENCE,
        1444.5,
    ),
    Row(
        "tiles alone, which never go",
        EAGER,
        [(0, {"us": IN, "ana": UNKNOWN})],
        TURNS[:1],
        Reason.SILENCE,
        919.5,
    ),
    Row("somebody is shown, no limit to silence", EAGER, [(0, WITH_ANA)], TURNS, None),
    Row("unreadable, nothing that ends it", LeavePolicy(everyone_left=None), [], TURNS, None),
    # Nobody ever came.
    Row("nobody joined, alone in the roster", EAGER, [(0, ALONE)], [], Reason.NOONE_JOINED, 60.5),
    Row("nobody joined, no roster", RECALL, [], [], Reason.NOONE_JOINED, 1200.5),
    Row("no roster, one word", RECALL, [], [(600, 601, STRANGER)], None),
    Row(
        "everybody left, and a long everyone_left",
        LeavePolicy(everyone_left=Patience(1200.0)),
        [(0, BOTH), (600, BOTH_LEFT)],
        [(5, 58, ANA)],
        Reason.EVERYONE_LEFT,
        1800,
    ),
    # Only bots.
    Row(
        "a silent bot is left, and Ana talks on after she is shown as gone",
        LeavePolicy(only_bots_by_events=Patience(20.0)),
        [(0, {**WITH_ANA, "bot": IN}), (60, {**ANA_LEFT, "bot": IN})],
        [(5, 200, ANA)],
        Reason.ONLY_BOTS_BY_EVENTS,
        1119.5,
    ),
    Row(
        "a bot is left",
        BOTS,
        [(0, {**WITH_ANA, "bot": IN}), (60, {**ANA_LEFT, "bot": IN})],
        [(5, 58, ANA)],
        Reason.ONLY_BOTS_BY_NAMES,
        70,
    ),
    Row(
        "a bot is shown, people whom nobody owns talk",
        BOTS,
        [(0, {"us": IN, "bot": IN})],
        TURNS,
        Reason.ONLY_BOTS_BY_NAMES,
        1155,
    ),
    Row(
        "a bot is shown, unlisted people talk",
        BOTS,
        [(0, {"us": IN, "bot": IN})],
        UNLISTED_TURNS,
        Reason.ONLY_BOTS_BY_NAMES,
        1155,
    ),
]


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_the_bot_leaves_an_empty_room_only_where_the_roster_can_show_one(row: Row) -> None:
    outcome = played(row.policy, row.shown, row.talk, row.until)
    if row.reason is None:
        assert outcome is None
        return
    assert outcome is not None
    ending, left_at = outcome
    assert (ending.reason, ending.at) == (row.reason, T0 + left_at)
    assert row.left_at is not None
    assert left_at == pytest.approx(row.left_at, abs=1.0)


def test_the_ending_names_its_evidence() -> None:
    outcome = played(EAGER, [], TURNS, 4000)
    assert outcome is not None
    assert outcome[0].detail == "nobody spoke, and no roster says who is there"
    assert outcome[0].evidence == ("media",)


EMPTY = {Reason.EVERYONE_LEFT, Reason.NOONE_JOINED, Reason.ONLY_BOTS_BY_NAMES, Reason.ONLY_BOTS_BY_EVENTS}
statuses = st.dictionaries(
    st.sampled_from(["us", "ana", "ben"]), st.sampled_from([IN, OUT, UNKNOWN, WAITING])
)
rosters = st.lists(st.tuples(st.floats(0, 1500), statuses), max_size=6).map(
    lambda each: sorted(each, key=lambda shown: shown[0])
)
talks = st.lists(
    st.tuples(st.floats(6, 1500), st.floats(0.5, 60), st.sampled_from([ANA, BEN, STRANGER, OTHER, UNLISTED])),
    max_size=8,
).map(lambda each: [(start, start + length, source) for start, length, source in each])


def shows_all_have_left(shown: Sequence[Shown], until: float) -> bool:
    """Whether the roster ever showed somebody else, and later nobody."""
    seen: set[str] = set()
    for since, statuses in shown:
        here = {key for key, status in statuses.items() if key != "us" and status.is_here}
        if since <= until and not here and any(statuses.get(key, UNKNOWN).is_gone for key in seen):
            return True
        seen |= here
    return False


@settings(max_examples=150, deadline=None)
@given(
    rosters,
    talks,
    st.sampled_from([RECALL, EAGER, LeavePolicy(noone_joined=5.0, everyone_left=Patience(0.0))]),
)
def test_a_room_with_speech_is_not_empty_unless_the_roster_showed_all_leave(
    shown: list[Shown], talk: list[Talk], policy: LeavePolicy
) -> None:
    outcome = played(policy, shown, talk, 1600)
    if outcome is None or outcome[0].reason not in EMPTY:
        return
    left_at = outcome[1]
    spoke = [
        source
        for start, end, source in talk
        if start <= left_at and min(end, left_at) > left_at - LONGEST_PAUSE
    ]
    assert not spoke or shows_all_have_left(shown, left_at)
    assert not {STRANGER, OTHER} & set(spoke)
