"""Prints the Chromium that the worker would run; prints the reason and exits with 1 if there is none."""

import os
import sys

from playwright.sync_api import sync_playwright

from worker.browser.launch import find_chromium
from worker.errors import MeetstemsError
from worker.settings import BrowserSettings


def main() -> int:
    """The exit code."""
    with sync_playwright() as playwright:
        own = playwright.chromium.executable_path
    try:
        print(find_chromium(BrowserSettings.from_environment(os.environ), own))
    except MeetstemsError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
