"""Finds Chromium, launches it through Playwright and notices when it dies."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, BrowserContext, Page, Playwright, async_playwright
from playwright.async_api import Error as PlaywrightError

from worker.browser.page_errors import first_line
from worker.browser.processes import browser_processes, is_alive, kill_children
from worker.browser.storage_state import StorageStateError, check_storage_state
from worker.browser.version_probe import last_words, why_not_running
from worker.browser.virtual_display import virtual_display
from worker.errors import MeetstemsError
from worker.settings import BrowserSettings

_log = logging.getLogger(__name__)

EXECUTABLE_NAMES: Final = (
    "chromium",
    "chromium-browser",
    "google-chrome",
    "google-chrome-stable",
    "chrome",
)
"""Looked up on PATH, in this order."""

LAUNCH_ARGS: Final = (
    "--autoplay-policy=no-user-gesture-required",
    "--disable-background-networking",
    "--disable-gpu",
    # Chromium asks for components and for signed-in accounts at start, also with --disable-background-networking, and asks
    # again when refused. An address whose port it does not allow (9) makes it give up before it asks.
    "--component-updater=url-source=http://127.0.0.1:9/",
    "--gaia-url=http://127.0.0.1:9/",
)
"""Chromium asks only the meeting's own hosts, so a proxy has to allow no others."""

PLAYWRIGHT_DISABLED_FEATURES: Final = (
    "AvoidUnnecessaryBeforeUnloadCheckSync",
    "DestroyProfileOnBrowserClose",
    "HttpsUpgrades",
    "HttpsFirstBalancedModeAutoEnable",
    "LensOverlay",
    "MediaRouter",
    "PaintHolding",
    "ThirdPartyStoragePartitioning",
    "AvoidCorsURLLoaderRestartOnRedirect",
    "TcpPortRandomizationWin",
    "OptimizationHints",
    "NetworkTimeServiceQuerying",
    "AimEnabled",
    "PreconnectToSearch",
    "msForceBrowserSignIn",
    "msEdgeUpdateLaunchServicesPreferredVersion",
)
"""Playwright's own list, which has no way to be extended: it is repeated, since Chromium obeys only the last
``--disable-features``. tests/browser/test_launch.py compares it with what Playwright passes."""

DISABLED_FEATURES: Final = (
    # Two renderers for the suggestions of the address bar, which is not used, and one that waits for another page.
    "WebUIOmniboxPopup",
    "WebUIOmniboxAimPopup",
    "SpareRendererForSitePerProcess",
)
"""Features without which Chromium needs about 36 MiB less."""

DRIVER_OPTIONS: Final = "--max-semi-space-size=1 --max-old-space-size=256"
"""Node.js options (sizes in MiB) for Playwright's driver: its messages are short-lived, and a heap that may grow before it is
collected only keeps them. The old space is a bound far above what may be under way."""

CLOSE_TIMEOUT: Final = 5.0
"""Seconds for Chromium to end by itself."""

_PRINTED: Final = re.compile(r"\[pid=\d+\]\[(?:err|out)\] (.*\S)")
"""A line that Chromium printed, in the log of Playwright's error."""

_DRIVER_PERIOD: Final = 1.0
"""Seconds between two checks whether Playwright's driver is alive."""


class ChromiumNotFoundError(MeetstemsError):
    """There is no Chromium; the message says what to install."""


class ChromiumLaunchError(MeetstemsError):
    """Chromium was found but did not start; the message says why."""


@dataclass(frozen=True)
class BrowserSession:
    """A running Chromium. ``died`` completes, with the reason, when Chromium ends unexpectedly, when one of its pages crashes,
    or when Playwright's driver ends.
    """

    browser: Browser
    executable: str
    settings: BrowserSettings
    died: asyncio.Future[str]


def find_chromium(settings: BrowserSettings, bundled: str | None = None) -> str:
    """The path of the executable: the setting's, else the first on PATH that runs, else ``bundled`` (Playwright's) if it runs.

    Ubuntu's ``chromium-browser`` may be a script that only names the snap; one that does not run is passed over with a warning.
    Blocks. Raises ChromiumNotFoundError, with the last words of those that do not run.
    """
    if settings.chromium is not None:
        found = shutil.which(settings.chromium)
        if found is None:
            raise ChromiumNotFoundError(
                f"MEETSTEMS_CHROMIUM={settings.chromium!r}: expected the path of an executable Chromium"
            )
        return found
    faults: list[str] = []
    for candidate in _candidates(bundled):
        fault = why_not_running(candidate)
        if fault is None:
            for passed_over in faults:
                _log.warning("passed over: %s; %s is used", passed_over, candidate)
            return candidate
        faults.append(f"{candidate} does not run ({fault})")
    raise ChromiumNotFoundError(
        f"{'; '.join(faults) or 'no Chromium'}: install it (apt install chromium, or playwright install chromium), "
        "or name its executable in MEETSTEMS_CHROMIUM"
    )


def _candidates(bundled: str | None) -> list[str]:
    """Executables that may be a Chromium, each once, under all of their names."""
    found = [path for name in EXECUTABLE_NAMES if (path := shutil.which(name))]
    if bundled is not None and Path(bundled).is_file():
        found.append(bundled)
    return list({os.path.realpath(path): path for path in reversed(found)}.values())[::-1]


@asynccontextmanager
async def launch_browser(settings: BrowserSettings) -> AsyncIterator[BrowserSession]:
    """Runs Chromium for as long as the block lasts. Raises ChromiumNotFoundError, ChromiumLaunchError or DisplayError.

    Playwright handles no signals; the caller does. The sandbox is off only for root, as whom Chromium does not run with it.
    """
    others = set(browser_processes().driver)
    async with _screen(settings) as display, _driver() as playwright:
        executable = await asyncio.to_thread(find_chromium, settings, playwright.chromium.executable_path)
        browser = await _launch(playwright, executable, settings, display)
        died: asyncio.Future[str] = asyncio.get_running_loop().create_future()

        def on_disconnected(_browser: Browser) -> None:
            _set_died(died, "Chromium ended unexpectedly")

        browser.on("disconnected", on_disconnected)
        drivers = set(browser_processes().driver) - others
        watch = asyncio.create_task(_watch_driver(drivers, died))
        try:
            yield BrowserSession(browser, executable, settings, died)
        finally:
            watch.cancel()
            browser.remove_listener("disconnected", on_disconnected)
            await _close(browser, drivers)


async def new_context(session: BrowserSession) -> BrowserContext:
    """A fresh profile in the settings' language and with their storage state, without microphone and camera. It
    ignores the pages' content security policies (CSP), which could forbid our Web Worker. Raises StorageStateError where
    Chromium does not accept the file; logs a warning where it signs nobody in.
    """
    state = session.settings.storage_state
    if warning := await asyncio.to_thread(check_storage_state, state, time.time()):
        _log.warning(warning)
    try:
        # Playwright itself does not read a file with a byte order mark.
        saved = None if state is None else json.loads(state.read_text("utf-8-sig"))
        context = await session.browser.new_context(
            locale=session.settings.locale, bypass_csp=True, storage_state=saved
        )
    except (OSError, ValueError, PlaywrightError) as error:
        if state is None or not session.browser.is_connected():
            raise
        # The error may contain the file's content.
        raise StorageStateError(
            f"MEETSTEMS_STORAGE_STATE={str(state)!r}: Chromium does not accept it ({type(error).__name__}); "
            "expected what Playwright's storage_state() saves"
        ) from None

    def on_page(page: Page) -> None:
        # The page's address may hold a passcode, and is not in the message for that reason.
        page.on("crash", lambda _: _set_died(session.died, "the page crashed"))

    context.on("page", on_page)
    return context


def _screen(settings: BrowserSettings) -> AbstractAsyncContextManager[str | None]:
    """The display that Chromium is to use; None where it needs none."""
    if not settings.headed:
        return nullcontext(None)
    return virtual_display() if settings.display is None else nullcontext(settings.display)


@asynccontextmanager
async def _driver() -> AsyncIterator[Playwright]:
    """Playwright, whose driver runs with DRIVER_OPTIONS and with NODE_OPTIONS, which count where both set the same."""
    theirs = os.environ.get("NODE_OPTIONS")
    # The driver gets a copy of this process's environment, and Playwright has no other way to give it options.
    os.environ["NODE_OPTIONS"] = " ".join(filter(None, [DRIVER_OPTIONS, theirs]))
    try:
        playwright = await async_playwright().start()
    finally:
        if theirs is None:
            del os.environ["NODE_OPTIONS"]
        else:
            os.environ["NODE_OPTIONS"] = theirs
    try:
        yield playwright
    finally:
        await playwright.stop()


async def _launch(
    playwright: Playwright, executable: str, settings: BrowserSettings, display: str | None
) -> Browser:
    sandbox = os.geteuid() != 0
    screen = [] if display is None else ["--ozone-platform=x11", f"--display={display}"]
    if not sandbox:
        _log.warning("Chromium runs without its sandbox, because this process runs as root; use another user")
    try:
        return await playwright.chromium.launch(
            executable_path=executable,
            args=merge_disabled_features(
                [*LAUNCH_ARGS, f"--lang={settings.locale}", *screen, *settings.chromium_args]
            ),
            chromium_sandbox=sandbox,
            headless=not settings.headed,
            handle_sigint=False,
            handle_sigterm=False,
            handle_sighup=False,
        )
    except PlaywrightError as error:
        raise ChromiumLaunchError(f"{executable} did not start: {_reason(error)}") from error


def merge_disabled_features(args: Sequence[str]) -> list[str]:
    """``args`` with one ``--disable-features`` at the end: Playwright's list, DISABLED_FEATURES and those of ``args``."""
    switch = "--disable-features="
    listed = [feature for arg in args if arg.startswith(switch) for feature in arg[len(switch) :].split(",")]
    features = dict.fromkeys([*PLAYWRIGHT_DISABLED_FEATURES, *DISABLED_FEATURES, *filter(None, listed)])
    return [*(arg for arg in args if not arg.startswith(switch)), switch + ",".join(features)]


async def _close(browser: Browser, drivers: set[int]) -> None:
    """Closes Chromium. Kills it after CLOSE_TIMEOUT, since it waits for pages that hang."""
    try:
        async with asyncio.timeout(CLOSE_TIMEOUT):
            await browser.close()
    except TimeoutError:
        _log.warning("Chromium does not close; it is killed")
        for driver in drivers:
            kill_children(driver)


def _reason(error: PlaywrightError) -> str:
    if "sandbox" in error.message and "usable" in error.message:
        return "its sandbox is not usable here; allow user namespaces, or set MEETSTEMS_CHROMIUM_ARGS=--no-sandbox"
    printed = _PRINTED.findall(error.message)
    return f"{first_line(error)}; its last words: {last_words(printed[-1])}" if printed else first_line(error)


async def _watch_driver(drivers: set[int], died: asyncio.Future[str]) -> None:
    """Playwright does not report that its driver ended, and calls may then wait for ever."""
    while any(is_alive(pid) for pid in drivers):  # noqa: ASYNC110 - what is waited for is another process
        await asyncio.sleep(_DRIVER_PERIOD)
    _set_died(died, "Playwright's driver ended unexpectedly")


def _set_died(died: asyncio.Future[str], reason: str) -> None:
    if not died.done():
        died.set_result(reason)
