"""What the routes work with."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from litestar import Request
from litestar.datastructures import State
from litestar.di import NamedDependency
from litestar.types import Scope

from worker.contracts.recall_documents import WAV
from worker.delivery.object_store import S3Store
from worker.delivery.url_guard import UrlGuard
from worker.delivery.webhook_deliveries import WebhookDeliveries
from worker.manifest.schema import SAMPLE_RATE, Manifest
from worker.server.bots import Bots
from worker.server.conversions import Conversions
from worker.server.deletion import Deletions
from worker.server.keys import Keys, Workspace
from worker.server.links import Links
from worker.server.metrics import ServerMetrics
from worker.server.rate_limits import RateLimits
from worker.server.shares import Shares
from worker.server.url_checks import UrlChecks
from worker.server.whole_mix import whole_mix
from worker.server.wrong_keys import WrongKeys
from worker.settings import DemoMeeting

AnyRequest = Request[None, Workspace, State]
"""A request; its ``auth`` is the workspace of its key."""

SERVICES = "services"
"""The name under which the application's state, and its routes' parameters, have the services."""

PUBLIC_PREFIX = "meetstems.public_prefix"
"""The scope's entry with the path that a trusted proxy has taken away before the server's own."""

SEARCHES: Final = 16
"""Lists that read all bots of a workspace, at once; less than the threads that serve requests."""

SEARCHES_OF_ONE: Final = 4
"""Of them, those of one workspace."""


@dataclass(frozen=True)
class Services:
    """``prefix`` is the path under which everything is served: empty, or ``/with/slashes``. ``demo`` is the demo meeting, None:
    there is none. ``clock`` returns Unix seconds. ``stopping`` is set when the server is to stop: answers that go on until then
    end.
    """

    bots: Bots
    deletions: Deletions
    keys: Keys
    links: Links
    metrics: ServerMetrics
    prefix: str = ""
    demo: DemoMeeting | None = None
    clock: Callable[[], float] = time.time
    conversions: Conversions = field(default_factory=Conversions)
    limits: RateLimits = field(default_factory=lambda: RateLimits(time.monotonic))
    wrong_keys: WrongKeys = field(default_factory=lambda: WrongKeys(time.monotonic))
    stopping: threading.Event = field(default_factory=threading.Event)
    searches: Shares = field(default_factory=lambda: Shares(SEARCHES_OF_ONE, SEARCHES))
    url_checks: UrlChecks = field(default_factory=lambda: UrlChecks(UrlGuard()))

    @property
    def deliveries(self) -> WebhookDeliveries:
        """The webhooks of all bots."""
        return WebhookDeliveries(self.bots.store, self.bots.prefix, self.clock)

    def base_url(self, scope: Scope) -> str:
        """The address of this server as the client of a request sees it, without a slash at the end."""
        host = next(value for name, value in scope["headers"] if name.lower() == b"host").decode("latin-1")
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

    def converted_url(
        self, scope: Scope, bot_id: str, path: str, filename: str, form: str, duration: float, seconds: int
    ) -> str:
        """A URL of this server of a bot's file in another form (worker.audio.converted_forms), ``duration`` seconds long."""
        key = f"{self.bots.keys_of(bot_id).folder}{path}"
        samples = str(round(duration * SAMPLE_RATE))
        return self.signed_url(
            scope, f"/download/converted/{key}", seconds, name=filename, form=form, samples=samples
        )

    def mix_url(
        self, scope: Scope, workspace: str, bot_id: str, manifest: Manifest, form: str, seconds: int
    ) -> str | None:
        """A URL of everybody together in ``form`` (worker.contracts.recall_documents), as long as the recording; None: there is
        no mix. What was recorded in several parts is put together by this server.
        """
        recording, name = manifest.recording, f"audio.{form}"
        if recording.mixed_audio is None and recording.parts:
            if all(part.mixed_audio is None for part in recording.parts):
                return None
            path = f"/download/mix/{bot_id}"
            return self.signed_url(scope, path, seconds, workspace=workspace, form=form)
        if recording.mixed_audio is None:
            return None
        if form == WAV:
            return self.file_url(scope, bot_id, recording.mixed_audio, name, seconds)
        duration = recording.duration_seconds
        return self.converted_url(scope, bot_id, recording.mixed_audio, name, form, duration, seconds)

    def mix_size(self, bot_id: str, manifest: Manifest) -> int:
        """The bytes of the WAV behind ``mix_url``; 0: there is none. Blocks."""
        store, folder = self.bots.store, self.bots.keys_of(bot_id).folder
        if manifest.recording.mixed_audio is None and manifest.recording.parts:
            mix = whole_mix(manifest, folder, store)
            return 0 if mix is None else mix.size
        path = manifest.recording.mixed_audio
        return 0 if path is None else next((item.size for item in store.page(f"{folder}{path}", "", 1)), 0)


Given: TypeAlias = NamedDependency[Services]
"""The services, as a parameter of a route."""
