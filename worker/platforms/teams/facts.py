"""What a Microsoft Teams page shows at one moment, as read_page.js read it (pure)."""

from __future__ import annotations

import msgspec


class Notice(msgspec.Struct, frozen=True, kw_only=True):
    """A dialog or an alert: its text and the labels of the buttons that can be pressed in it. ``modal``: a dialog."""

    text: str
    buttons: list[str] = []
    modal: bool = False


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """``elements`` are the names of the signs of signs.ELEMENTS that are visible, ``name`` is the content of the name field,
    None without one. ``headings`` are the visible headings, ``text`` the visible text outside live regions and ``announced``
    the text in them; all three are empty where the text was not read.

    Whatever lies in an element of signs.WRITTEN is left out: people wrote it. Passing alerts are left out of headings and texts
    as well.
    """

    url: str = ""
    language: str = ""
    elements: frozenset[str] = frozenset()
    name: str | None = None
    headings: list[str] = []
    notices: list[Notice] = []
    text: str = ""
    announced: str = ""
