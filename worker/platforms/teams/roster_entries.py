"""Reads the entries of participants in Teams' roster messages (pure). All of it is hostile input: nothing raises."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from worker.platforms.teams.trouter import well_formed

CAMERA_STREAM: Final = "video"
SHARE_STREAM: Final = "applicationsharing-video"
"""Types of streams."""


def device_id_of(key: str, entry: object) -> str:
    """The id of an entry: its details name it, or else its key."""
    named = inner(entry, "details", "id")
    return well_formed(named if isinstance(named, str) else key)


def endpoints_of(endpoints: object) -> Iterator[dict[str, object]]:
    """Each endpoint of a participant."""
    for _, endpoint in named_endpoints(endpoints):
        yield endpoint


def named_endpoints(endpoints: object) -> Iterator[tuple[str, dict[str, object]]]:
    """Each endpoint with its id, which is empty in a list."""
    named = endpoints.items() if isinstance(endpoints, dict) else (("", each) for each in as_list(endpoints))
    for name, endpoint in named:
        if isinstance(endpoint, dict):
            yield str(name), endpoint


def audio_streams(endpoints: object) -> Iterator[dict[str, object]]:
    """The audio streams of all of a participant's endpoints. Video streams are left out: their ids are not audio sources."""
    return streams(endpoints, "audio")


def streams(endpoints: object, kind: str) -> Iterator[dict[str, object]]:
    """The streams of one type of all of a participant's endpoints that are in the call."""
    for endpoint in endpoints_of(endpoints):
        call = endpoint.get("call")
        for stream in as_list(call.get("mediaStreams") if isinstance(call, dict) else None):
            if isinstance(stream, dict) and str(stream.get("type")).lower() == kind:
                yield stream


def video_streams(endpoints: object) -> Iterator[tuple[str, dict[str, object]]]:
    """The cameras and screens of all of a participant's endpoints that are in the call, each with its type."""
    for kind in (CAMERA_STREAM, SHARE_STREAM):
        for stream in streams(endpoints, kind):
            yield kind, stream


def is_hidden_endpoint(endpoint: dict[str, object]) -> bool:
    """Whether clients must not list the participant: ``endpointMetadata.__platform.ui.hidden``."""
    return inner(endpoint, "endpointMetadata", "__platform", "ui", "hidden") is True


def places_of(endpoints: object) -> frozenset[str]:
    """Where the endpoints are: ``call``, ``lobby``, both, or empty where an update does not say."""
    return frozenset(
        place
        for endpoint in endpoints_of(endpoints)
        for place in ("call", "lobby")
        if isinstance(endpoint.get(place), dict)
    )


def inner(value: object, *keys: str) -> object:
    """The value at the end of a path of keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, dict) else None
    return value


def as_list(value: object) -> list[object]:
    """The value if it is a list, else an empty one."""
    return value if isinstance(value, list) else []
