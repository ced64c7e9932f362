"""The platforms, one entry each (pure): the only place that lists them.

``call`` is named, not imported: it imports Playwright, which reading a tape does not need.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from enum import Enum, StrEnum
from types import MappingProxyType
from typing import Final, TypeAlias

from worker.errors import InputError
from worker.platforms.address import MeetingAddress
from worker.platforms.meet import chat_messages as meet_chat
from worker.platforms.meet import link as meet_link
from worker.platforms.meet.roster import MeetRosterDecoder, is_roster_push
from worker.platforms.meet.signs import LONGEST_ALONE as MEET_LONGEST_ALONE
from worker.platforms.meet.signs import PRIVATE as MEET_PRIVATE
from worker.platforms.meet.video_sources import MeetVideoSources
from worker.platforms.teams import chat_messages as teams_chat
from worker.platforms.teams import link as teams_link
from worker.platforms.teams.answered_slots import AnsweredSlots
from worker.platforms.teams.identification import identified
from worker.platforms.teams.main_channel import speaking_hints
from worker.platforms.teams.roster import TeamsRosterDecoder
from worker.platforms.teams.signs import PRIVATE as TEAMS_PRIVATE
from worker.platforms.teams.video_sources import TeamsVideoSources
from worker.roster.chat import ChatMessage
from worker.roster.decoder import RosterDecoder
from worker.roster.speaking import Said, no_hints
from worker.roster.video_sources import VideoSources
from worker.tape.events import TapeEvent


class UnknownPlatformError(InputError):
    """A tape or a job names no platform that this version knows."""


class Platform(StrEnum):
    """The value is written to tapes, manifests, jobs, events and metrics."""

    GOOGLE_MEET = "google_meet"
    MICROSOFT_TEAMS = "microsoft_teams"


class AudioKind(Enum):
    """How a platform sends what is spoken."""

    SEPARATE = "separate"
    """Each packet holds one speaker."""
    MIXED = "mixed"
    """Each packet holds the mix of everybody; CSRC lists or hints name its speakers."""


Selectors: TypeAlias = tuple[str, *tuple[str, ...]]
"""CSS selectors, at least one."""


def no_short_form(text: str) -> str | None:
    """Every link of the platform has a host."""
    return None


@dataclass(frozen=True, kw_only=True)
class PlatformEntry:
    """What the rest of the worker knows of a platform.

    ``title`` is its name for people. Links to it have one of ``hosts`` and are read by ``parse_link``, which raises
    AddressError; ``example_link`` shows one. ``short_form`` returns the link that a text without a host stands for, None for
    any other text. ``hints_in`` returns the hints of who speaks in an event of the tape, for packets without CSRCs. ``call``
    names the class that joins, watches and leaves (worker.platforms.call.CallFactory), as ``module:class``. ``page_scripts``
    are the files of browser_scripts that forward what its pages alone have. ``private_selectors`` are where its pages show
    people's names, faces, captions and chat: a snapshot hides them. ``longest_wait`` is the seconds after which the platform
    itself gives up in the waiting room. ``chat_in`` returns the chat messages in an event of the tape. ``identify`` adds a
    registered bot's token to an address, None: the platform knows none. ``longest_alone`` is the seconds after which the
    platform asks one who is alone in a call whether to go on, and ends it for them where they do not answer; None: not known
    to. ``is_roster_push`` tells the messages by which the platform pushes its roster; None: it pushes none that can go missing
    by themselves. ``open_video_sources`` makes what tells whose video each receiver shows. ``open_answered_slots``
    makes what returns the slots (document, connection, id) of which an event says that they show another source from now on;
    None: the platform says so by tracks alone.
    """

    title: str
    hosts: frozenset[str]
    example_link: str
    parse_link: Callable[[str], MeetingAddress]
    short_form: Callable[[str], str | None]
    open_roster_decoder: Callable[[], RosterDecoder]
    audio: AudioKind
    hints_in: Callable[[TapeEvent], list[Said]]
    call: str
    page_scripts: tuple[str, ...]
    private_selectors: Selectors
    longest_wait: float
    chat_in: Callable[[TapeEvent], list[ChatMessage]]
    identify: Callable[[MeetingAddress, str], MeetingAddress] | None
    longest_alone: float | None
    is_roster_push: Callable[[TapeEvent], bool] | None
    open_video_sources: Callable[[], VideoSources]
    open_answered_slots: Callable[[], Callable[[TapeEvent], Collection[tuple[int, int, str]]]] | None


PLATFORMS: Final[Mapping[Platform, PlatformEntry]] = MappingProxyType(
    {
        Platform.GOOGLE_MEET: PlatformEntry(
            title="Google Meet",
            hosts=meet_link.HOSTS,
            example_link=meet_link.EXAMPLE,
            parse_link=meet_link.parse_meet_link,
            short_form=meet_link.short_form,
            open_roster_decoder=MeetRosterDecoder,
            audio=AudioKind.SEPARATE,
            hints_in=no_hints,
            call="worker.platforms.meet.call:MeetCall",
            page_scripts=("meet/roster_requests.js", "meet/tiles.js"),
            private_selectors=MEET_PRIVATE,
            longest_wait=600.0,
            chat_in=meet_chat.chat_in,
            identify=None,
            longest_alone=MEET_LONGEST_ALONE,
            is_roster_push=is_roster_push,
            open_video_sources=MeetVideoSources,
            open_answered_slots=None,
        ),
        Platform.MICROSOFT_TEAMS: PlatformEntry(
            title="Microsoft Teams",
            hosts=frozenset({*teams_link.HOSTS, teams_link.SHORT_HOST}),
            example_link=teams_link.EXAMPLE,
            parse_link=teams_link.parse_teams_link,
            short_form=teams_link.short_form,
            open_roster_decoder=TeamsRosterDecoder,
            audio=AudioKind.MIXED,
            hints_in=speaking_hints,
            call="worker.platforms.teams.call:TeamsCall",
            page_scripts=("teams/sockets.js", "teams/page_objects.js", "teams/roster_requests.js"),
            private_selectors=TEAMS_PRIVATE,
            longest_wait=1800.0,
            chat_in=teams_chat.chat_in,
            identify=identified,
            longest_alone=None,
            is_roster_push=None,
            open_video_sources=TeamsVideoSources,
            open_answered_slots=AnsweredSlots,
        ),
    }
)


def read_platform(value: str) -> Platform:
    """The platform that ``value`` stands for. Raises UnknownPlatformError."""
    try:
        return Platform(value)
    except ValueError as error:
        known = " or ".join(Platform)
        raise UnknownPlatformError(f"platform {value[:40]!r}: is not known, expected {known}") from error
