"""Where webhooks go: the endpoints of a file, and the URL in a bot's create body; and how each is signed.

The file is a JSON object::

    {"endpoints": [{"url": "https://hooks.example/a", "secret": "whsec_…", "events": ["bot.*", "recording.done"],
                    "workspace": "sales", "form": "recall"}],
     "secrets": {"sales": "whsec_…"}}

``secrets`` sign what goes to the URLs of create bodies, by workspace.
"""

from __future__ import annotations

import base64
import binascii
import logging
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Annotated, Final, NamedTuple

import msgspec
from msgspec import Meta

from worker.contracts.webhooks import Form
from worker.delivery.signatures import meetstream_headers, standard_headers
from worker.delivery.url_guard import UrlError, read_url
from worker.delivery.webhook_deliveries import Delivery, endpoint_id
from worker.errors import InputError, cause
from worker.safe_text import redact

logger = logging.getLogger(__name__)

_Events = Annotated[list[Annotated[str, Meta(pattern=r"^[a-z_.*]{1,100}$(?!\n)")]], Meta(min_length=1)]

_PREFIX: Final = "whsec_"
_KEY_BYTES: Final = range(16, 129)
"""Standard Webhooks asks for 24 to 64; a bit more is taken."""
_CALLBACK: Final = "callback"
_FILE: Final = "file"

_AGENT: Final = "meetstems"


class WebhooksFileError(InputError):
    """The file of endpoints cannot be used; the message says why, in one line without secrets."""


class Endpoint(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where events of the bots of ``workspace`` go, None: of all. ``events`` are names, ``*`` for any text in them.

    ``secret`` None: what is sent is not signed. ``form`` is whose bodies and signature it gets, whichever vendor's form the bot
    was made in.
    """

    url: str
    secret: str | None = None
    events: _Events = msgspec.field(default_factory=lambda: ["*"])
    workspace: str | None = None
    form: Form = "recall"

    @property
    def id(self) -> str:
        """Stays the same while URL, form and workspace do, so that a new secret counts for what waits."""
        return endpoint_id(_FILE, self.form, self.url, self.workspace or "")


class _File(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    endpoints: list[Endpoint] = []
    secrets: dict[str, str] = {}


class Target(NamedTuple):
    """An endpoint of one bot."""

    id: str
    url: str
    form: Form
    events: tuple[str, ...]

    def wants(self, event: str) -> bool:
        """Whether ``event`` is one of those that it asked for."""
        return any(fnmatchcase(event, pattern) for pattern in self.events)


class Endpoints:
    """The endpoints of the file ``path``, None: there is none. It is read again when it changes. Thread-safe.

    A changed file that cannot be used is logged, and the endpoints stay as they were. At first, a file that is missing in a
    folder that is there has no endpoints (an optional Secret may be made later). Raises WebhooksFileError at first for any
    other file that cannot be used.
    """

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._stamp = _stamp(path)
        self._file = _File() if path is None else _read_first(path)

    def targets(self, workspace: str, form: Form, callback_url: str | None) -> list[Target]:
        """Where events of a bot go: ``callback_url`` of its create body in ``form``, and the endpoints of the file."""
        self._reload()
        targets = [
            Target(each.id, each.url, each.form, tuple(each.events))
            for each in self._file.endpoints
            if each.workspace in (None, workspace)
        ]
        if callback_url is not None:
            own = endpoint_id(_CALLBACK, form, callback_url, workspace)
            targets.insert(0, Target(own, callback_url, form, ("*",)))
        return targets

    def headers(self, delivery: Delivery, now: float) -> dict[str, str] | None:
        """The headers of a request at ``now`` (Unix seconds); None if the endpoint is not in the file any more.

        See worker.delivery.signatures.
        """
        self._reload()
        secret: str | None
        own = endpoint_id(_CALLBACK, delivery.form, delivery.url, delivery.workspace)
        if delivery.endpoint == own:
            secret = self._file.secrets.get(delivery.workspace)
        else:
            found = [each for each in self._file.endpoints if each.id == delivery.endpoint]
            if not found:
                return None
            secret = found[0].secret
        sign = meetstream_headers if delivery.form == "meetstream" else standard_headers
        signed = sign(delivery.id, now, delivery.body, secret)
        return {"content-type": "application/json", "user-agent": _AGENT, **signed}

    def _reload(self) -> None:
        stamp = _stamp(self._path)
        if self._path is None or stamp == self._stamp:
            return
        self._stamp = stamp
        try:
            self._file = _read(self._path)
        except WebhooksFileError as error:
            logger.error("the endpoints of webhooks stay as they were: %s", error)
        else:
            logger.info("%d endpoints of webhooks are read", len(self._file.endpoints))


def is_of_workspace(delivery: Delivery) -> bool:
    """Whether the delivery goes to the URL of its bot's create body, or to an endpoint of its workspace in the file. Pure.

    All others are the operator's. The workspace may not see their answers, nor their URLs, whose paths may hold secrets.
    """
    own = (endpoint_id(kind, delivery.form, delivery.url, delivery.workspace) for kind in (_CALLBACK, _FILE))
    return delivery.endpoint in own


def shown_url(delivery: Delivery) -> str:
    """What the delivery's workspace sees of its URL: no user, query and fragment; of the operator's only the host. Pure."""
    if is_of_workspace(delivery):
        return redact(delivery.url)
    parts = read_url(delivery.url)
    return f"{parts.scheme}://{parts.host}"


def _stamp(path: Path | None) -> tuple[int, int, int] | None:
    """Changes whenever the file does; None where it is not there."""
    try:
        facts = path.stat() if path is not None else None
    except OSError:
        return None
    return None if facts is None else (facts.st_mtime_ns, facts.st_size, facts.st_ino)


def _read_first(path: Path) -> _File:
    if path.parent.is_dir() and not path.exists():
        logger.warning("MEETSTEMS_WEBHOOKS_FILE=%r: is not there yet; it is read once it is", str(path))
        return _File()
    return _read(path)


def _read(path: Path) -> _File:
    start = f"MEETSTEMS_WEBHOOKS_FILE={str(path)!r}"
    try:
        file = msgspec.json.decode(path.read_bytes(), type=_File)
    except OSError as error:
        raise WebhooksFileError(f"{start}: cannot be read: {cause(error)}") from error
    except msgspec.DecodeError as error:
        raise WebhooksFileError(
            f'{start}: {error}; expected {{"endpoints": [{{"url": …, "secret": …, "events": […]}}], "secrets": {{…}}}}'
        ) from error
    for index, endpoint in enumerate(file.endpoints):
        try:
            read_url(endpoint.url)
        except UrlError as error:
            raise WebhooksFileError(f"{start}: endpoints[{index}].url: {error}") from error
        if endpoint.secret is not None and not _is_secret(endpoint.secret):
            raise WebhooksFileError(f"{start}: endpoints[{index}].secret: {_EXPECTED_SECRET}")
    for workspace, secret in file.secrets.items():
        if not _is_secret(secret):
            raise WebhooksFileError(f"{start}: secrets[{workspace!r}]: {_EXPECTED_SECRET}")
    return file


_EXPECTED_SECRET: Final = f"expected {_PREFIX} and the base64 of 24 to 64 random bytes"


def _is_secret(text: str) -> bool:
    if not text.startswith(_PREFIX):
        return False
    encoded = text.removeprefix(_PREFIX).rstrip("=")
    try:
        key = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(key) in _KEY_BYTES
