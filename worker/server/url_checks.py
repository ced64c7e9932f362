"""Refuses bots whose webhooks or live streams would lead inside, when they are made: in the vendor's words."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, NamedTuple

from worker.contracts.job import Job, Vendor
from worker.contracts.json_body import JobError
from worker.contracts.live_fields import schemes_of
from worker.delivery.daemon_call import call_in_daemon
from worker.delivery.url_guard import (
    HTTP_SCHEMES,
    UrlBlockedError,
    UrlError,
    UrlGuard,
    has_name,
    read_url,
)
from worker.server.errors import ApiError, bad_body
from worker.server.shares import Shares

logger = logging.getLogger(__name__)

PATIENCE: Final = 3.0
"""Seconds for which a request's names are looked up while a client waits. Each URL is judged again when it is called."""

LOOKUPS: Final = 32
"""Requests whose names are looked up at once."""

LOOKUPS_OF_ONE: Final = 4
"""Of them, those of one workspace: each holds a thread of requests for up to PATIENCE."""

_BLOCKED_STATUS: Final[Mapping[Vendor, int]] = MappingProxyType({"meetstream": 400, "recall": 403})
_WEBHOOK_FIELDS: Final[Mapping[Vendor, str]] = MappingProxyType(
    {"meetstream": "callback_url", "recall": "webhook_url"}
)


class _Url(NamedTuple):
    """A URL of a request, the dotted name of its field, and the schemes that it may have."""

    field: str
    url: Any
    schemes: frozenset[str]


class UrlChecks:
    """Checks URLs of requests by ``guard``. ``plain_live``: live streams may go to URLs without TLS. Thread-safe."""

    def __init__(self, guard: UrlGuard, *, plain_live: bool = False) -> None:
        self._guard = guard
        self._plain_live = plain_live
        self._shares = Shares(LOOKUPS_OF_ONE, LOOKUPS)

    def check(self, workspace: str, job: Job, values: Mapping[str, Any]) -> None:
        """Raises ApiError if a URL that ``values`` set is none (400), or leads inside (MeetStream's form 400, Recall.ai's 403
        ``request_blocked``). ``job`` is the one that they are of. Blocks.

        A host that is not found within PATIENCE passes, and so does any name at once while LOOKUPS_OF_ONE of the workspace are
        looked up: a slow name server is no fault of the request, and each URL is judged again when it is called.
        """
        names: list[_Url] = []
        for url in self._urls(job, values):
            try:
                if has_name(read_url(url.url, url.schemes)):
                    names.append(url)
                else:
                    self._guard.check(url.url, url.schemes)
            except UrlError as error:
                raise _refusal(job.vendor, url.field, error) from error
        if not names:
            return
        try:
            self._look_up(workspace, job.vendor, names)
        except TimeoutError:
            logger.warning(
                "hosts of a request are not found in time; they are judged again when they are called"
            )

    def _urls(self, job: Job, values: Mapping[str, Any]) -> list[_Url]:
        field = _WEBHOOK_FIELDS[job.vendor]
        given = values.get(field)
        urls = [] if given is None or given == "" else [_Url(field, given, HTTP_SCHEMES)]
        for endpoint in job.live:
            if endpoint.field.partition(".")[0] in values:
                schemes = schemes_of(endpoint.transport, plain=self._plain_live)
                urls.append(_Url(endpoint.field, endpoint.url, schemes))
        return urls

    def _look_up(self, workspace: str, vendor: Vendor, urls: Sequence[_Url]) -> None:
        """Raises ApiError, what the guard raises, and TimeoutError."""
        if not self._shares.take(workspace):
            raise TimeoutError

        def look_up() -> None:
            try:
                self._judge(vendor, urls)
            finally:
                self._shares.give_back(workspace)

        try:
            found = call_in_daemon(look_up, "url-check")
        except RuntimeError:
            self._shares.give_back(workspace)
            raise
        found.result(PATIENCE)

    def _judge(self, vendor: Vendor, urls: Sequence[_Url]) -> None:
        for url in urls:
            try:
                self._guard.check(url.url, url.schemes)
            except UrlError as error:
                raise _refusal(vendor, url.field, error) from error


def _refusal(vendor: Vendor, field: str, error: UrlError) -> ApiError:
    if isinstance(error, UrlBlockedError):
        return ApiError(_BLOCKED_STATUS[vendor], f"{field}: {error}", code="request_blocked")
    return bad_body(JobError(f"job: {field}: {error}", field=field.split(".")))
