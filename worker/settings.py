"""The one place where the environment is read."""

from __future__ import annotations

import base64
import binascii
import math
import re
import shlex
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Literal, TypeVar

import msgspec

from worker.errors import InputError, cause
from worker.safe_text import Secret

T = TypeVar("T")
D = TypeVar("D")

DEFAULT_LOCALE: Final = "en-US"

_LOCALE: Final = re.compile(r"[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*")
"""A language tag (BCP 47); rarer forms are not accepted."""

_SECRET_PREFIX: Final = "whsec_"
_SECRET_BYTES: Final = range(24, 65)
"""Of a key of Standard Webhooks."""
_LARGEST_SECRET: Final = 256
"""Bytes of the file of such a key."""

_TOKEN_LENGTHS: Final = "8 to 8192"
_TOKEN: Final = re.compile(r"[A-Za-z0-9._~+/=-]{8,8192}")


class SettingsError(InputError):
    """A setting of the environment is wrong; the message names it, its value and what was expected."""


class BrowserSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The browser's settings.

    ``chromium`` is the executable to use, None: look for one. ``chromium_args`` are appended to the launch arguments.
    ``headed``: with windows, on the X server ``display``; None: on a virtual display. ``locale`` is the language that pages
    are requested in. ``storage_state`` is the file that signs the bot in, None: it joins as a guest.
    ``minimize``: the window is minimized in the call, which costs less. ``teams_bot_token`` tells Teams which registered bot
    this is, None: it is none.
    """

    chromium: str | None = None
    chromium_args: tuple[str, ...] = ()
    headed: bool = False
    display: str | None = None
    locale: str = DEFAULT_LOCALE
    storage_state: Path | None = None
    minimize: bool = True
    teams_bot_token: Secret | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> BrowserSettings:
        """Reads the variables that README.md lists, and ``DISPLAY``. An empty value counts as unset. Raises SettingsError.

        The file of ``storage_state`` is not read here: worker.browser.storage_state checks it.
        """
        given = _given(environ)
        storage_state = given.get("MEETSTEMS_STORAGE_STATE")
        return cls(
            chromium=given.get("MEETSTEMS_CHROMIUM"),
            chromium_args=_split("MEETSTEMS_CHROMIUM_ARGS", given.get("MEETSTEMS_CHROMIUM_ARGS", "")),
            headed=_choice(given, "MEETSTEMS_HEADED", {"1": True, "0": False}, False),
            display=given.get("DISPLAY"),
            locale=_locale(given, "MEETSTEMS_LOCALE"),
            storage_state=Path(storage_state) if storage_state else None,
            minimize=_choice(given, "MEETSTEMS_MINIMIZE", {"1": True, "0": False}, True),
            teams_bot_token=_token(given, "MEETSTEMS_TEAMS_BOT_TOKEN"),
        )


class Encryption(msgspec.Struct, frozen=True, kw_only=True):
    """Server-side encryption that each write asks for: with keys of S3 itself, or of KMS.

    ``kms_key_id`` None: with ``aws:kms``, the account's key for S3.
    """

    algorithm: Literal["AES256", "aws:kms"]
    kms_key_id: str | None = None


class DemoMeeting(msgspec.Struct, frozen=True, kw_only=True):
    """A meeting that is played on this machine. ``link`` is the call that it stands for. ``command`` plays it: prints a line of
    JSON with ``chromium_args``, which bring a browser there, and ends with its standard input.
    """

    link: str
    command: tuple[str, ...]


class LiveOptions(msgspec.Struct, frozen=True, kw_only=True):
    """How live streams are sent; all times in seconds.

    ``connections``: by Recall.ai's guide a WebSocket for each ``participant`` whose microphone is on, or one for the whole call
    (``endpoint``). ``batch_seconds`` of sound leave the page at once. ``reorder_seconds`` is how long a packet is waited for
    that others overtook. ``buffer_seconds`` of sound are kept for a receiver that is slow or away. ``retries`` of a WebSocket,
    ``retry_seconds`` apart, and ``webhook_retries`` of a webhook, ``webhook_retry_seconds`` apart, then the endpoint failed.
    ``signing_secret`` (``whsec_…``) signs requests, None: they are not signed. ``allow_plain``: also to URLs without TLS
    (``ws://``, ``http://``). ``continuous``: the silence between what a speaker says is sent, too.
    """

    connections: Literal["participant", "endpoint"] = "participant"
    batch_seconds: float = 0.08
    reorder_seconds: float = 0.06
    buffer_seconds: float = 5.0
    retries: int = 30
    retry_seconds: float = 3.0
    webhook_retries: int = 60
    webhook_retry_seconds: float = 1.0
    signing_secret: Secret | None = None
    allow_plain: bool = False
    continuous: bool = False

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> LiveOptions:
        """Reads the variables that README.md lists, and the file of ``signing_secret``; an empty value counts as unset.

        Raises SettingsError.
        """
        given = _given(environ)
        choices: dict[str, Literal["participant", "endpoint"]] = {
            "participant": "participant",
            "endpoint": "endpoint",
        }
        yes_or_no = {"1": True, "0": False}
        return cls(
            connections=_choice(given, "MEETSTEMS_LIVE_CONNECTIONS", choices, cls().connections),
            batch_seconds=_number(given, "MEETSTEMS_LIVE_BATCH_SECONDS", 0.02, 0.5, cls().batch_seconds),
            reorder_seconds=_number(given, "MEETSTEMS_LIVE_REORDER_SECONDS", 0, 1, cls().reorder_seconds),
            buffer_seconds=_number(given, "MEETSTEMS_LIVE_BUFFER_SECONDS", 0.5, 60, cls().buffer_seconds),
            signing_secret=_secret_file(given, "MEETSTEMS_LIVE_SECRET_FILE"),
            allow_plain=_choice(given, "MEETSTEMS_LIVE_ALLOW_PLAIN", yes_or_no, False),
            continuous=_choice(given, "MEETSTEMS_LIVE_SILENCE", yes_or_no, False),
        )


class WorkerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of ``meetstems run``, ``dispatch`` and ``streams``; durations in seconds, sizes in bytes.

    ``bucket`` and ``jobs_queue_url`` are None where they are not set: not every command needs them. ``data_folder`` is used in
    place of S3 and SQS, None: they are used. ``keep_tape``: the tape
    stays in the bucket after all files are there. ``transcode_video``: video files that are not H.264 in MP4 are transcoded
    before their upload. ``encryption`` None: writes ask for none, so the bucket's default applies.
    At most ``grace_seconds`` pass from SIGTERM to the end. A bot does not join any more ``latest_start_seconds`` after its job
    was due. ``log_json`` None: JSON lines, but text on a terminal. ``pod`` and ``node`` are where the worker runs, for
    ``bot.json``. ``demo`` is for ``data_folder`` only: see ``local_demo``. ``live`` says how live streams are sent.
    ``allowed_urls`` are hosts and networks that URLs of users may lead to although they are private;
    worker.delivery.url_guard reads them.
    """

    jobs_queue_url: str | None = None
    events_queue_url: str | None = None
    bucket: str | None = None
    data_folder: Path | None = None
    prefix: str = ""
    aws_endpoint_url: str | None = None
    encryption: Encryption | None = None
    work_folder: Path | None = None
    keep_tape: bool = True
    transcode_video: bool = False
    receive_seconds: float = 5.0
    visibility_seconds: int = 45
    lease_seconds: float = 30.0
    retry_seconds: float = 600.0
    grace_seconds: float = 60.0
    preflight_seconds: float = 60.0
    latest_start_seconds: float = 3600.0
    most_attempts: int = 2
    memory_limit: int | None = None
    metrics_port: int | None = None
    linger_seconds: float = 0.0
    log_json: bool | None = None
    pod: str = ""
    node: str = ""
    demo: DemoMeeting | None = None
    live: LiveOptions = LiveOptions()
    allowed_urls: tuple[str, ...] = ()

    @property
    def local_demo(self) -> DemoMeeting | None:
        """The demo meeting, None: there is none. Raises SettingsError where jobs come from elsewhere than this machine."""
        if self.demo is not None and self.data_folder is None:
            raise SettingsError(
                "MEETSTEMS_DEMO: is set, expected only with MEETSTEMS_DATA_DIR or serve --local"
            )
        return self.demo

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> WorkerSettings:
        """Reads the variables that README.md lists; an empty value counts as unset. ``pod`` is the host's name by default.

        Raises SettingsError.
        """
        given = _given(environ)
        folder = given.get("MEETSTEMS_WORK_DIR")
        data_folder = given.get("MEETSTEMS_DATA_DIR")
        return cls(
            jobs_queue_url=given.get("MEETSTEMS_JOBS_QUEUE_URL"),
            events_queue_url=given.get("MEETSTEMS_EVENTS_QUEUE_URL"),
            bucket=given.get("MEETSTEMS_BUCKET"),
            data_folder=Path(data_folder) if data_folder else None,
            prefix=given.get("MEETSTEMS_PREFIX", ""),
            aws_endpoint_url=given.get("MEETSTEMS_AWS_ENDPOINT_URL"),
            encryption=_encryption(given),
            work_folder=Path(folder) if folder else None,
            keep_tape=_choice(given, "MEETSTEMS_TAPE", {"keep": True, "remove": False}, True),
            transcode_video=_choice(given, "MEETSTEMS_VIDEO", {"mp4": True, "as_sent": False}, False),
            receive_seconds=_number(given, "MEETSTEMS_RECEIVE_SECONDS", 0, 20, 5),
            visibility_seconds=int(_number(given, "MEETSTEMS_VISIBILITY_SECONDS", 1, 3600, 45)),
            lease_seconds=_number(given, "MEETSTEMS_LEASE_SECONDS", 1, 3600, 30),
            retry_seconds=_number(given, "MEETSTEMS_RETRY_SECONDS", 1, 7200, 600),
            preflight_seconds=_number(given, "MEETSTEMS_PREFLIGHT_SECONDS", 0, 3600, 60),
            grace_seconds=_number(given, "MEETSTEMS_GRACE_SECONDS", 1, 7200, 60),
            latest_start_seconds=_number(given, "MEETSTEMS_LATEST_START_SECONDS", 60, 43_200, 3600),
            most_attempts=int(_number(given, "MEETSTEMS_MOST_ATTEMPTS", 1, 100, 2)),
            memory_limit=_optional(given, "MEETSTEMS_MEMORY_LIMIT", 100_000_000, 2**50),
            metrics_port=_optional(given, "MEETSTEMS_METRICS_PORT", 0, 65_535),
            linger_seconds=_number(given, "MEETSTEMS_LINGER_SECONDS", 0, 3600, 0),
            log_json=_choice(given, "MEETSTEMS_LOG", {"json": True, "text": False}, None),
            pod=given.get("MEETSTEMS_POD", socket.gethostname()),
            node=given.get("MEETSTEMS_NODE", ""),
            demo=_demo(given),
            live=LiveOptions.from_environment(environ),
            allowed_urls=tuple(given.get("MEETSTEMS_ALLOW_PRIVATE_URLS", "").replace(",", " ").split()),
        )


class ServerSettings(msgspec.Struct, frozen=True, kw_only=True):
    """The settings of ``meetstems serve`` beside those of the worker. ``keys_file`` is the file of keys, ``webhooks_file`` of
    endpoints of webhooks, None: not set.
    """

    keys_file: Path | None = None
    webhooks_file: Path | None = None

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> ServerSettings:
        """Reads the variables that README.md lists; an empty value counts as unset."""
        given = _given(environ)
        keys, webhooks = given.get("MEETSTEMS_API_KEYS_FILE"), given.get("MEETSTEMS_WEBHOOKS_FILE")
        return cls(
            keys_file=Path(keys) if keys else None,
            webhooks_file=Path(webhooks) if webhooks else None,
        )


def _given(environ: Mapping[str, str]) -> dict[str, str]:
    return {name: value.strip() for name, value in environ.items() if value.strip()}


def _number(given: Mapping[str, str], name: str, least: float, most: float, default: float) -> float:
    text = given.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not least <= value <= most:
        raise SettingsError(f"{name}={text!r}: expected a number from {least:g} to {most:g}")
    return value


def _optional(given: Mapping[str, str], name: str, least: int, most: int) -> int | None:
    return int(_number(given, name, least, most, least)) if name in given else None


def _choice(given: Mapping[str, str], name: str, choices: Mapping[str, T], default: D) -> T | D:
    text = given.get(name)
    if text is None:
        return default
    if text not in choices:
        raise SettingsError(f"{name}={text!r}: expected {' or '.join(choices)}")
    return choices[text]


def _encryption(given: Mapping[str, str]) -> Encryption | None:
    kms_key_id = given.get("MEETSTEMS_KMS_KEY_ID")
    name = "MEETSTEMS_ENCRYPTION"
    algorithms: dict[str, Literal["AES256", "aws:kms"] | None] = {
        "none": None,
        "AES256": "AES256",
        "aws:kms": "aws:kms",
    }
    algorithm = _choice(given, name, algorithms, "aws:kms" if kms_key_id else None)
    if kms_key_id and algorithm != "aws:kms":
        raise SettingsError(f"{name}={given[name]!r}: expected aws:kms, as MEETSTEMS_KMS_KEY_ID is set")
    return Encryption(algorithm=algorithm, kms_key_id=kms_key_id) if algorithm else None


def _demo(given: Mapping[str, str]) -> DemoMeeting | None:
    name = "MEETSTEMS_DEMO"
    link, *command = _split(name, given.get(name, "")) or ("",)
    if not link:
        return None
    if not command:
        raise SettingsError(f"{name}={given[name]!r}: expected a link and a command")
    return DemoMeeting(link=link, command=tuple(command))


def _token(given: Mapping[str, str], name: str) -> Secret | None:
    """A token (RFC 6750, section 2.1), which messages do not repeat."""
    text = given.get(name)
    if text is None:
        return None
    if not _TOKEN.fullmatch(text):
        raise SettingsError(f"{name}: expected {_TOKEN_LENGTHS} letters, digits and -._~+/=")
    return Secret(text)


def _secret_file(given: Mapping[str, str], name: str) -> Secret | None:
    """The key of Standard Webhooks in the file that ``name`` names; messages do not repeat it."""
    path = given.get(name)
    if path is None:
        return None
    try:
        with Path(path).open("rb") as file:
            text = file.read(_LARGEST_SECRET + 1).decode("ascii").strip()
        key = base64.b64decode(text.removeprefix(_SECRET_PREFIX), validate=True)
    except OSError as error:
        raise SettingsError(f"{name}={path!r}: cannot be read: {cause(error)}") from error
    except (UnicodeError, binascii.Error):
        text, key = "", b""
    if not text.startswith(_SECRET_PREFIX) or len(key) not in _SECRET_BYTES:
        raise SettingsError(
            f"{name}={path!r}: expected {_SECRET_PREFIX} and {_SECRET_BYTES[0]} to {_SECRET_BYTES[-1]} bytes in base64"
        )
    return Secret(text)


def _locale(given: Mapping[str, str], name: str) -> str:
    text = given.get(name, DEFAULT_LOCALE)
    if not _LOCALE.fullmatch(text):
        raise SettingsError(f"{name}={text!r}: expected a language tag like en-US")
    return text


def _split(name: str, value: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise SettingsError(f"{name}={value!r}: expected words as a shell splits them ({error})") from error
