"""Refuses bots whose webhooks would lead inside, when they are made: in the vendor's words."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from worker.contracts.json_body import JobError
from worker.delivery.url_guard import UrlBlockedError, UrlError, UrlGuard, read_url
from worker.server.errors import ApiError, bad_body

logger = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds for which a name is looked up while a client waits. The URL is judged again at each delivery."""

LOOKUPS: Final = 32
"""Names that are looked up at once."""


class UrlChecks:
    """Checks URLs of requests by ``guard``. Thread-safe."""

    def __init__(self, guard: UrlGuard) -> None:
        self._guard = guard
        self._lookups = ThreadPoolExecutor(LOOKUPS, "url-checks")

    def check(self, values: Mapping[str, Any], field: str) -> None:
        """Raises ApiError if ``values`` have a ``field`` that is set and no URL (400), or leads inside (MeetStream's form 400,
        Recall.ai's 403 ``request_blocked``). Blocks.
        """
        url = values.get(field)
        if url is None or url == "":
            return
        try:
            read_url(url)
            self._check(url)
        except TimeoutError:
            logger.warning("the host of %s is not found in time; it is judged again at each delivery", field)
        except UrlBlockedError as error:
            status = 400 if field == "callback_url" else 403
            raise ApiError(status, f"{field}: {error}", code="request_blocked") from error
        except UrlError as error:
            raise bad_body(JobError(f"job: {field}: {error}", field=[field])) from error

    def close(self) -> None:
        """Waits for the look-ups under way."""
        self._lookups.shutdown()

    def _check(self, url: str) -> None:
        """Raises TimeoutError after PATIENCE, and what UrlGuard.check raises."""
        look_up = self._lookups.submit(self._guard.check, url)
        try:
            look_up.result(PATIENCE)
        finally:
            # What no thread has begun by then would only hold up the next ones.
            look_up.cancel()
