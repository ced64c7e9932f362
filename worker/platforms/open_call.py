"""What joins and watches a call, by the platform that its link leads to."""

from __future__ import annotations

from playwright.async_api import Page

from worker.platforms.call import Call
from worker.platforms.links import Link
from worker.platforms.meet.call import MeetCall
from worker.platforms.meet.link import MeetLink
from worker.platforms.teams.call import TeamsCall
from worker.platforms.teams.link import TeamsLink


def open_call(link: Link, page: Page, bot_name: str, *, signed_in: bool) -> Call:
    """The call behind ``link``, not yet joined. ``signed_in``: the browser carries an account."""
    match link:
        case MeetLink():
            return MeetCall(page, link, bot_name, signed_in=signed_in)
        case TeamsLink():
            return TeamsCall(page, link, bot_name, signed_in=signed_in)
