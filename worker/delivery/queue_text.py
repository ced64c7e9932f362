"""Text that every queue accepts: JSON in ASCII, and ids for FIFO queues.

SQS refuses a message with a character outside ``#x9 | #xA | #xD | #x20 to #xD7FF | #xE000 to #xFFFD | #x10000 to #x10FFFF``
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html). JSON can name each of them by an
escape, so a reader of the JSON sees no difference (RFC 8259, section 7).
"""

from __future__ import annotations

import hashlib
import json
import re
from typing import Any, Final, NamedTuple

import msgspec

LARGEST_MESSAGE: Final = 250_000
"""Bytes of one message; SQS accepts 262,144 in every region (https://docs.aws.amazon.com/AWSSimpleQueueService/latest/
SQSDeveloperGuide/quotas-messages.html)."""

LONGEST_FIFO_ID: Final = 128
"""Characters of a deduplication or group id of a FIFO queue
(https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html)."""

_NOT_ASCII: Final = re.compile(r"[^\x00-\x7f]")
_REFUSED: Final = re.compile(r"[^\x09\x0a\x0d\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_NOT_IN_FIFO_ID: Final = re.compile(r"[^!-~]")
"""Permitted are letters, digits and punctuation of ASCII."""

_REPLACEMENT: Final = "\N{REPLACEMENT CHARACTER}"


class QueueBody(NamedTuple):
    """A message's text that a queue accepts. ``quoted``: it is a JSON string whose value is the original text."""

    text: str
    quoted: bool = False


def ascii_json(value: object) -> str:
    """``value`` as JSON in ASCII; its length is its size in bytes. Raises TypeError for a value that is not JSON.

    Surrogates without their pair, which are no characters and which strict readers refuse (RFC 8259, section 8.2), become
    U+FFFD.
    """
    try:
        encoded = msgspec.json.encode(value)
    except UnicodeEncodeError:
        encoded = msgspec.json.encode(_without_surrogates(msgspec.to_builtins(value)))
    return _escape(_NOT_ASCII, encoded.decode())


def queue_body(text: str) -> QueueBody:
    """``text``, perhaps from elsewhere, as a queue accepts it.

    JSON keeps its value. It becomes ASCII; where it would then be longer than LARGEST_MESSAGE, only the characters that SQS
    refuses are escaped. Other text is kept as it is if SQS accepts it, else quoted, so that it can be restored.
    """
    if text.isascii() and not _is_refused(text):
        return QueueBody(text)
    if _is_json(text):
        escaped = _escape(_NOT_ASCII, text)
        return QueueBody(escaped if len(escaped) <= LARGEST_MESSAGE else _escape(_REFUSED, text))
    return QueueBody(json.dumps(text), quoted=True) if _is_refused(text) else QueueBody(text)


def attribute_text(text: str) -> str:
    """``text`` as the value of a message's attribute: a character that SQS refuses is written as an escape."""
    return _escape(_REFUSED, text)


def fifo_id(text: str) -> str:
    """An id for a FIFO queue: ``text`` itself if it is one, else a shorter one that differs for different texts."""
    if text and len(text) <= LONGEST_FIFO_ID and not _NOT_IN_FIFO_ID.search(text):
        return text
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()
    kept = _NOT_IN_FIFO_ID.sub("_", text)[: LONGEST_FIFO_ID - len(digest) - 1]
    return f"{kept}-{digest}"


def _is_refused(text: str) -> bool:
    return not text or _REFUSED.search(text) is not None


def _is_json(text: str) -> bool:
    # json, not msgspec: it also reads surrogates without their pair, which a received text may hold.
    try:
        json.loads(text)
    except (ValueError, RecursionError):
        return False
    return True


def _escape(characters: re.Pattern[str], text: str) -> str:
    return characters.sub(lambda found: json.dumps(found[0])[1:-1], text)


def _without_surrogates(value: Any) -> Any:
    match value:
        case str():
            return _SURROGATE.sub(_REPLACEMENT, value)
        case dict():
            return {_without_surrogates(key): _without_surrogates(item) for key, item in value.items()}
        case list() | tuple():
            return [_without_surrogates(item) for item in value]
        case _:
            return value
