"""A Chromium whose pages have the scripts of tests/support/foreign: they do what scripts of other bots do on the real pages.

None of the worker's code runs in it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import msgspec
from aiohttp import web
from playwright.async_api import Error as PlaywrightError
from playwright.async_api import Page

from fixtures.replica.scenario import Scenario
from fixtures.replica.server import Replica
from tests.support.replica_browser import ReplicaBrowser, replica_browser

FOLDER: Final = Path(__file__).parent / "foreign"
PARTS: Final = (
    "notes",
    "sockets",
    "peer_connections",
    "contributing_sources",
    "local_socket",
    "strict_protobuf",
)
"""The scripts of every platform, in the order in which they must run."""
MEET_PARTS: Final = (*PARTS, "meet_roster")
TEAMS_PARTS: Final = (*PARTS, "teams_roster", "teams_call", "teams_page")
PATIENCE: Final = 20.0
"""Seconds that a condition may take."""


class Description(msgspec.Struct, frozen=True):
    """An SDP that the page set; ``set`` is the method's name."""

    set: str
    type: str
    sdp: str


class Track(msgspec.Struct, frozen=True):
    """A track that the page was given."""

    kind: str
    id: str
    streams: list[str]


class Person(msgspec.Struct, frozen=True, rename="camel"):
    """A participant; ``status`` is ``in``, ``waits``, ``left`` or ``removed``."""

    name: str
    is_self: bool
    status: str | None = None


class Caption(msgspec.Struct, frozen=True):
    """A caption; ``who`` is a device, an id or a name."""

    who: str
    text: str


class Speech(msgspec.Struct, frozen=True):
    """That a source begins or ends to be loud."""

    source: int
    speaks: bool


class Notes(msgspec.Struct, frozen=True, rename="camel"):
    """What the scripts found out in a document; tests/support/foreign/foreign.d.ts explains the fields."""

    faults: list[str] = []
    sockets: list[str] = []
    local_socket: str = ""
    descriptions: list[Description] = []
    tracks: list[Track] = []
    messages: dict[str, int] = {}
    people: dict[str, Person] = {}
    sources: dict[str, str] = {}
    captions: list[Caption] = []
    chat: list[str] = []
    calls: list[str] = []
    speech: list[Speech] = []
    outlined: list[str] = []

    @property
    def names(self) -> set[str]:
        """The names of all people that are known to be in the call. Who has none is nobody that a user would see."""
        return {person.name for person in self.people.values() if person.name and person.status == "in"}

    @property
    def speakers(self) -> set[str]:
        """The names of those whose source was loud, as far as sources and names are known."""
        owners = {str(speech.source): self.sources.get(str(speech.source)) for speech in self.speech}
        return {self.people[owner].name for owner in owners.values() if owner in self.people}


class Visit(NamedTuple):
    """A page of the replica, and the replica. ``errors``: what the page did not catch, in all documents so far."""

    replica: Replica
    page: Page
    errors: list[str]

    async def notes(self) -> Notes:
        """What the scripts found out in the present document."""
        return msgspec.convert(await self.page.evaluate("window.foreign"), Notes)

    async def until(self, met: Callable[[Notes], Any]) -> Notes:
        """The first notes that meet the condition; the last ones where none does in time."""
        deadline = asyncio.get_running_loop().time() + PATIENCE
        notes = Notes()
        while not met(notes) and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.05)
            # While the page goes to another document, there is none to ask.
            with suppress(PlaywrightError):
                notes = await self.notes()
        return notes


class ForeignBot:
    """Visits meetings of the replica, one after the other."""

    def __init__(self, browser: ReplicaBrowser) -> None:
        self._browser = browser

    @asynccontextmanager
    async def visiting(self, scenario: Scenario, truth: Path) -> AsyncIterator[Visit]:
        """The meeting's first page."""
        async with self._browser.visiting(scenario, truth) as (replica, page):
            errors: list[str] = []
            page.on("pageerror", lambda error: errors.append(str(error)))
            await page.goto(replica.meeting_url)
            yield Visit(replica, page, errors)


@asynccontextmanager
async def foreign_bot(hosts: Sequence[str], parts: Sequence[str]) -> AsyncIterator[ForeignBot]:
    """A Chromium for pages of ``hosts`` with these scripts in every one, and the bot's own WebSocket server."""
    sink = await _sink()
    texts = [(FOLDER / f"{part}.js").read_text("utf-8") for part in parts]
    try:
        async with replica_browser(
            hosts, "\n".join([f"window.foreignPort = {sink.addresses[0][1]};", *texts])
        ) as browser:
            yield ForeignBot(browser)
    finally:
        await sink.cleanup()


async def _sink() -> web.AppRunner:
    """A WebSocket server that takes everything."""

    async def take(request: web.Request) -> web.WebSocketResponse:
        socket = web.WebSocketResponse(timeout=1.0)
        await socket.prepare(request)
        async for _ in socket:
            pass
        return socket

    application = web.Application()
    application.add_routes([web.get("/", take)])
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    return runner
