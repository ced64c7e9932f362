"""The command ``meetstems serve``: the HTTP API."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import Final

from worker.delivery.errors import RefusedError
from worker.errors import InputError
from worker.monitoring.logs import configure_logging
from worker.server.demo_link import DEMO_LINK
from worker.server.local_key import KEY_FILE
from worker.server.run_server import ServerOptions, run_server
from worker.settings import ServerSettings, WorkerSettings

_BODY: Final = '{{"meeting_link": "{link}", "audio_separate_streams": true}}'

_CREATE: Final = (
    "BOT=$(curl -s {address}/api/v1/bots/create_bot -H {header} -d '{body}' "
    """| grep -o '"bot_id":"[^"]*' | cut -d '"' -f 4)"""
)
_WAIT: Final = (
    "while [ $(curl -s -o streams.json -w '%{{http_code}}' {address}/api/v1/bots/$BOT/get_audio_streams -H {header}) = 202 ]; "
    "do sleep 2; done"
)
"""202: the recording is not ready."""
_DOWNLOAD: Final = (
    """grep -o '"url":"[^"]*","filename":"[^"]*"' streams.json | sed 's/"url":/url=/; s/,"filename":/\\noutput=/' """
    "| curl -s -K - --create-dirs --output-dir recording-$BOT"
)

_TRY_IT: Final = f"""\
serving on {{address}}
the key is {{key}}, kept in {{folder}}/key
{{demo}}

Send a bot, wait for its recording, and download a file for each speaker:

  {_CREATE}
  {_WAIT}
  {_DOWNLOAD}

{{address}}/ shows the bots in a browser. {{address}}/healthz says "ok" once it is ready;
{{address}}/docs lists what is served."""
"""Its lines can be copied into a shell, in any folder."""

_DEMO: Final = (
    f"the demo meeting is {DEMO_LINK}: a local replica of Google Meet, played for each bot that is sent there"
)
_NO_DEMO: Final = "put the link to a call for LINK"


def serve_command(options: ServerOptions) -> int:
    """Serves until it is told to stop; returns the exit code. Raises MeetstemsError."""
    settings = WorkerSettings.from_environment(os.environ)
    has_demo = settings.demo is not None
    server_settings = ServerSettings.from_environment(os.environ)
    json_lines = settings.log_json if settings.log_json is not None else not sys.stderr.isatty()
    configure_logging(None, None, sys.stderr, json_lines)

    def ready(address: str, key: str | None) -> None:
        print(_words(address, key, options.data_folder, has_demo=has_demo), flush=True)

    try:
        return run_server(options, settings, server_settings, ready)
    except RefusedError as error:
        error.exit_code = InputError.exit_code
        raise


def _words(address: str, key: str | None, folder: Path | None, *, has_demo: bool) -> str:
    if key is None or folder is None:
        return f"serving on {address}"
    key_file = shlex.quote(str(folder.absolute() / KEY_FILE))
    return _TRY_IT.format(
        address=address,
        key=key,
        folder=folder,
        demo=_DEMO if has_demo else _NO_DEMO,
        header=f'"Authorization: Token $(cat {key_file})"',
        body=_BODY.format(link=DEMO_LINK if has_demo else "LINK"),
    )
