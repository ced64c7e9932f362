"""A participant in Recall.ai's documents and live messages (pure)."""

from __future__ import annotations

from typing import Any


def participant_document(
    number: int, name: str | None, platform: str, participant_id: str | None, *, is_host: bool, **more: Any
) -> dict[str, Any]:
    """The participant with this ``number`` (worker.manifest.person_numbers).

    ``extra_data`` has the platform's own id under the platform's name, and ``more``.
    """
    return {
        "id": number,
        "name": name,
        "is_host": is_host,
        "platform": "unknown",
        "extra_data": {platform: {"participant_id": participant_id}, **more},
        "email": None,
    }
