"""The server's settings decide whether bots may be made whose live streams go without TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.support.api import MEETING
from tests.support.job_parts import parse
from worker.server import run_server as module
from worker.server.errors import ApiError
from worker.server.run_server import ServerOptions, run_server
from worker.server.services import Services
from worker.settings import ServerSettings, WorkerSettings


class _Built(Exception):  # noqa: N818 - no error
    """The server is about to listen."""

    def __init__(self, services: Services) -> None:
        super().__init__()
        self.services = services


def services_of(environ: dict[str, str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> Services:
    """What a server with these settings works with."""

    def build_app(services: Services, *_: Any) -> None:
        raise _Built(services)

    monkeypatch.setattr(module, "build_app", build_app)
    settings = WorkerSettings.from_environment(environ)
    options = ServerOptions(0, data_folder=folder)
    log = (folder / "log").open("wb", buffering=0)
    # The server keeps it open until its process ends.
    monkeypatch.setattr(module, "open_log", lambda _: log)
    with log, pytest.raises(_Built) as built:
        run_server(options, settings, ServerSettings.from_environment(environ), lambda *_: None)
    return built.value.services


@pytest.mark.parametrize("url", ["ws://93.184.215.14/", "http://93.184.215.14/"])
@pytest.mark.parametrize(
    "given", [{}, {"MEETSTEMS_LIVE_ALLOW_PLAIN": "0"}, {"MEETSTEMS_LIVE_ALLOW_PLAIN": "1"}]
)
def test_live_streams_without_tls_have_to_be_allowed(
    url: str, given: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    services = services_of(given, tmp_path, monkeypatch)
    kind = "websocket" if url.startswith("ws") else "webhook"
    endpoint = {"type": kind, "url": url, "events": ["participant_events.join"]}
    job = parse(meeting_url=MEETING, recording_config={"realtime_endpoints": [endpoint]})
    assert job.live
    if given.get("MEETSTEMS_LIVE_ALLOW_PLAIN") == "1":
        services.url_checks.check("anna", job, job.body)
    else:
        with pytest.raises(ApiError) as refused:
            services.url_checks.check("anna", job, job.body)
        assert refused.value.status == 400
