"""The command ``meetstems serve``: the HTTP API."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Final

from worker.delivery.errors import RefusedError
from worker.errors import InputError
from worker.monitoring.logs import configure_logging
from worker.server.run_server import ServerOptions, run_server
from worker.settings import ServerSettings, WorkerSettings

_BODY: Final = '{"meeting_link": "LINK", "audio_separate_streams": true}'

_TRY_IT: Final = """\
serving on {address}
the key is {key}, kept in {folder}/key

  curl {address}/api/v1/bots/create_bot -H "Authorization: Token $(cat {folder}/key)" -d '{body}'
  curl {address}/api/v1/bots -H "Authorization: Token $(cat {folder}/key)"
  curl {address}/api/v1/bots/BOT_ID/get_audio_streams -H "Authorization: Token $(cat {folder}/key)"

{address}/healthz says "ok" once it is ready; {address}/docs lists what is served."""


def serve_command(options: ServerOptions) -> int:
    """Serves until it is told to stop; returns the exit code. Raises MeetstemsError."""
    settings = WorkerSettings.from_environment(os.environ)
    server_settings = ServerSettings.from_environment(os.environ)
    json_lines = settings.log_json if settings.log_json is not None else not sys.stderr.isatty()
    configure_logging(None, None, sys.stderr, json_lines)

    def ready(address: str, key: str | None) -> None:
        print(_words(address, key, options.data_folder), flush=True)

    try:
        return run_server(options, settings, server_settings, ready)
    except RefusedError as error:
        error.exit_code = InputError.exit_code
        raise


def _words(address: str, key: str | None, folder: Path | None) -> str:
    if key is None or folder is None:
        return f"serving on {address}"
    return _TRY_IT.format(address=address, key=key, folder=folder, body=_BODY)
