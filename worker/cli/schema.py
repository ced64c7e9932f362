"""The command ``meetstems schema``: prints the form of a job."""

from __future__ import annotations

import msgspec

from worker.contracts.parse_job import json_schema


def schema_command() -> int:
    """Prints the JSON Schema of a job."""
    print(msgspec.json.format(msgspec.json.encode(json_schema()), indent=2).decode())
    return 0
