"""Takes a job out of what AWS's services and double encoding put around it (pure).

Sources, all on docs.aws.amazon.com: "Amazon SNS message and JSON formats", "AWS service event metadata" (EventBridge), "Using
Lambda with Amazon SQS" (records, also of EventBridge Pipes), "Event message structure" (S3).
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

from worker.contracts.json_body import JobError, read_json, type_name

LINK_FIELDS: Final = ("meeting_link", "meeting_url")
"""One of them marks a job."""

MOST_ENVELOPES: Final = 6
"""Envelopes in each other. A list of records of SQS, each a notification of SNS with an event of EventBridge, is four."""

_ONE_JOB: Final = "expected one job in a message"
_NOT_A_JOB: Final = "expected a create-bot body"

_S3_POINTERS: Final = ("software.amazon.payloadoffloading.", "com.amazon.sqs.javamessaging.")
"""How the SQS Extended Client Library names a message whose text is in S3."""


class Opened(NamedTuple):
    """``values`` is what is inside, ``envelopes`` names what was around it, outermost first."""

    values: dict[str, Any]
    envelopes: list[str]


def open_envelopes(body: bytes | str) -> Opened:
    """The JSON object that may be a job, in ``body`` or in its envelopes. Raises JobError, which names the envelopes."""
    envelopes: list[str] = []
    try:
        value = read_json(body)
        while (opened := _open(value)) is not None:
            name, value = opened
            envelopes.append(name)
            if len(envelopes) > MOST_ENVELOPES:
                raise JobError(f"job: more than {MOST_ENVELOPES} envelopes; {_NOT_A_JOB}")
            if isinstance(value, str):
                value = read_json(value)
        if not isinstance(value, dict):
            raise JobError(f"job: {type_name(value)}; expected a JSON object")
    except JobError as error:
        raise inside(error, envelopes) from error.__cause__
    return Opened(value, envelopes)


def inside(error: JobError, envelopes: list[str]) -> JobError:
    """``error`` with the names of the envelopes in which it was found."""
    if not envelopes:
        return error
    where = " in ".join(reversed(envelopes))
    return JobError(f"job: in {where}: {str(error).removeprefix('job: ')}", error.bot_id)


def _open(value: object) -> tuple[str, object] | None:
    """The name of the envelope ``value`` and what it holds; None if it is none. Raises JobError for one that holds no job."""
    match value:
        case str() if value.lstrip().startswith(("{", "[", '"')):
            return "a JSON text", value
        case list():
            return _batch("a list", value)
        case dict() if all(value.get(name) is None for name in LINK_FIELDS):
            return _open_object(value)
        case _:
            return None


def _open_object(value: dict[str, Any]) -> tuple[str, object] | None:
    match value:
        case {"Type": "Notification", "TopicArn": str(), "Message": message}:
            return "an SNS notification", message
        case {"Type": "SubscriptionConfirmation" | "UnsubscribeConfirmation", "TopicArn": str()}:
            raise JobError(f"job: an SNS subscription's confirmation; {_NOT_A_JOB}")
        case {"detail-type": str(), "source": str(), "detail": detail}:
            return "an EventBridge event", detail
        case {"eventSource": "aws:sqs", "body": body}:
            return "an SQS record", body
        case {"EventSource": "aws:sns", "Sns": {"Message": message}}:
            return "an SNS record", message
        case {"eventSource": "aws:s3", "s3": dict()}:
            raise JobError(f"job: an S3 notification; {_NOT_A_JOB}")
        case {"Service": "Amazon S3", "Event": "s3:TestEvent"}:
            raise JobError(f"job: an S3 test notification; {_NOT_A_JOB}")
        case {"Records": list() as records}:
            return _batch("a list of records", records)
        case _:
            return None


def _batch(name: str, values: list[Any]) -> tuple[str, object]:
    match values:
        case [str() as pointer, dict()] if pointer.startswith(_S3_POINTERS):
            raise JobError(f"job: a text that is kept in S3 by the SQS Extended Client; {_NOT_A_JOB}")
        case [dict() | str() as single]:
            return name, single
        case _:
            raise JobError(f"job: {name} of {len(values)}; {_ONE_JOB}")
