"""What a link to an example call looks like: ``http://localhost:8000/room/abc``."""

from __future__ import annotations

from typing import Final
from urllib.parse import urlsplit

from worker.platforms.address import AddressError, MeetingAddress

HOST: Final = "localhost"
EXAMPLE: Final = f"http://{HOST}:8000/room/abc"


def parse_example_link(value: str) -> MeetingAddress:
    """The room that ``value`` links to. Raises AddressError."""
    parts = urlsplit(value.strip())
    folder, _, room = parts.path.rpartition("/")
    if parts.scheme != "http" or folder != "/room" or not room.isalnum():
        raise AddressError(
            f"meeting link {value[:100]!r}: is not an example link, expected one like {EXAMPLE}"
        )
    return MeetingAddress(room, value.strip(), value.strip())
