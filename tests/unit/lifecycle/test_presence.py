from __future__ import annotations

from worker.lifecycle.media_state import MediaState
from worker.lifecycle.presence import LONGEST_PAUSE, STILL_HERE, PresenceMonitor, people
from worker.roster.roster import Device, Evidence, Roster, SourceOwner, Status

US = Device(device_id="us", name="Notes", is_us=True, status=Status.IN)
ANA = Device(device_id="ana", name="Ana", status=Status.IN)
ANA_GONE = Device(device_id="ana", name="Ana", status=Status.OUT)
BOT = Device(device_id="bot", name="Some Notetaker", status=Status.IN)
QUIET = MediaState()


def roster(*devices: Device, sources: dict[int, str] | None = None) -> Roster:
    return Roster(
        devices={device.device_id: device for device in devices},
        sources={
            source: SourceOwner(device_id=device_id, evidence=(Evidence.FRAMES,))
            for source, device_id in (sources or {}).items()
        },
    )


def monitor() -> PresenceMonitor:
    return PresenceMonitor("Notes", lambda device: "Notetaker" in (device.name or ""))


def test_people_are_without_the_bot_screen_shares_and_participants_who_wait_or_left() -> None:
    share = Device(device_id="share", name="Ana (Presentation)", status=Status.IN, parent_id="ana")
    waiting = Device(device_id="ben", name="Ben", status=Status.WAITING)
    tile = Device(device_id="cem", name="Cem")
    assert people(roster(US, ANA_GONE, share, waiting, tile), "Notes") == [tile]


def test_a_roster_shows_leaving_only_once_a_participant_whom_it_showed_has_left() -> None:
    presence = monitor()
    assert not presence.update(roster(US), QUIET, 0).showed_leaving
    assert not presence.update(roster(US, ANA_GONE), QUIET, 1).showed_leaving
    assert not presence.update(roster(US, ANA), QUIET, 2).showed_leaving
    assert presence.update(roster(US, ANA_GONE), QUIET, 3).showed_leaving
    assert not presence.update(roster(US, ANA), QUIET, 4).showed_leaving


def test_a_source_is_unseen_unless_the_roster_shows_its_owner() -> None:
    presence = monitor()
    spoke = MediaState(sources={7: 10.0})
    assert presence.update(roster(US, ANA), spoke, 10).unseen_spoke_at == 10.0
    assert presence.update(roster(US, ANA, sources={7: "ana"}), spoke, 10).unseen_spoke_at is None
    assert presence.update(roster(US, ANA, sources={7: "nobody"}), spoke, 10).unseen_spoke_at == 10.0
    assert presence.update(roster(US, ANA, sources={7: "us"}), spoke, 10).unseen_spoke_at == 10.0


def test_the_sound_of_a_screen_share_is_its_presenters() -> None:
    share = Device(device_id="share", status=Status.IN, parent_id="ana")
    ended = Device(device_id="share", status=Status.OUT, parent_id="ana")
    presence = monitor()
    spoke = MediaState(sources={7: 10.0})
    assert presence.update(roster(US, ANA, share, sources={7: "share"}), spoke, 10).unseen_spoke_at is None
    gone = roster(US, ANA_GONE, ended, sources={7: "share"})
    assert presence.update(gone, spoke, 11).unseen_spoke_at is None


def test_a_participant_who_speaks_after_the_roster_showed_them_leaving_is_unseen() -> None:
    presence = monitor()
    owned = {7: "ana"}
    presence.update(roster(US, ANA, sources=owned), QUIET, 0)
    gone = roster(US, ANA_GONE, sources=owned)
    last_word = MediaState(sources={7: 100 + STILL_HERE})
    assert presence.update(gone, last_word, 100).unseen_spoke_at is None
    later = MediaState(sources={7: 101 + STILL_HERE})
    assert presence.update(gone, later, 110).unseen_spoke_at == 101 + STILL_HERE


def test_speech_without_a_source_may_be_of_each_participant_whom_the_roster_showed_then() -> None:
    presence = monitor()
    spoke = MediaState(unlisted_speech=100.0)
    assert presence.update(roster(US), spoke, 100).unseen_spoke_at == 100.0
    assert presence.update(roster(US, ANA, BOT), spoke, 101).unseen_spoke_at is None
    assert presence.update(roster(US, ANA_GONE, BOT), spoke, 102).unseen_spoke_at is None
    late = MediaState(unlisted_speech=103 + STILL_HERE)
    assert presence.update(roster(US, ANA_GONE, BOT), late, 110).unseen_spoke_at == 103 + STILL_HERE


def test_a_roster_that_missed_a_speaker_once_is_known_to_be_incomplete() -> None:
    presence = monitor()
    presence.update(roster(US), QUIET, 0)
    presence.update(roster(US), MediaState(unlisted_speech=60.0), 60)
    presence.update(roster(US, ANA), QUIET, 70)
    spoke = MediaState(unlisted_speech=80.0)
    assert presence.update(roster(US, ANA_GONE), spoke, 90).unseen_spoke_at == 80.0


def test_the_unseen_are_there_for_the_longest_pause() -> None:
    presence = monitor().update(roster(US), MediaState(sources={7: 10.0}), 10)
    assert presence.unseen_are_here(10 + LONGEST_PAUSE)
    assert not presence.unseen_are_here(10.5 + LONGEST_PAUSE)
    assert not monitor().update(roster(US), QUIET, 0).unseen_are_here(0)
