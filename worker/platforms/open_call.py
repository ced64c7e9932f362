"""Opens the call that a link leads to, by the platform's entry in the registry."""

from __future__ import annotations

from pkgutil import resolve_name

from playwright.async_api import Page

from worker.browser.page_window import PageWindow
from worker.platforms.call import Call, CallFactory
from worker.platforms.links import Link
from worker.platforms.registry import PLATFORMS
from worker.safe_text import Secret


def identified_link(link: Link, token: Secret | None) -> Link:
    """``link`` with the token of a registered bot, where there is one and its platform takes it."""
    identify = PLATFORMS[link.platform].identify
    return (
        link
        if token is None or identify is None
        else link._replace(address=identify(link.address, token.value))
    )


def open_call(
    link: Link,
    page: Page,
    bot_name: str,
    *,
    signed_in: bool,
    window: PageWindow,
    separate_video: bool = False,
) -> Call:
    """The call behind ``link``, not yet joined. ``signed_in``: the browser carries an account. ``window`` is the page's.
    ``separate_video``: the page is to show as many videos as it can.
    """
    factory: CallFactory = resolve_name(PLATFORMS[link.platform].call)
    return factory(
        page, link.address, bot_name, signed_in=signed_in, window=window, separate_video=separate_video
    )
