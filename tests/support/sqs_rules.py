"""What SQS refuses in a message and moto accepts, for ``FaultProxy.change_requests``.

https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SendMessage.html
"""

from __future__ import annotations

import string
from typing import Any

import msgspec

from tests.support.fault_proxy import Exchange, Refusal

LARGEST = 262_144
"""Bytes of a message with the names, types and values of its attributes."""

FIFO_CHARACTERS = frozenset(string.ascii_letters + string.digits + string.punctuation)


def allows(character: str) -> bool:
    """Whether a message may hold ``character``."""
    code = ord(character)
    return (
        code in {0x9, 0xA, 0xD}
        or 0x20 <= code <= 0xD7FF
        or 0xE000 <= code <= 0xFFFD
        or 0x10000 <= code <= 0x10FFFF
    )


def as_sqs_answers(exchange: Exchange) -> Exchange | Refusal:
    """Refuses messages that SQS refuses."""
    if exchange.request.action != "SendMessage":
        return exchange
    message: dict[str, Any] = msgspec.json.decode(exchange.body)
    attributes: dict[str, Any] = message.get("MessageAttributes", {})
    texts = [message["MessageBody"], *(value["StringValue"] for value in attributes.values())]
    if not all(texts):
        return Refusal(400, "MissingParameter", "The request must contain the parameter MessageBody.")
    if not all(allows(character) for text in texts for character in text):
        return Refusal(
            400, "com.amazonaws.sqs#InvalidMessageContents", "Invalid characters found in the message."
        )
    size = len(message["MessageBody"].encode()) + sum(
        len(text.encode())
        for name, value in attributes.items()
        for text in (name, value["DataType"], value["StringValue"])
    )
    if size > LARGEST:
        reason = f"One or more parameters are invalid. Reason: Message must be shorter than {LARGEST} bytes."
        return Refusal(
            400, "com.amazonaws.sqs#InvalidParameterValueException", reason, "InvalidParameterValue;Sender"
        )
    for name in ("MessageGroupId", "MessageDeduplicationId"):
        value = message.get(name)
        if value is not None and not (0 < len(value) <= 128 and FIFO_CHARACTERS.issuperset(value)):
            reason = f"Value {value} for parameter {name} is invalid."
            return Refusal(
                400,
                "com.amazonaws.sqs#InvalidParameterValueException",
                reason,
                "InvalidParameterValue;Sender",
            )
    return exchange
