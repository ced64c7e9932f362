from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.meet.plan import make_plan
from fixtures.replica.scenario import Scenario, ScenarioError, load_scenario, scenario_names
from fixtures.replica.voices import VoiceError

PERSON = '[[participants]]\nname = "A"\nvoice = "aria"\ncsrc = 7\n'
EXPECTED = """crowd dtx encoded-path handover late-names lossy reconnect rejoin silent skewed slot-moves
standup standup-video wrap"""


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return str(path)


def test_all_expected_scenarios_exist() -> None:
    assert scenario_names() == EXPECTED.split()


@pytest.mark.parametrize("name", EXPECTED.split())
def test_a_committed_scenario_is_valid(name: str) -> None:
    scenario = load_scenario(name)
    assert scenario.participants
    assert scenario.duration == 42 if name == "standup" else 12 <= scenario.duration <= 26
    for person in scenario.participants:
        assert all(end <= scenario.duration for _, end in person.says)


@pytest.mark.parametrize(
    "name",
    [name for folder in ("tape", "teams", "teams-wire", "video", "wire") for name in scenario_names(folder)],
)
def test_everybody_in_a_committed_scenario_speaks_before_its_end(name: str) -> None:
    scenario = load_scenario(name)
    for person in scenario.participants:
        assert person.says and person.says[-1][1] <= scenario.duration


def test_a_crowd_speaks_one_after_the_other_with_successive_sources() -> None:
    people = load_scenario("tape/many-sources").participants
    assert [person.csrc for person in people] == list(range(660_001, 660_301))
    assert {len(person.says) for person in people} == {1}
    starts = [person.says[0][0] for person in people]
    assert starts == sorted(starts)


def test_late_names_has_a_late_name_one_after_leaving_and_a_missing_one() -> None:
    people = load_scenario("late-names").participants
    assert [person.named_at for person in people] == [0.0, 7.0, 12.0, None]
    gone = people[2]
    assert gone.leaves is not None and gone.named_at is not None and gone.named_at > gone.leaves


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            'title = "t"\nduration = 1.0\nplatform = "microsoft_teams"\n[video]\ncodec = "vp8"\n',
            "scenario own.toml: video.codec: 'vp8' on Teams, expected 'h264'",
        ),
        ("duration = ", "own.toml"),
        ('title = "x"\nduration = 0', "$.duration"),
        ('title = "x"\nduration = 1\ncolour = 3', "colour"),
        ('title = "x"\nduration = 1\nends = "fire"', "$.ends"),
        ('title = "x"\nduration = 1\n[network]\nloss = 1.5', "$.network.loss"),
        ('title = "x"\nduration = 1\n[media]\nsignalling = "smoke"', "$.media.signalling"),
        ('title = "x"\nduration = 1\n[media]\nreconnects = [3.0, 1.0]', "reconnects"),
        ('title = "x"\nduration = 1\n[media]\nssrcs = [1, 1, 2]', "ssrcs"),
        (f'title = "x"\nduration = 1\n{PERSON}says = [[2.0, 1.0]]', "says: [2.0, 1.0], expected"),
        (
            f'title = "x"\nduration = 1\n{PERSON}says = [[0.0, 1.0], [0.5, 2.0]]',
            "says: [0.5, 2.0] begins before",
        ),
        (f'title = "x"\nduration = 1\n{PERSON}moves = [{{ at = 1.0, slot = 3 }}]', "moves[0].slot"),
        (f'title = "x"\nduration = 1\n{PERSON}csrc_changes = [[2.0, 8], [1.0, 9]]', "csrc_changes"),
        (f'title = "x"\nduration = 1\n{PERSON}csrc_changes = [[2.0, 42]]', "csrc: 42"),
        (f'title = "x"\nduration = 1\n{PERSON}{PERSON}', "csrc: [7] of 'A' and 'A' at the same time"),
        (
            f'title = "x"\nduration = 9\n{PERSON}leaves = 3.0\n{PERSON}joins = 2.0\n',
            "csrc: [7] of 'A' and 'A' at the same time",
        ),
        (
            f'title = "x"\nduration = 1\n{PERSON}csrc_changes = [[0.5, 7]]',
            "csrc: [7, 7], expected each one once",
        ),
        (f'title = "x"\nduration = 1\n{PERSON}packets = {{ ms = 30 }}', "packets.ms"),
        (
            f'title = "x"\nduration = 1\n{PERSON}foreign = [{{ at = 0.0, until = 1.0, payload = "pcmu" }}]',
            "other_payloads = true",
        ),
        (
            f'title = "x"\nduration = 1\nplatform = "microsoft_teams"\n{PERSON}packets = {{ ms = 40 }}',
            "a mixer sends packets of its own",
        ),
        (
            'title = "x"\nduration = 9\n[media]\nreconnects = [2.0]\ntakeovers = [{ at = 1.0, overlap = 3.0 }]',
            "takeovers: two connections after 1.0",
        ),
        (
            'title = "x"\nduration = 9\n[media]\nsignalling = "add_transceiver"\n'
            "[network]\noutages = [{ at = 1.0, seconds = 3.0 }]",
            "after one the server offers",
        ),
        (
            'title = "x"\nduration = 9\n[mix]\nadded = [{ at = 1.0, carries = [7], repeats = true }]',
            "expected one of carries and repeats",
        ),
    ],
)
def test_an_invalid_scenario_is_reported_in_one_line(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load_scenario(write(tmp_path, text))
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_the_error_for_an_unknown_scenario_lists_the_known_ones() -> None:
    with pytest.raises(ScenarioError, match=r"'nowhere' is unknown; known are crowd, dtx"):
        load_scenario("nowhere")


def test_the_error_for_an_unknown_voice_lists_the_known_ones(tmp_path: Path) -> None:
    text = f'title = "x"\nduration = 1\n{PERSON}'.replace("aria", "nobody")
    with pytest.raises(VoiceError, match=r"'nobody' is unknown; known are aria, bruno"):
        make_plan(load_scenario(write(tmp_path, text)))


def test_csrc_at_follows_the_csrc_changes() -> None:
    alex = load_scenario("rejoin").participants[0]
    assert [alex.csrc_at(at) for at in (0.0, 7.99, 8.0, 20.0)] == [730001, 730001, 730011, 730011]
    assert alex.csrcs == [730001, 730011]


def test_rejoin_has_two_people_with_one_name_and_crowd_has_twenty_voices() -> None:
    assert [person.name for person in load_scenario("rejoin").participants][:2] == ["Alex Kim"] * 2
    crowd = load_scenario("crowd")
    assert len({person.voice for person in crowd.participants}) == 20
    assert isinstance(crowd, Scenario)
