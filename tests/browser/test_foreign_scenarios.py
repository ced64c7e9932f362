"""The scripts of other bots in each committed scenario: whatever a call sends, they and the page go on. Played by
``make outcomes`` alone.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from fixtures.replica.meet.site import MeetSite
from fixtures.replica.scenario import Scenario, load_scenario, scenario_names
from fixtures.replica.teams.site import TeamsSite
from tests.browser.test_foreign_scripts import ask_teams, unharmed
from tests.browser.test_scenario_outcomes import FOLDERS, shortened
from tests.support.foreign_bot import MEET_PARTS, TEAMS_PARTS, Visit, foreign_bot
from tests.support.outcome_rows import RECORDS

SCENARIOS = {
    platform: [name for folder in folders for name in scenario_names(folder)]
    for platform, folders in FOLDERS.items()
    if RECORDS
}
PAGES = {"google_meet": (MeetSite.hosts, MEET_PARTS), "microsoft_teams": (TeamsSite.hosts, TEAMS_PARTS)}


@pytest.mark.timeout(600)
@pytest.mark.parametrize("platform", SCENARIOS)
async def test_foreign_scripts_live_in_every_scenario(platform: str, tmp_path: Path) -> None:
    faults: list[str] = []
    async with foreign_bot(*PAGES[platform]) as bot:
        for index, name in enumerate(SCENARIOS[platform]):
            scenario = shortened(load_scenario(name))
            async with bot.visiting(scenario, tmp_path / f"truth-{index}") as visit:
                await ask(visit, scenario)
                how = await visit.replica.wait_ended()
                notes = await visit.notes()
                faults += unharmed(name, visit, notes)
                if how not in ("host_ended", "removed"):
                    faults.append(f"{name}: ended by {how}")
                if not any(track.kind == "audio" for track in notes.tracks) or not notes.messages:
                    faults.append(f"{name}: brought no audio, or no messages: {notes.messages}")
    assert not faults, "\n".join(faults)


async def ask(visit: Visit, scenario: Scenario) -> None:
    """Asks to join by the page's own buttons."""
    if scenario.platform == "google_meet":
        await visit.page.fill("input[type=text][aria-label='Your name']", "Foreign")
        await visit.page.click("button:has(span:text-is('Ask to join'))")
        return
    if scenario.teams.launcher:
        await visit.page.click("[data-tid=joinOnWeb]")
    await ask_teams(visit.page)
