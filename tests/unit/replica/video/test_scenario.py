from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.scenario import ScenarioError, load_scenario, scenario_names

HEADER = 'title = "t"\nduration = 9.0\n'
PERSON = '[[participants]]\nname = "A"\nvoice = "aria"\ncsrc = {csrc}\n'


def write(tmp_path: Path, text: str) -> str:
    path = tmp_path / "own.toml"
    path.write_text(text, "utf-8")
    return str(path)


def people(count: int, last: str) -> str:
    return "".join(PERSON.format(csrc=100 + number) for number in range(count)) + last


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('[video]\ncodec = "vp8"\ntemporal_layers = 2\n', "temporal_layers: 2 with vp8, expected at most 1"),
        ('[video]\ncodec = "av1"\ntemporal_layers = 3\n', "temporal_layers: 3 with av1, expected at most 2"),
        ('[video]\ncodec = "h265"\n', "codec"),
        ("[video]\nfps = 60\n", "fps"),
        (people(1, "cameras = [[3, 2]]\n"), r"cameras: \[3.0, 2.0\]"),
        (
            people(1, "camera_sizes = [{ at = 3, height = 360 }, { at = 2, height = 180 }]\n"),
            r"camera_sizes: times \[3.0, 2.0\]",
        ),
        (people(1, "camera_sizes = [{ at = 3, height = 720 }]\n"), "camera_sizes"),
        ("[video]\n" + people(17, "cameras = [[0, 9]]\n"), "is participant 16, expected one of the first 16"),
        ("[video]\n" + people(3, "presents = [[0, 9]]\n"), "is participant 2, expected one of the first 2"),
        (
            "[video]\n" + people(7, "camera_sizes = [{ at = 1, height = 360 }]\n"),
            "expected one of the first 6 for pictures 360 pixels high",
        ),
    ],
)
def test_a_wrong_file_is_refused(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(ScenarioError, match=message):
        load_scenario(write(tmp_path, HEADER + text))


def test_a_scenario_without_the_table_sends_no_video(tmp_path: Path) -> None:
    scenario = load_scenario(write(tmp_path, HEADER + people(17, "presents = [[0, 9]]\n")))
    assert scenario.video is None
    assert all(load_scenario(name).video is None for name in scenario_names() if name != "standup-video")


def test_the_scenarios_of_video_have_each_codec_of_meet_and_what_changes() -> None:
    scenarios = [load_scenario(name) for name in scenario_names("video")]
    meet = [scenario for scenario in scenarios if scenario.platform == "google_meet"]
    assert {scenario.video.codec for scenario in meet if scenario.video} == {"vp8", "vp9", "av1"}
    assert {scenario.video.temporal_layers for scenario in meet if scenario.video} == {1, 2, 3}
    everybody = [person for scenario in meet for person in scenario.participants]
    assert any(person.camera_sizes for person in everybody)
    assert any(len(person.cameras) > 1 for person in everybody)
    assert any(len(person.presents) > 1 for person in everybody)
    assert any(person.named_at for person in everybody)
    assert any(scenario.video.loss for scenario in meet if scenario.video)


def test_the_standup_has_three_people_with_cameras_and_one_host() -> None:
    scenario = load_scenario("standup-video")
    assert scenario.video is not None and 20 <= scenario.duration <= 30
    assert len(scenario.participants) == 3
    assert all(person.cameras and person.says for person in scenario.participants)
    assert sum(person.host for person in scenario.participants) == 1
