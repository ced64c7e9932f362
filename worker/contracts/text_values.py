"""Texts in JSON, as receivers demand them (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec


def well_formed(text: str) -> str:
    """The text without halves of surrogate pairs, which UTF-8 does not have."""
    return text.encode("utf-8", "replace").decode()


def json_text(value: Any) -> str:
    """Compact JSON. Raises what msgspec does for a value that JSON does not have."""
    return msgspec.json.encode(value).decode()


def text_values(metadata: Mapping[str, Any]) -> dict[str, str]:
    """The metadata with texts only: Recall.ai's receivers refuse other values. Of another value its JSON is there."""
    return {
        well_formed(name): well_formed(value) if isinstance(value, str) else _json_or_repr(value)
        for name, value in metadata.items()
    }


def _json_or_repr(value: Any) -> str:
    try:
        return json_text(value)
    except (msgspec.MsgspecError, TypeError, ValueError, RecursionError):
        return well_formed(repr(value))
