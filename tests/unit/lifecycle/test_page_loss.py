from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.lifecycle.page_loss import MOST_PER_LOOK, NO_CALL, PageLoss
from worker.lifecycle.page_view import Scene, View

T0 = 1_800_000_000.0
STEP = 0.5


def looked(
    scene: Scene,
    seconds: float,
    *,
    packets: float | None = None,
    beats: float | None = 2.0,
    joinable: bool = False,
) -> PageLoss:
    """Looks for ``seconds``; a packet arrives every ``packets`` seconds and the page beats every ``beats`` (None: never)."""
    page = PageLoss()
    page.look(View(scene=Scene.CALL), T0, T0, T0)
    for number in range(1, round(seconds / STEP) + 1):
        passed = number * STEP
        last_frame = T0 + (0.0 if packets is None else passed // packets * packets)
        last_heartbeat = T0 + (0.0 if beats is None else passed // beats * beats)
        page.look(View(scene=scene, joinable=joinable), last_frame, last_heartbeat, T0 + passed)
    return page


@pytest.mark.parametrize(
    ("scene", "packets", "beats", "lost"),
    [
        # What the page shows, packets, heartbeats: is it lost after a minute?
        (Scene.CALL, None, 2.0, False),
        (Scene.GATED, None, 2.0, False),
        (Scene.CALL, 0.5, None, False),
        (Scene.CALL, None, None, True),
        (Scene.ASKED, None, 2.0, True),
        (Scene.OPENING, None, 2.0, True),
        (Scene.REFUSED, None, 2.0, True),
        (Scene.ASKED, None, None, True),
        (Scene.ASKED, 0.5, 2.0, False),
        (Scene.ASKED, 0.5, None, False),
        (Scene.LOBBY, None, 2.0, False),
        (Scene.HOST_ABSENT, None, 2.0, False),
        (Scene.OVER, None, 2.0, False),
    ],
)
def test_a_page_is_lost_where_two_kinds_of_evidence_are_missing(
    scene: Scene, packets: float | None, beats: float | None, lost: bool
) -> None:
    found = looked(scene, 60.0, packets=packets, beats=beats).lost
    # Between two heartbeats the page is not lost yet.
    assert (found is not None and found.seconds > 2.0) is lost


def test_every_scene_without_a_call_is_judged() -> None:
    assert {Scene.OPENING, Scene.ASKED, Scene.REFUSED} == NO_CALL


def test_the_loss_is_as_long_as_it_was_seen() -> None:
    lost = looked(Scene.ASKED, 20.0).lost
    assert lost is not None
    assert lost == (
        20.0,
        "the page shows no call and no packet arrives",
        ("page.no_call", "media.no_packets"),
    )


def test_a_page_that_offers_to_join_is_named_so() -> None:
    lost = looked(Scene.ASKED, 6.0, joinable=True).lost
    assert lost is not None
    assert (lost.detail, lost.evidence[0]) == (
        "the page offers to join the call and no packet arrives",
        "page.joinable",
    )


def test_one_packet_or_one_look_at_the_call_begins_anew() -> None:
    page = looked(Scene.ASKED, 19.0)
    page.look(View(scene=Scene.ASKED), T0 + 19.5, T0, T0 + 19.5)
    assert page.lost is None
    page = looked(Scene.ASKED, 19.0)
    page.look(View(scene=Scene.CALL), T0, T0 + 19.5, T0 + 19.5)
    assert page.lost is None


def test_the_longer_of_two_losses_counts() -> None:
    page = looked(Scene.CALL, 15.0, beats=None)
    page.look(View(scene=Scene.ASKED), T0, T0, T0 + 15.5)
    assert page.lost is not None
    assert (page.lost.seconds, page.lost.evidence[0]) == (15.5, "page.no_heartbeat")


def test_a_page_that_never_beat_says_nothing_by_not_beating() -> None:
    page = PageLoss()
    for number in range(200):
        page.look(View(scene=Scene.CALL), None, None, T0 + number)
    assert page.lost is None


@pytest.mark.parametrize("pause", [60.0, 3600.0, -3600.0])
def test_a_paused_worker_has_seen_nothing(pause: float) -> None:
    page = looked(Scene.ASKED, 4.0)
    page.look(View(scene=Scene.ASKED), T0, T0, T0 + 4.0 + pause)
    assert page.lost is not None
    assert page.lost.seconds <= 4.0 + MOST_PER_LOOK


@given(
    st.lists(
        st.tuples(st.floats(0.1, 4.0), st.sampled_from(Scene), st.booleans(), st.booleans()),
        max_size=60,
    )
)
def test_a_loss_is_never_longer_than_the_time_without_a_packet(
    looks: list[tuple[float, Scene, bool, bool]],
) -> None:
    page, at, last_frame, last_heartbeat = PageLoss(), T0, T0, T0
    page.look(View(scene=Scene.CALL), last_frame, last_heartbeat, at)
    for step, scene, packet, beat in looks:
        at += step
        last_frame = at if packet else last_frame
        last_heartbeat = at if beat else last_heartbeat
        page.look(View(scene=scene), last_frame, last_heartbeat, at)
        if page.lost is not None:
            assert page.lost.seconds <= at - last_frame + 1e-6
            assert scene in NO_CALL or page.lost.seconds <= at - last_heartbeat + 1e-6
