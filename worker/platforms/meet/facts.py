"""What a Google Meet page shows at one moment (pure)."""

from __future__ import annotations

import msgspec


class Dialog(msgspec.Struct, frozen=True, kw_only=True):
    """A modal dialog: its visible text, and labels and texts of its buttons. ``ok``: it has a button that acknowledges it.

    ``question`` is the text outside of buttons, ``answers`` has one label for each button. ``layouts``: it is the dialog of
    layouts, which only the bot opens.
    """

    text: str
    buttons: list[str]
    ok: bool = False
    question: str = ""
    answers: list[str] = []
    layouts: bool = False


class Layout(msgspec.Struct, frozen=True, kw_only=True):
    """A choice in the dialog of layouts."""

    label: str
    chosen: bool


class Slider(msgspec.Struct, frozen=True, kw_only=True):
    """The slider for the number of tiles, in the dialog of layouts."""

    value: int
    most: int


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """What a Meet page shows at one moment, as read_page.js read it.

    ``elements`` are the names of the signs of signs.ELEMENTS that are visible, ``tiles`` counts participants with a tile, and
    ``names`` are the tiles' lines, read only beside a dialog. ``leave_label`` is the label of the button that leaves the call.
    ``name`` is the content of the name field, None without one; ``buttons`` are labels and texts of buttons that are visible
    and can be pressed. ``text`` is the visible text outside live regions, ``announced`` the text in them; both are empty where
    the text was not read.

    Only where video is recorded: ``layouts`` are the choices of the dialog of layouts and ``slider`` is its slider, where it
    is open, and ``presented`` counts the presentations that are shown.

    Whatever lies in an element of signs.WRITTEN is left out of buttons, headings, dialogs and texts: people wrote it. Live
    regions (WAI-ARIA) hold texts of the platform's own, too: a lobby's, and notices with names and messages.
    """

    host: str = ""
    language: str = ""
    elements: frozenset[str] = frozenset()
    tiles: int = 0
    names: list[str] = []
    name: str | None = None
    buttons: list[str] = []
    leave_label: str = ""
    headings: list[str] = []
    dialogs: list[Dialog] = []
    text: str = ""
    announced: str = ""
    layouts: list[Layout] = []
    slider: Slider | None = None
    presented: int = 0
