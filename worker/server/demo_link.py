"""The link to the demo meeting of a service of one machine. Everywhere else it is no link to a call, and is refused as such."""

from __future__ import annotations

from typing import Any, Final

from worker.contracts.envelopes import LINK_FIELDS
from worker.settings import DemoMeeting

DEMO_LINK: Final = "https://demo.localhost/"
"""A name that no machine but one's own can have (RFC 6761, section 6.3)."""


def with_demo_link(values: dict[str, Any], demo: DemoMeeting | None) -> dict[str, Any]:
    """``values``, a create-bot body, with the demo meeting's own link for DEMO_LINK; unchanged without a demo meeting."""
    if demo is None:
        return values
    return {
        name: demo.link if name in LINK_FIELDS and _is_demo(value) else value
        for name, value in values.items()
    }


def _is_demo(value: object) -> bool:
    return isinstance(value, str) and value.strip().rstrip("/") == DEMO_LINK.rstrip("/")
