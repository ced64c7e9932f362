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

    ``name`` is what logs and the tape call it (``lobby.let_in_soon``). It is known by any of its ``phrases`` (parts of the
    visible text in plain() form), ``labels`` (whole texts of buttons), ``selectors`` (CSS; the later ones are fallbacks) and
    ``hosts`` (where the page is). Where it has ``headings`` (whole texts in plain() form), a phrase counts only beside one.
    ``evidence_for`` says what it shows when it is met, ``source`` where that is known from; "inference" marks what was not
    observed. ``reason`` is the one for which a bot ends that meets it.
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
        """Whether ``text``, in plain() form, holds one of the phrases, from the beginning of a word to the end of one."""
        return any(
            phrase in text and re.search(rf"(?<!\w){re.escape(phrase)}(?!\w)", text)
            for phrase in self.phrases
        )


def plain(text: str) -> str:
    """Lower case, straight apostrophes, single spaces: the form in which phrases are compared."""
    return " ".join(text.translate(_APOSTROPHES).casefold().split())


def first_said(signs: Iterable[Sign], text: str) -> Sign | None:
    """The first sign that ``text``, in plain() form, holds a phrase of."""
    return next((sign for sign in signs if sign.said_in(text)), None)


def judge_sign_in(view: View, *, signed_in: bool) -> View:
    """``view`` with SIGN_IN_FAILED in place of SIGN_IN_REQUIRED where the bot is ``signed_in``: a page that still asks for a
    sign-in then means that the account's session is not valid any more.
    """
    if signed_in and view.reason is Reason.SIGN_IN_REQUIRED:
        return msgspec.structs.replace(view, reason=Reason.SIGN_IN_FAILED)
    return view


def button(label: str) -> str:
    """The Playwright selector of a button that bears exactly this text, or is called so."""
    return ", ".join(
        f'{kind}:text-is("{label}"), {kind}:has(:text-is("{label}")), {kind}[aria-label="{label}"]'
        for kind in ("button", "[role=button]", "[role=menuitem]")
    )
