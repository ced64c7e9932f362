"""The worker's decoder reads what the local Teams sends: a whole visit, frame by frame."""

from __future__ import annotations

import json

import pytest

from fixtures.replica.scenario import Participant, Scenario
from fixtures.replica.teams import roster
from fixtures.replica.teams.scenario import TeamsPage
from worker.platforms.teams.roster import TeamsRosterDecoder
from worker.reasons import Reason
from worker.roster.roster import Status
from worker.tape.events import RosterResponse, SocketMessage, TapeStarted

ADA = Participant(name="Ada", voice="elif", csrc=201, host=True, mutes=[(2.0, 4.0)])
BEN = Participant(name="Ben", voice="nuno", csrc=627, leaves=6.0)
MEETING = Scenario(
    title="t",
    platform="microsoft_teams",
    duration=10.0,
    participants=[ADA, BEN],
    teams=TeamsPage(recording_notice=True),
)
BOT = "Stems"
US = roster.self_id(MEETING)


class Decoded:
    """A decoder that was told what the page of a guest gets, up to a time of the scenario."""

    def __init__(self) -> None:
        self.decoder = TeamsRosterDecoder()
        self.decoder.observe(
            TapeStarted(at=0, version=2, platform="microsoft_teams", meeting_url="x", bot_name=BOT)
        )
        self.sent: list[roster.Member] = []

    def frame(self, text: str) -> None:
        message = SocketMessage(at=1.0, document=1, url="wss://trouter.test", payload=text.encode())
        self.decoder.observe(message)

    def update(self, now: float) -> None:
        known = [*roster.members(MEETING, now), roster.this_bot(MEETING, BOT)]
        body = roster.roster_body(self.sent, known)
        self.sent = known
        if body is not None:
            self.frame(roster.roster_frame(1, body))

    def statuses(self) -> dict[str | None, Status]:
        assert self.decoder.undecodable == 0
        return {device.name: device.status for device in self.decoder.roster().devices.values()}

    def muted(self) -> dict[str | None, bool | None]:
        return {device.name: device.muted for device in self.decoder.roster().devices.values()}


def test_the_lobby_is_no_call_and_its_sources_are_nobodys() -> None:
    visit = Decoded()
    visit.frame(roster.acceptance_frame(1, "v=0"))
    visit.frame(roster.lobby_frame(2, MEETING, BOT))
    assert visit.statuses() == {BOT: Status.WAITING, "Wanda Waits": Status.WAITING}
    assert visit.decoder.roster().sources == {}
    visit.update(0.0)
    assert visit.statuses()[BOT] is Status.IN
    assert visit.decoder.roster().devices[US].is_us
    owners = {source: owner.device_id for source, owner in visit.decoder.roster().sources.items()}
    assert owners == {201: roster.member_id(0, host=True), 627: roster.member_id(1), 414: US}


def test_the_recorder_is_nobody_and_mute_is_what_the_client_says() -> None:
    visit = Decoded()
    visit.update(0.0)
    assert set(visit.statuses()) == {"Ada", "Ben", BOT}
    for now, muted in ((2.5, True), (4.5, False)):
        visit.update(now)
        assert visit.muted()["Ada"] is muted
    visit.update(6.5)
    assert visit.statuses() == {"Ada": Status.IN, "Ben": Status.OUT, BOT: Status.IN}


def test_a_late_bot_learns_of_the_others_from_the_list() -> None:
    visit = Decoded()
    visit.sent = roster.members(MEETING, 0.0)
    visit.update(0.0)
    assert visit.statuses() == {BOT: Status.IN}
    known = [*roster.members(MEETING, 0.0), roster.this_bot(MEETING, BOT)]
    body = json.dumps({"conversation": roster.roster_body([], known)}).encode()
    visit.decoder.observe(RosterResponse(at=2.0, document=1, url="https://x/conv/roster", payload=body))
    assert visit.statuses() == {"Ada": Status.IN, "Ben": Status.IN, BOT: Status.IN}


@pytest.mark.parametrize(
    ("sub_code", "reason"),
    [
        (5854, Reason.DENIED_BY_HOST),
        (5723, Reason.SIGN_IN_REQUIRED),
        (5300, Reason.REMOVED),
        (5000, Reason.REMOVED),
        (5002, Reason.MEETING_ENDED),
        (5003, Reason.MEETING_ENDED),
        (5013, Reason.MEETING_ENDED),
    ],
)
@pytest.mark.parametrize("frame", [roster.end_frame, roster.leg_end_frame])
def test_either_end_frame_says_why(frame: object, sub_code: int, reason: Reason) -> None:
    assert callable(frame)
    visit = Decoded()
    visit.update(0.0)
    visit.frame(frame(9, sub_code, MEETING))
    over = visit.decoder.roster().over
    assert over is not None
    assert over.reason is reason
