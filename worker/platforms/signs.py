"""A platform's page as a table of signs: what its texts and elements look like and what they are evidence for (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

import msgspec

from worker.lifecycle.page_view import View
from worker.reasons import Reason

_APOSTROPHES: Final = str.maketrans({"\u2019": "'", "\u2018": "'", "\u02bc": "'"})


class Sign(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that a page may show.

    ``name`` is its name in logs and on the tape (``lobby.let_in``). A page shows it where any of these matches:
    ``phrases`` (parts of the visible text in plain() form), ``labels`` (whole texts of buttons), ``selectors`` (CSS; the later
    ones are fallbacks) and ``hosts`` (of the page's address). Where it has ``headings`` (whole texts in plain() form), a
    phrase counts only beside one of them. ``evidence_for`` says what the sign means, ``source`` how that is known;
    "inference" marks what was not observed. ``reason`` is the reason for which a bot ends when the sign is shown.
    """

    name: str
    evidence_for: str
    source: str
    phrases: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    selectors: tuple[str, ...] = ()
    hosts: tuple[str, ...] = ()
    headings: tuple[str, ...] = ()
    reason: Reason | None = None

    @property
    def selector(self) -> str:
        """All selectors as one."""
        return ", ".join(self.selectors)

    def said_in(self, text: str) -> bool:
        """Whether ``text``, in plain() form, contains one of the phrases as whole words."""
        return any(
            phrase in text and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text)
            for phrase in self.phrases
        )


def plain(text: str) -> str:
    """Lower case, straight apostrophes, single spaces: the form in which phrases are compared."""
    return " ".join(text.translate(_APOSTROPHES).casefold().split())


def first_said(signs: Iterable[Sign], text: str) -> Sign | None:
    """The first sign that has a phrase in ``text``, which is in plain() form."""
    return next((sign for sign in signs if sign.said_in(text)), None)


def judge_sign_in(view: View, *, signed_in: bool) -> View:
    """``view`` with SIGN_IN_FAILED in place of SIGN_IN_REQUIRED where the bot is ``signed_in``: a page that still asks for a
    sign-in then means that the account's session is not valid any more.
    """
    if signed_in and view.reason is Reason.SIGN_IN_REQUIRED:
        return msgspec.structs.replace(view, reason=Reason.SIGN_IN_FAILED)
    return view


def button(label: str) -> str:
    """The Playwright selector of a button whose text or accessible label is exactly ``label``."""
    quoted = label.replace("\\", "\\\\").replace('"', '\\"')
    return ", ".join(
        f'{kind}:text-is("{quoted}"), {kind}:has(:text-is("{quoted}")), {kind}[aria-label="{quoted}"]'
        for kind in ("button", "[role=button]", "[role=menuitem]")
    )


def with_icon(role: str, icon: str) -> str:
    """The Playwright selector of an element of this ARIA role with an icon of this name in the page's icon font: icons have the
    same names in every language.
    """
    return f'[role="{role}"]:has(i:text-is("{icon}"))'
