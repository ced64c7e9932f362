"""What the routes work with."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.types import Scope

from worker.delivery.object_store import S3Store
from worker.delivery.url_guard import UrlGuard
from worker.delivery.webhook_deliveries import WebhookDeliveries
from worker.manifest.schema import Manifest
from worker.server.bots import Bots
from worker.server.keys import Keys, Workspace
from worker.server.links import Links
from worker.server.metrics import ServerMetrics
from worker.server.rate_limits import RateLimits
from worker.server.url_checks import UrlChecks

AnyRequest = Request[None, Workspace, State]
"""A request; its ``auth`` is the workspace of its key."""

SERVICES = "services"
"""The name under which the application's state, and its routes' parameters, have the services."""

PUBLIC_PREFIX = "meetstems.public_prefix"
"""The scope's entry with the path that a trusted proxy has taken away before the server's own."""


@dataclass(frozen=True)
class Services:
    """``prefix`` is the path under which everything is served: empty, or ``/with/slashes``. ``clock`` returns Unix seconds."""

    bots: Bots
    keys: Keys
    links: Links
    metrics: ServerMetrics
    prefix: str = ""
    clock: Callable[[], float] = time.time
    limits: RateLimits = field(default_factory=lambda: RateLimits(time.monotonic))
    url_checks: UrlChecks = field(default_factory=lambda: UrlChecks(UrlGuard()))

    @property
    def deliveries(self) -> WebhookDeliveries:
        """The webhooks of all bots."""
        return WebhookDeliveries(self.bots.store, self.bots.prefix, self.clock)

    def base_url(self, scope: Scope) -> str:
        """The address of this server as the client of a request sees it, without a slash at the end."""
        headers = {name.lower(): value for name, value in scope["headers"]}
        host = headers.get(b"host", b"localhost").decode("latin-1")
        return f"{scope['scheme']}://{host}{self.public_path(scope)}"

    def public_path(self, scope: Scope) -> str:
        """The path of ``base_url``."""
        return f"{scope.get(PUBLIC_PREFIX, '')}{self.prefix}"

    def signed_url(self, scope: Scope, path: str, seconds: float, **query: str) -> str:
        """A URL of this server that anybody can open for ``seconds``."""
        return f"{self.base_url(scope)}{self.links.sign(path, seconds, **query)}"

    def file_url(self, scope: Scope, bot_id: str, path: str, filename: str, seconds: int) -> str:
        """A URL of a bot's file by its path in the bot's folder: the store's own, or one of this server if that cannot sign."""
        key = f"{self.bots.keys_of(bot_id).folder}{path}"
        if isinstance(self.bots.store, S3Store):
            return self.bots.store.presign(key, seconds, filename)
        return self.signed_url(scope, f"/download/file/{key}", seconds, name=filename)


Given: TypeAlias = NamedDependency[Services]
"""The services, as a parameter of a route."""


def mix_of(manifest: Manifest) -> str | None:
    """The mix's path in the bot's folder: of the whole recording, or of its first part that has one."""
    recording = manifest.recording
    if recording.mixed_audio is not None or not recording.parts:
        return recording.mixed_audio
    return next((part.mixed_audio for part in recording.parts if part.mixed_audio is not None), None)
