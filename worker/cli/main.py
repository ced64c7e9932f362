"""The command ``meetstems``.

Exit codes: 0 done, 1 failed, 2 the input or configuration is wrong, 3 ``record`` only: the bot was not admitted, 75 ``run``
only: try again, 130 interrupted a second time.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Final, NoReturn

import msgspec

from worker.cli.console import log_to_stderr, print_error
from worker.errors import InputError, MeetstemsError
from worker.lifecycle.leave_policy import STANDALONE, LeavePolicy, Patience

COMMANDS_GROUP: Final = "meetstems.commands"
"""Entry points of this group add commands: each is a function that takes argparse's subparsers action and adds a parser to it
that does ``set_defaults(run=callable)``; the callable takes the parsed arguments and returns the exit code."""

DEFAULT_BOT_NAME: Final = "Meetstems"
LONGEST_BOT_NAME: Final = 60
"""Characters that Meet's name field accepts."""

LONGEST_MESSAGE: Final = 4096
"""Characters that the chat of Microsoft Teams accepts; on Google Meet a message is cut to 500."""

LOOPBACK: Final = "127.0.0.1"

DEFAULT_DATA: Final = "meetstems-data"
"""The folder of ``serve --local``."""

MOST_BOTS: Final = 1000
"""More than any one machine can run."""

FAILED: Final = 1
INTERRUPTED: Final = 130


class _Parser(argparse.ArgumentParser):
    """Reports wrong arguments in one line."""

    def error(self, message: str) -> NoReturn:
        print_error(f"{message} (see {self.prog} --help)")
        self.exit(InputError.exit_code)


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command line and returns the exit code."""
    log_to_stderr()
    try:
        options = _parser().parse_args(arguments)
        run: Callable[[argparse.Namespace], int] = options.run
        return run(options)
    except MeetstemsError as error:
        print_error(str(error))
        return error.exit_code
    except KeyboardInterrupt:
        print_error("interrupted; if a recording was running, meetstems replay renders its tape")
        return INTERRUPTED


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="meetstems",
        description="Records a Google Meet or Microsoft Teams call into one file per speaker, and per camera.",
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    _add_record(commands)
    _add_replay(commands)
    _add_run(commands)
    _add_dispatch(commands)
    _add_streams(commands)
    _add_serve(commands)
    _add_listen(commands)
    commands.add_parser("watch", help="serve how many jobs, dead letters and events wait").set_defaults(
        run=_watch
    )
    commands.add_parser("schema", help="print the JSON Schema of a job").set_defaults(run=_schema)
    for entry_point in sorted(entry_points(group=COMMANDS_GROUP), key=lambda point: point.name):
        _add_entry_point(commands, entry_point)
    return parser


def _add_record(commands: Any) -> None:
    parser = commands.add_parser("record", help="join a call and record it until it ends")
    parser.add_argument(
        "url",
        metavar="URL",
        help="https://meet.google.com/abc-defg-hij, or a link to a Microsoft Teams meeting",
    )
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new or an empty folder")
    parser.add_argument("--bot-name", type=bot_name, default=DEFAULT_BOT_NAME, metavar="NAME")
    parser.add_argument("--announce", type=announcement, metavar="TEXT", help="write this into the chat")
    parser.add_argument("--max-duration", type=seconds, metavar="SECONDS", help="the longest recording")
    parser.add_argument(
        "--wait", type=seconds, metavar="SECONDS", help="the longest wait in the waiting room (default: 600)"
    )
    parser.add_argument(
        "--alone",
        type=seconds,
        metavar="SECONDS",
        help="the longest time alone in the call (default: 600 before anyone joins, 300 after all have left)",
    )
    parser.add_argument(
        "--video", action="store_true", help="one video file per camera and screen share, too"
    )
    parser.set_defaults(run=_record)


def _add_replay(commands: Any) -> None:
    parser = commands.add_parser("replay", help="make the files of a recording anew from its tape")
    parser.add_argument("tape", type=Path, metavar="TAPE", help="the tape folder of a recording")
    parser.add_argument("--output", type=Path, required=True, metavar="DIR", help="a new or an empty folder")
    parser.add_argument(
        "--platform",
        metavar="PLATFORM",
        help="for a tape that does not name it: google_meet, microsoft_teams",
    )
    parser.set_defaults(run=_replay)


def _add_run(commands: Any) -> None:
    parser = commands.add_parser("run", help="take a job from the queue, record, upload and report")
    source = parser.add_mutually_exclusive_group()
    source.add_argument("--forever", action="store_true", help="run one job after another")
    source.add_argument(
        "--job", metavar="FILE", help="run this job, without a queue; - reads it from standard input"
    )
    parser.add_argument("--local", action="store_true", help="use an embedded S3 and SQS; needs --job")
    parser.add_argument(
        "--output", type=Path, metavar="DIR", help="with --local: the folder for a copy of the results"
    )
    parser.set_defaults(run=_run)


def _add_dispatch(commands: Any) -> None:
    parser = commands.add_parser("dispatch", help="check a job and put it on the queue")
    parser.add_argument(
        "job", metavar="FILE", help="a create-bot body of MeetStream or Recall.ai; - reads it"
    )
    parser.set_defaults(run=_dispatch)


def _add_streams(commands: Any) -> None:
    parser = commands.add_parser(
        "streams", help="print a bot's audio or video streams, with URLs for ten minutes"
    )
    parser.add_argument("bot_id", metavar="BOT_ID")
    parser.add_argument("--video", action="store_true", help="its cameras and screen shares instead")
    parser.set_defaults(run=_streams)


def _add_serve(commands: Any) -> None:
    parser = commands.add_parser("serve", help="serve the HTTP API of MeetStream and Recall.ai")
    parser.add_argument(
        "--local",
        action="store_true",
        help="all on this machine: jobs and results in a folder, bots as processes",
    )
    parser.add_argument(
        "--data",
        type=Path,
        metavar="DIR",
        help=f"with --local: the folder for jobs, results and the key (default: {DEFAULT_DATA})",
    )
    parser.add_argument(
        "--bots", type=int, metavar="N", help="with --local: the most bots at once (default: 4)"
    )
    parser.add_argument("--port", type=int, default=8080, help="0: any free one (default: 8080)")
    parser.add_argument(
        "--host", help="the address to listen on (default: all; with --local: 127.0.0.1, this machine only)"
    )
    parser.add_argument("--prefix", default="", metavar="PATH", help="serve everything below this path")
    parser.add_argument(
        "--tls-cert", type=Path, metavar="FILE", help="a certificate chain (PEM): serve HTTPS"
    )
    parser.add_argument("--tls-key", type=Path, metavar="FILE", help="its private key (PEM)")
    parser.add_argument(
        "--trust-proxy",
        action="append",
        default=[],
        metavar="NETWORK",
        help="believe X-Forwarded-Proto, -Host and -Prefix of proxies with these addresses; can be repeated",
    )
    parser.set_defaults(run=_serve)


def _add_listen(commands: Any) -> None:
    parser = commands.add_parser("listen", help="receive live streams, and show who speaks")
    parser.add_argument("port", type=int, metavar="PORT", help="0: any free one")
    parser.add_argument(
        "--host", default=LOOPBACK, help=f"the address to listen on (default: {LOOPBACK}, this machine only)"
    )
    parser.add_argument(
        "--save", type=Path, metavar="DIR", help="write a WAV for each speaker into a new or an empty folder"
    )
    parser.set_defaults(run=_listen)


def _add_entry_point(commands: Any, entry_point: EntryPoint) -> None:
    try:
        register = entry_point.load()
    except ImportError as error:
        missing = f"{entry_point.name}: needs packages that are not installed ({error})"

        def refuse(_: argparse.Namespace) -> int:
            raise MeetstemsError(missing)

        commands.add_parser(entry_point.name, help="(not installed)").set_defaults(run=refuse)
    else:
        register(commands)


def bot_name(value: str) -> str:
    """A bot's name in a call. Raises argparse.ArgumentTypeError."""
    name = value.strip()
    if not 0 < len(name) <= LONGEST_BOT_NAME or not name.isprintable():
        raise argparse.ArgumentTypeError(f"{value!r}: expected 1 to {LONGEST_BOT_NAME} printable characters")
    return name


def announcement(value: str) -> str:
    """A message for the chat. Raises argparse.ArgumentTypeError."""
    text = value.strip()
    if not 0 < len(text) <= LONGEST_MESSAGE:
        raise argparse.ArgumentTypeError(f"{len(text)} characters; expected 1 to {LONGEST_MESSAGE}")
    return text


def seconds(value: str) -> float:
    """A positive number of seconds. Raises argparse.ArgumentTypeError."""
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not 0 < number < math.inf:
        raise argparse.ArgumentTypeError(f"{value!r}: expected a positive number of seconds")
    return number


# Importing Playwright, PyAV and numpy takes a second, which --help should not take.
def _record(options: argparse.Namespace) -> int:
    from worker.cli.record import record_command

    policy = _policy(options.max_duration, options.wait, options.alone)
    return record_command(
        options.url,
        options.output,
        options.bot_name,
        policy,
        options.announce,
        separate_video=options.video,
    )


def _policy(max_duration: float | None, wait: float | None, alone: float | None) -> LeavePolicy:
    policy = msgspec.structs.replace(STANDALONE, max_duration=max_duration)
    if wait is not None:
        policy = msgspec.structs.replace(policy, waiting_room=wait)
    if alone is not None:
        policy = msgspec.structs.replace(policy, noone_joined=alone, everyone_left=Patience(alone))
    return policy


def _replay(options: argparse.Namespace) -> int:
    from worker.cli.replay import replay_command
    from worker.platforms.registry import read_platform

    platform = None if options.platform is None else read_platform(options.platform)
    return replay_command(options.tape, options.output, platform)


def _run(options: argparse.Namespace) -> int:
    from worker.cli.run import run_command

    if options.output is not None and not options.local:
        raise InputError(
            "--output: is for --local only, expected MEETSTEMS_BUCKET to name the bucket for results"
        )
    return run_command(options.job, forever=options.forever, local=options.local, output=options.output)


def _dispatch(options: argparse.Namespace) -> int:
    from worker.cli.dispatch import dispatch_command

    return dispatch_command(options.job)


def _streams(options: argparse.Namespace) -> int:
    from worker.cli.streams import streams_command

    return streams_command(options.bot_id, video=options.video)


def _serve(options: argparse.Namespace) -> int:
    from worker.cli.serve import serve_command
    from worker.server.run_server import ServerOptions

    if not options.local and (options.data is not None or options.bots is not None):
        raise InputError(
            "--data, --bots: are for --local only, expected MEETSTEMS_BUCKET and a queue of jobs"
        )
    if options.bots is not None and not 1 <= options.bots <= MOST_BOTS:
        raise InputError(f"--bots {options.bots}: expected 1 to {MOST_BOTS}")
    return serve_command(
        ServerOptions(
            port=options.port,
            host=options.host or (LOOPBACK if options.local else None),
            prefix=options.prefix,
            certificate=options.tls_cert,
            private_key=options.tls_key,
            trusted=tuple(options.trust_proxy),
            data_folder=(options.data or Path(DEFAULT_DATA)) if options.local else None,
            most_bots=options.bots or 4,
        )
    )


def _listen(options: argparse.Namespace) -> int:
    from worker.cli.listen import listen_command

    return listen_command(options.port, options.host, options.save)


def _watch(_: argparse.Namespace) -> int:
    from worker.cli.watch import watch_command

    return watch_command()


def _schema(_: argparse.Namespace) -> int:
    from worker.cli.schema import schema_command

    return schema_command()
