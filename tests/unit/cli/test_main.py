from __future__ import annotations

import errno
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.support.full_disk import files_limited_to
from tests.support.mcap_files import an_mcap
from tests.support.tape_samples import a_meeting
from worker.cli import main as cli
from worker.lifecycle.leave_policy import STANDALONE, LeavePolicy, Patience
from worker.recording.outcome import RecordingRequest
from worker.rendering import completion
from worker.settings import BrowserSettings
from worker.tape.events import TAPE_VERSION, RecordingStarted
from worker.tape.writer import TapeWriter

LINK = "https://meet.google.com/abc-defg-hij"


@pytest.fixture
def tape(tmp_path: Path) -> Path:
    with TapeWriter(tmp_path / "tape") as writer:
        for at, event in a_meeting(12):
            writer.write(event, at)
    return tmp_path / "tape"


def run(*arguments: str | Path) -> int:
    return cli.main([str(argument) for argument in arguments])


def one_line(capsys: pytest.CaptureFixture[str]) -> str:
    """The only line on standard error, without the name before it."""
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert error.startswith("meetstems: ")
    return error.removeprefix("meetstems: ").rstrip("\n")


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        ([], "the following arguments are required: command (see meetstems --help)"),
        (["record", LINK], "the following arguments are required: --output (see meetstems record --help)"),
        (["replay"], "the following arguments are required: TAPE, --output (see meetstems replay --help)"),
        (
            ["record", LINK, "--output", "x", "--max-duration", "-1"],
            "argument --max-duration: '-1': expected a positive number of seconds (see meetstems record --help)",
        ),
        (
            ["record", LINK, "--output", "x", "--max-duration", "inf"],
            "argument --max-duration: 'inf': expected a positive number of seconds (see meetstems record --help)",
        ),
        (
            ["record", LINK, "--output", "x", "--bot-name", "a\tb"],
            "argument --bot-name: 'a\\tb': expected 1 to 60 printable characters (see meetstems record --help)",
        ),
        (
            ["record", LINK, "--output", "x", "--bot-name", " "],
            "argument --bot-name: ' ': expected 1 to 60 printable characters (see meetstems record --help)",
        ),
        (
            ["record", LINK, "--output", "x", "--alone", "soon"],
            "argument --alone: 'soon': expected a positive number of seconds (see meetstems record --help)",
        ),
        (
            ["record", LINK, "--output", "x", "--announce", " "],
            "argument --announce: 0 characters; expected 1 to 4096 (see meetstems record --help)",
        ),
    ],
)
def test_wrong_arguments_are_refused_in_one_line(
    capsys: pytest.CaptureFixture[str], arguments: list[str], line: str
) -> None:
    with pytest.raises(SystemExit) as end:
        run(*arguments)
    assert end.value.code == 2
    assert one_line(capsys) == line


def test_record_refuses_a_link_that_is_no_call(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("record", "https://zoom.us/j/1", "--output", tmp_path / "out") == 2
    assert one_line(capsys).startswith("meeting link 'https://zoom.us/j/1': expected a Google Meet link like")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("arguments", "policy"),
    [
        ([], STANDALONE),
        (
            ["--max-duration", "1.5", "--wait", "20", "--alone", "30"],
            LeavePolicy(
                waiting_room=20, noone_joined=30, everyone_left=Patience(30), max_duration=1.5, silence=None
            ),
        ),
    ],
)
def test_record_options_set_policy_and_announcement(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], policy: LeavePolicy
) -> None:
    requests: list[RecordingRequest] = []

    async def record_and_report(request: RecordingRequest, _: BrowserSettings) -> int:
        requests.append(request)
        return 0

    monkeypatch.setattr("worker.cli.record.record_and_report", record_and_report)
    assert run("record", LINK, "--output", tmp_path, "--announce", " Hello ", *arguments) == 0
    (request,) = requests
    assert (request.policy, request.announcement, request.bot_name) == (policy, "Hello", cli.DEFAULT_BOT_NAME)


@pytest.mark.parametrize(("arguments", "separate"), [([], False), (["--video"], True)])
def test_record_takes_video_only_when_asked_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], separate: bool
) -> None:
    requests: list[RecordingRequest] = []

    async def record_and_report(request: RecordingRequest, _: BrowserSettings) -> int:
        requests.append(request)
        return 0

    monkeypatch.setattr("worker.cli.record.record_and_report", record_and_report)
    assert run("record", LINK, "--output", tmp_path, *arguments) == 0
    assert [request.separate_video for request in requests] == [separate]


def test_record_names_the_setting_of_a_missing_chromium(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_CHROMIUM", "/nowhere/chromium")
    assert run("record", LINK, "--output", tmp_path / "out") == 1
    assert (
        one_line(capsys)
        == "MEETSTEMS_CHROMIUM='/nowhere/chromium': expected the path of an executable Chromium"
    )


def test_record_fails_if_chromium_does_not_start(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_CHROMIUM", "/bin/false")
    assert run("record", LINK, "--output", tmp_path / "out") == 1
    assert "false did not start: " in capsys.readouterr().err


@pytest.mark.parametrize("command", ["record https://meet.google.com/abc-defg-hij --output", "run --job"])
def test_a_storage_state_is_checked_before_anything_else(
    command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_STORAGE_STATE", "/nowhere/state.json")
    monkeypatch.setenv("MEETSTEMS_CHROMIUM", "/nowhere/chromium")
    assert run(*command.split(), tmp_path / "new") == 2
    assert one_line(capsys).startswith("MEETSTEMS_STORAGE_STATE='/nowhere/state.json': cannot be read")


def test_chromium_args_with_an_open_quote_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MEETSTEMS_CHROMIUM_ARGS", "--lang='en")
    assert run("record", LINK, "--output", tmp_path / "out") == 2
    assert one_line(capsys).startswith("MEETSTEMS_CHROMIUM_ARGS=")


def a_folder_with_a_file(folder: Path) -> str:
    folder.mkdir()
    (folder / "old.webm").write_bytes(b"precious")
    return "is not empty, expected a new or an empty folder"


def a_file(folder: Path) -> str:
    folder.write_bytes(b"precious")
    return "is a file, expected a new or an empty folder"


@pytest.mark.parametrize("occupy", [a_folder_with_a_file, a_file])
@pytest.mark.parametrize("command", ["record", "replay"])
def test_an_output_with_content_is_refused_and_kept(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str], occupy: Any, command: str
) -> None:
    output = tmp_path / "out"
    reason = occupy(output)
    assert run(command, LINK if command == "record" else tape, "--output", output) == 2
    assert one_line(capsys) == f"output {output}: {reason}"
    assert b"precious" in (output.read_bytes() if output.is_file() else (output / "old.webm").read_bytes())


def test_an_output_that_cannot_be_created_is_refused(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_bytes(b"")
    for command, subject in (("record", LINK), ("replay", tape)):
        assert run(command, subject, "--output", tmp_path / "file" / "out") == 2
        assert one_line(capsys) == f"output {tmp_path}/file/out: cannot be written: Not a directory"


@pytest.mark.parametrize("command", ["record", "replay"])
@pytest.mark.parametrize("size", [0, 100])
def test_an_output_without_space_is_refused(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str], command: str, size: int
) -> None:
    with files_limited_to(size):
        assert run(command, LINK if command == "record" else tape, "--output", tmp_path / "out") == 2
    reason = os.strerror(errno.EFBIG) if size == 0 else "the disk is full"
    assert one_line(capsys) == f"output {tmp_path / 'out'}: cannot be written: {reason}"


def test_replay_fails_if_the_output_fills_up(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_limited_to(100_000):
        assert run("replay", tape, "--output", tmp_path / "out") == 1
    assert one_line(capsys).startswith(f"output {tmp_path / 'out'}: cannot be written: ")


def test_replay_that_fails_for_one_file_shows_what_it_wrote(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with files_limited_to(100_000):
        assert run("replay", tape, "--output", tmp_path / "out") == 1
    captured = capsys.readouterr()
    assert "meeting_ended" in captured.out
    assert "warning: The mixed audio ends at 1.0 s: it could not be written (File too large)." in captured.out
    assert (tmp_path / "out" / "audio_streams.json").is_file()
    assert (tmp_path / "out" / "timeline.html").is_file()


@pytest.mark.parametrize(
    ("step", "file", "warning"),
    [
        ("timeline_html", "timeline.html", "There is no timeline"),
        ("encode_meeting", "meeting.json", "There is no list of participants and messages"),
    ],
)
def test_replay_without_a_file_that_the_recording_does_not_need_warns(
    step: str,
    file: str,
    warning: str,
    tmp_path: Path,
    tape: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(_: object) -> NoReturn:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(completion, step, fail)
    assert run("replay", tape, "--output", tmp_path / "out") == 0
    said = f"warning: {warning}: it could not be written (No space left on device)."
    assert said in capsys.readouterr().out
    assert not (tmp_path / "out" / file).exists()
    assert (tmp_path / "out" / "audio.wav").is_file()


def test_replay_writes_all_files(tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("replay", tape, "--output", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    assert "meeting_ended" in captured.out
    assert "× real time" in captured.out
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        "audio.wav",
        "audio_streams.json",
        "meeting.json",
        "streams",
        "timeline.html",
    }


def test_replay_of_a_truncated_tape_warns_and_renders_the_rest(
    tmp_path: Path, tape: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = sorted(tape.iterdir())[-1]
    last.write_bytes(last.read_bytes()[:-9000])
    assert run("replay", tape, "--output", tmp_path / "out") == 0
    captured = capsys.readouterr()
    assert captured.err == f"meetstems: tape {tape}: {last.name}: is torn: it ends within a record\n"


def test_replay_of_a_tape_without_a_call_writes_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with TapeWriter(tmp_path / "tape") as writer:
        for at, event in a_meeting(1):
            if isinstance(event, RecordingStarted):
                break
            writer.write(event, at)
    assert run("replay", tmp_path / "tape", "--output", tmp_path / "out") == 2
    assert one_line(capsys) == "nothing was recorded: the tape ends before the bot was in the call"
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (None, "is empty, expected files like part-000000.mcap"),
        (
            b"GIF89a",
            "is not a tape of meetstems: part-000000.mcap: is damaged: it does not begin as an MCAP file",
        ),
        (
            an_mcap(profile="ros2"),
            "is not a tape of meetstems: part-000000.mcap: is damaged: its MCAP profile is 'ros2', expected 'meetstems'",
        ),
        (an_mcap(version="7"), f"has version 7, expected at most {TAPE_VERSION}; a newer meetstems wrote it"),
    ],
)
def test_replay_refuses_folders_without_a_tape(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], content: bytes | None, reason: str
) -> None:
    folder = tmp_path / "tape"
    folder.mkdir()
    if content is not None:
        (folder / "part-000000.mcap").write_bytes(content)
    assert run("replay", folder, "--output", tmp_path / "out") == 2
    assert one_line(capsys) == f"tape {folder}: {reason}"


def test_replay_refuses_a_missing_tape(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("replay", tmp_path / "none", "--output", tmp_path / "out") == 2
    assert (
        one_line(capsys) == f"tape {tmp_path}/none: is not a folder, expected the tape folder of a recording"
    )
    assert not (tmp_path / "out").exists()


def test_replay_refuses_an_output_within_the_tape(tape: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run("replay", tape, "--output", tape / "again") == 2
    assert one_line(capsys) == f"output {tape}/again: is within the tape, expected another folder"


def test_control_characters_of_an_argument_do_not_reach_the_terminal(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("replay", tmp_path / "\x1b[31mred\u202e", "--output", tmp_path / "out") == 2
    assert "\x1b" not in (line := one_line(capsys))
    assert "\u202e" not in line


def test_a_closed_pipe_does_not_fail_the_command(tmp_path: Path, tape: Path) -> None:
    process = subprocess.Popen(
        [sys.executable, "-m", "worker.cli", "replay", str(tape), "--output", str(tmp_path / "out")],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    error = process.stderr.read()
    process.stderr.close()
    assert (process.wait(30), error) == (0, b"")
    assert (tmp_path / "out" / "audio_streams.json").exists()


def test_help_loads_neither_playwright_nor_av_nor_numpy() -> None:
    loaded = "print({'playwright', 'av', 'numpy'} & set(sys.modules))"
    program = f"import sys; from worker.cli.main import _parser; _parser(); {loaded}"
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert result.stdout == "set()\n"


def test_an_empty_environment_gives_the_default_browser_settings() -> None:
    assert BrowserSettings.from_environment({}) == BrowserSettings()
