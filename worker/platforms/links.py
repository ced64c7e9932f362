"""A link to a call on any platform that this package knows."""

from __future__ import annotations

from typing import Final, TypeAlias
from urllib.parse import urlsplit

from worker.errors import InputError
from worker.platforms.meet import link as meet_link
from worker.platforms.meet.link import MeetLink, MeetLinkError, parse_meet_link
from worker.platforms.teams import link as teams_link
from worker.platforms.teams.link import TeamsLink, TeamsLinkError, parse_teams_link

Link: TypeAlias = MeetLink | TeamsLink

_SHOWN_LENGTH: Final = 100


class LinkError(InputError):
    """A text is no link to a call on a platform that is supported."""


def parse_link(value: str) -> Link:
    """The call that ``value`` links to. Raises LinkError."""
    host = _host(value)
    try:
        if host == meet_link.HOST:
            return parse_meet_link(value)
        if host in (*teams_link.HOSTS, teams_link.SHORT_HOST):
            return parse_teams_link(value)
    except (MeetLinkError, TeamsLinkError) as error:
        raise LinkError(str(error)) from error
    address = value.partition("?")[0]
    shown = address if len(address) <= _SHOWN_LENGTH else address[:_SHOWN_LENGTH] + "…"
    raise LinkError(
        f"meeting link {shown!r}: expected a Google Meet link like https://{meet_link.HOST}/abc-defg-hij "
        f"or a Microsoft Teams link like {teams_link.EXPECTED}"
    )


def _host(value: str) -> str:
    text = value.strip()
    try:
        return urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return ""
