"""Meet's messages as strict readers of its data channels know them, written apart from the replica's own schema."""

from __future__ import annotations

from typing import Final

from tests.support.strict_protobuf import Schema, StrictDecoder

_SCHEMA: Final[Schema] = {
    "Collections": {1: "CollectionsBody"},
    "CollectionsBody": {2: "Update"},
    "Update": {3: "Outputs", 13: "Space"},
    "Outputs": {2: "Output*"},
    "Output": {2: "int64", 4: "string", 6: "string", 10: "OutputStatus"},
    "OutputStatus": {1: "bool"},
    "Space": {1: "Users", 4: "ChatEntry*"},
    "Users": {2: "User*"},
    "User": {
        **{1: "string", 2: "string", 3: "string", 4: "int64"},
        **{7: "string", 21: "string", 29: "string", 34: "bool"},
    },
    "ChatEntry": {2: "Chat"},
    "Chat": {1: "string", 2: "string", 3: "int64", 5: "ChatText"},
    "ChatText": {1: "string"},
    "Sync": {2: "Synced"},
    "Synced": {2: "Users"},
    "Captions": {1: "Caption"},
    "Caption": {1: "string", 2: "int64", 3: "int64", 4: "bool", 6: "string", 8: "int64"},
    "Frame": {1: "bytes", 2: "bytes"},
    "Dcrpc": {1: "int64", 5: "Announced"},
    "Announced": {4: "Stream*"},
    "Stream": {4: "string", 6: "string", 8: "Ssrcs"},
    "Ssrcs": {1: "int64*"},
}

MEET: Final = StrictDecoder(_SCHEMA)
"""Decodes ``Collections``, ``Sync``, ``Captions``, ``Frame`` and ``Dcrpc``."""
