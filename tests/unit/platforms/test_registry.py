from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from pkgutil import resolve_name
from typing import Final

import pytest

from worker.platforms.call import CallFactory
from worker.platforms.links import Link, parse_link
from worker.platforms.meet.call import MeetCall
from worker.platforms.registry import PLATFORMS, Platform, UnknownPlatformError, read_platform
from worker.platforms.teams.call import TeamsCall

ROOT: Final = Path(__file__).parents[3]

CALLS: dict[Platform, CallFactory] = {
    Platform.GOOGLE_MEET: MeetCall,
    Platform.MICROSOFT_TEAMS: TeamsCall,
}
"""The type checker holds the classes against what the registry only names."""

ENTRY: Final = """
from worker.platforms.address import MeetingAddress
from worker.platforms.meet.roster import MeetRosterDecoder
from worker.platforms.meet.video_sources import MeetVideoSources
from worker.platforms.registry import AudioKind, PlatformEntry, no_short_form
from worker.roster.chat import no_chat
from worker.roster.speaking import no_hints


def parse(value: str) -> MeetingAddress:
    return MeetingAddress(value, value, value)


entry = PlatformEntry(
    title="Example",
    hosts=frozenset({{"example.test"}}),
    example_link="https://example.test/1",
    parse_link=parse,
    short_form=no_short_form,
    open_roster_decoder=MeetRosterDecoder,
    audio=AudioKind.SEPARATE,
    hints_in=no_hints,
    call="worker.platforms.meet.call:MeetCall",
    page_scripts=(),
    longest_wait=600.0,
    chat_in=no_chat,
    identify=None,
    longest_alone=None,
    is_roster_push=None,
    open_video_sources=MeetVideoSources,
    open_answered_slots=None,
    {selectors}
)
"""


@pytest.mark.parametrize("platform", Platform)
def test_every_platform_has_an_entry_whose_call_can_be_opened(platform: Platform) -> None:
    entry = PLATFORMS[platform]
    assert resolve_name(entry.call) is CALLS[platform]
    assert all(selector.strip() for selector in entry.private_selectors)
    assert parse_link(entry.example_link) == Link(platform, entry.parse_link(entry.example_link))


@pytest.mark.parametrize("platform", Platform)
def test_a_platforms_page_scripts_lie_in_its_folder_and_start_themselves(platform: Platform) -> None:
    for name in PLATFORMS[platform].page_scripts:
        source = (ROOT / "browser_scripts" / name).read_text("utf-8")
        assert source.count("PLATFORM_PARTS.push(") == 1


def test_every_platforms_script_is_injected() -> None:
    folders = (path for path in (ROOT / "browser_scripts").iterdir() if path.is_dir())
    files = {f"{folder.name}/{path.name}" for folder in folders for path in folder.glob("*.js")}
    assert files == {script for entry in PLATFORMS.values() for script in entry.page_scripts}


def test_no_two_platforms_share_a_host() -> None:
    hosts = [host for entry in PLATFORMS.values() for host in entry.hosts]
    assert len(hosts) == len(set(hosts))


@pytest.mark.parametrize("platform", Platform)
def test_a_platform_is_read_from_its_value(platform: Platform) -> None:
    assert read_platform(platform.value) is platform


@pytest.mark.parametrize("value", ["", "zoom", "Google Meet", "x" * 1000])
def test_an_unknown_platform_is_named_with_what_was_expected(value: str) -> None:
    with pytest.raises(UnknownPlatformError) as caught:
        read_platform(value)
    assert str(caught.value) == (
        f"platform {value[:40]!r}: is not known, expected google_meet or microsoft_teams"
    )


@pytest.mark.parametrize(
    ("selectors", "error"),
    [
        ('private_selectors=("#people",),', None),
        ("", 'Missing named argument "private_selectors"'),
        ("private_selectors=(),", 'Argument "private_selectors" to "PlatformEntry" has incompatible type'),
    ],
    ids=["with selectors", "without", "with none"],
)
def test_a_platform_without_private_selectors_does_not_type_check(
    selectors: str, error: str | None, tmp_path: Path
) -> None:
    source = tmp_path / "entry.py"
    source.write_text(ENTRY.format(selectors=selectors), "utf-8")
    checked = subprocess.run(
        [sys.executable, "-m", "mypy", "--strict", "--follow-imports=silent", str(source)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if error is None:
        assert checked.returncode == 0, checked.stdout
    else:
        assert checked.returncode == 1
        assert error in checked.stdout
