"""What a Microsoft Teams page shows at one moment, as read_page.js read it (pure)."""

from __future__ import annotations

from collections.abc import Sequence

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

    The content of elements of signs.WRITTEN is left out: people wrote it. Passing alerts are left out of headings and texts
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


def joined(page: Facts, frames: Sequence[Facts], *, with_text: bool) -> Facts:
    """What the page shows together with its frames. ``with_text``: also the texts of frames, which may be what people wrote."""
    if not frames:
        return page
    texts = frames if with_text else ()
    return msgspec.structs.replace(
        page,
        elements=page.elements.union(*(frame.elements for frame in frames)),
        name=next((each.name for each in (page, *frames) if each.name is not None), None),
        headings=[*page.headings, *(heading for frame in texts for heading in frame.headings)],
        notices=[*page.notices, *(notice for frame in frames for notice in frame.notices)],
        text="\n".join(each.text for each in (page, *texts)),
        announced="\n".join(each.announced for each in (page, *texts)),
    )
