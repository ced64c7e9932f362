"""Takes a meeting's secrets out of what is recorded about it."""

from __future__ import annotations

from typing import Any, Final, TypeVar

import msgspec

from worker.lifecycle.ending import Ending
from worker.safe_text import Redactor, printable, redact
from worker.tape.events import Batch, PageFault, TapeEvent

_DETAIL_LENGTH: Final = 600

E = TypeVar("E", bound=TapeEvent)


def redacted_event(event: E, redactor: Redactor) -> E:
    """``event`` without the secrets, in its raw payloads too, which keep their length.

    A payload that is compressed, or encrypted, is left as it is: the platforms' roster messages are not known to hold a
    passcode, and rewriting them would make the tape another than what was received.
    """
    if isinstance(event, Batch):
        return event
    if isinstance(event, PageFault):
        event = msgspec.structs.replace(event, message=redact(event.message))
    changed: E = _redacted(event, redactor) if redactor else event
    return changed


def redacted_ending(ending: Ending, redactor: Redactor) -> Ending:
    """``ending`` with a detail of one line, without the secrets and without queries of addresses."""
    return ending._replace(detail=printable(redactor.text(redact(ending.detail)), _DETAIL_LENGTH))


def _redacted(value: Any, redactor: Redactor) -> Any:
    match value:
        case str():
            return redactor.text(value)
        case bytes():
            return redactor.data(value)
        case list():
            return [_redacted(each, redactor) for each in value]
        case msgspec.Struct():
            fields = {field: getattr(value, field) for field in value.__struct_fields__}
            changed = {field: _redacted(each, redactor) for field, each in fields.items()}
            return msgspec.structs.replace(value, **changed)
        case _:
            return value
