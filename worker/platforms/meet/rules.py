"""What the facts of a Google Meet page mean, and which steps follow (pure)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from msgspec import structs

from worker.lifecycle.page_view import Scene, View
from worker.platforms.meet import signs as meet
from worker.platforms.meet.facts import Dialog, Facts, Layout
from worker.platforms.meet.idle_question import is_asked_alone, staying_answer
from worker.platforms.page_actions import Click, FillName, MoveSlider, Step
from worker.platforms.signs import Sign, button, first_said, plain
from worker.reasons import Reason

_DETAIL_LENGTH: Final = 200
_NO_CALL: Final = "page.no_call"
_NO_WAY_IN: Final = "page.no_way_in"
_CERTAIN_TILES: Final = 2
"""Participants with a tile, ourselves among them, that no lobby shows."""


_LAYOUTS: Final = 4
_PLACE_OF_TILED: Final = 1
"""In the dialog of layouts: Auto, Tiled, Spotlight, Sidebar."""

_MORE_THAN_A_LABEL: Final = re.compile(
    r"(?: without (?:your )?(?:microphone|camera)(?:(?:,? and| &) (?:microphone|camera))?)?(?:\s*[-\u2013\u2014,(:\u00b7].*)?",
    re.DOTALL,
)
"""What may follow a label: that we join without devices; a state ("- New message", ", 2 unread messages") or a shortcut
("(ctrl + d)")."""

_SAID_IN_DIALOGS: Final = (meet.CONSENT, meet.NOTICE, meet.STILL_THERE, meet.RECORDING_DENIED)


class Past(NamedTuple):
    """What happened before. ``asked``: the join button was pressed; ``entered``: the call was seen."""

    asked: bool = False
    entered: bool = False


NOTHING_YET: Final = Past()


def view(facts: Facts, past: Past = NOTHING_YET) -> View:
    """What the page shows. The lobby shares the call's controls, so its text has precedence over them. A text that refuses us
    or ends the call counts only where the page shows neither the call nor a way to join. A last page whose words are not known
    is known by its structure, in every language.
    """
    in_call_view = [sign.name for sign in meet.IN_CALL_VIEW if sign.name in facts.elements]
    way_in = _way_in(facts)
    outside = not (in_call_view or facts.tiles or way_in)
    if outside and (last := _known_last_page(facts, past)):
        return last
    if waiting := first_said(meet.WAITING, plain(_lobby_text(facts, past, in_call_view))):
        scene = Scene.HOST_ABSENT if waiting is meet.HOST_ABSENT else Scene.LOBBY
        return _seen(facts, scene, (waiting.name,), waiting.name)
    if outside and (last := _unknown_last_page(facts, past)):
        return last
    # The controls disappear for a while when somebody presents, and the tiles when the layout changes.
    if (facts.tiles and (in_call_view or past.entered)) or (in_call_view and past.entered):
        return _call(facts, (*in_call_view[:1], *((meet.TILE.name,) if facts.tiles else ())))
    if in_call_view and past.asked and not past.entered and _foreign(facts):
        return _seen(facts, Scene.LOBBY, (in_call_view[0], meet.LOBBY_SHAPE), meet.LOBBY_SHAPE)
    scene = Scene.ASKED if past.asked else Scene.OPENING
    return _seen(facts, scene, way_in, _pre_join(facts, way_in), joinable=bool(way_in))


def steps(facts: Facts) -> Iterator[Step]:
    """The steps to take before and in the call, the most urgent first."""
    denied = _denial(facts) is not None
    in_call_view = any(sign.name in facts.elements for sign in meet.IN_CALL_VIEW)
    for dialog in facts.dialogs:
        words = _own_words(dialog, facts)
        yield from _dialog_steps(dialog, words)
        if dialog.layouts:
            continue
        if in_call_view and not _is_known(words) and (answer := staying_answer(dialog, facts)) is not None:
            yield _in_dialog(answer)
    in_the_way = (meet.GOT_IT,) if in_call_view else (meet.WITHOUT_ACCOUNT, meet.IN_THE_WAY)
    # A dialog that denies the recording stays, so that it can be confirmed.
    for sign in () if denied else in_the_way:
        if label := _offered(sign.labels, facts.buttons):
            yield Click(button(label))
    for device in (meet.MICROPHONE_ON, meet.CAMERA_ON):
        if device.name in facts.elements:
            yield Click(device.selector)
    if in_call_view:
        return
    if facts.name is not None and not facts.name.strip():
        yield FillName(meet.NAME_FIELD.selector)
    elif (joining := _joining(facts)) is not None:
        yield joining
    elif label := _offered(meet.OTHER_WAYS.labels, facts.buttons):
        yield Click(button(label))


def layout_steps(facts: Facts, *, opened: bool) -> Iterator[Step]:
    """The steps to the layout with the most videos, and out of its dialog again. What else asks for an answer comes first.
    ``opened``: the bot has opened the dialog; another with choices, whose words are not known, is left alone.
    """
    if any(not dialog.layouts for dialog in facts.dialogs):
        return
    if meet.LAYOUT.name in facts.elements:
        if not opened and _labelled_tiled(facts.layouts) is None:
            return
        tiled = _tiled(facts.layouts)
        if tiled is not None and not facts.layouts[tiled].chosen:
            yield Click(f'{meet.LAYOUT.selector} >> input[type="radio"] >> nth={tiled}')
        elif (most := _missing_tiles(facts)) is not None:
            yield MoveSlider(meet.LAYOUT_SLIDER.selector, most)
        yield Click(meet.CLOSE_LAYOUT.selector)
    elif meet.LAYOUT_ITEM.name in facts.elements:
        yield Click(meet.LAYOUT_ITEM.selector)
    elif label := _offered(meet.LAYOUT_ITEM.labels, facts.buttons):
        yield Click(button(label))
    elif meet.MORE_OPTIONS.name in facts.elements:
        yield Click(meet.MORE_OPTIONS.selector)


def has_most_tiles(facts: Facts) -> bool:
    """Whether the dialog of layouts shows that the wanted layout is chosen."""
    tiled = _tiled(facts.layouts)
    return tiled is not None and facts.layouts[tiled].chosen and _missing_tiles(facts) is None


def is_unanswerable(facts: Facts) -> bool:
    """Whether the page asks the bot, alone in a call, something of which neither words nor structure tell the answer."""
    in_call_view = any(sign.name in facts.elements for sign in meet.IN_CALL_VIEW)
    return in_call_view and any(
        not (dialog.layouts or _is_known(_own_words(dialog, facts)))
        and is_asked_alone(dialog, facts)
        and staying_answer(dialog, facts) is None
        for dialog in facts.dialogs
    )


def asks(step: Step, facts: Facts) -> bool:
    """Whether the step, chosen from ``facts``, asks to join, or joins."""
    return isinstance(step, Click) and step == _joining(facts)


def opens_layouts(step: Step) -> bool:
    """Whether the step opens the dialog of layouts."""
    return step in (Click(meet.LAYOUT_ITEM.selector), *map(Click, map(button, meet.LAYOUT_ITEM.labels)))


def _labelled_tiled(layouts: list[Layout]) -> int | None:
    """The place of the layout with tiles by its label; None where that is not known."""
    return next((at for at, layout in enumerate(layouts) if layout.label in meet.TILED.labels), None)


def _tiled(layouts: list[Layout]) -> int | None:
    """The place of the layout with tiles; None where it is not known."""
    by_label = _labelled_tiled(layouts)
    if by_label is not None:
        return by_label
    return _PLACE_OF_TILED if len(layouts) == _LAYOUTS else None


def _missing_tiles(facts: Facts) -> int | None:
    """The number to which the slider is to be moved; None where it need not be, or there is none."""
    if facts.slider is None:
        return None
    most = min(facts.slider.most, meet.MOST_TILES)
    return most if facts.slider.value < most else None


def _joining(facts: Facts) -> Click | None:
    """The step that asks to join, or joins; None where the page offers none that does no harm."""
    if label := _offered((*meet.ASK.labels, *meet.JOIN.labels), facts.buttons):
        return Click(button(label))
    if meet.JOIN_BUTTON.name in facts.elements and not _offered(meet.SWITCH.labels, facts.buttons):
        return Click(meet.JOIN_BUTTON.selector)
    return None


def _lobby_text(facts: Facts, past: Past, in_call_view: list[str]) -> str:
    """Where a lobby's words count. No lobby shows two participants: beside them, words may be a notice that quotes somebody,
    and in a call that was entered nothing but people's words is to be expected.
    """
    if facts.tiles < _CERTAIN_TILES or not (in_call_view or past.entered):
        return _all_text(facts)
    return "" if past.entered else facts.text


def _known_last_page(facts: Facts, past: Past) -> View | None:
    """The view of a page that refuses us or ends the call in known words; None for any other page. After the call was entered
    its texts count only on a page of that kind or in a heading, for a call may hide controls and tiles for a while and still
    show its chat.
    """
    is_last_page = not past.entered or _is_last_page(facts, past)
    text = plain(_all_text(facts) if is_last_page else "\n".join(facts.headings))
    evidence = (_NO_CALL, _NO_WAY_IN)
    if over := first_said(meet.ENDS, text):
        return _seen(facts, Scene.OVER, (over.name, *evidence), over.name, over)
    if refused := next((sign for sign in meet.REFUSALS if _refuses(sign, facts, text)), None):
        return _seen(facts, Scene.REFUSED, (refused.name, *evidence), refused.name, refused)
    return None


def _is_last_page(facts: Facts, past: Past) -> bool:
    """Whether the page, which shows neither the call nor a way to join, is built as a last page. Before the call a button of
    such a page says nothing: a lobby has it, too.
    """
    if meet.LAST_PAGE.name in facts.elements:
        return True
    if meet.COUNTDOWN.name in facts.elements:
        return meet.HOME.name in facts.elements or _offered(meet.HOME.labels, facts.buttons) is not None
    return past.entered and _offered(meet.LAST_PAGE.labels, facts.buttons) is not None


def _unknown_last_page(facts: Facts, past: Past) -> View | None:
    """The view of a page that refuses us or ends the call in words that are not known; None for any other page. After the call
    was entered it is an end, of which the roster may tell more: the bot must not knock where it was thrown out.
    """
    if not _is_last_page(facts, past):
        return None
    return View(
        scene=Scene.OVER if past.entered else Scene.REFUSED,
        reason=Reason.ENDED_UNKNOWN if past.entered else Reason.PAGE_NOT_UNDERSTOOD,
        detail=_shown(_words_of_last_page(facts)),
        evidence=(meet.LAST_PAGE.name, _NO_CALL, _NO_WAY_IN),
        variant=meet.LAST_PAGE.name,
        language=facts.language,
    )


def _words_of_last_page(facts: Facts) -> str:
    """The title and the lines below it, up to the first button; the titles or the whole text where there is no such line."""
    lines = [line for each in _all_text(facts).splitlines() if (line := " ".join(each.split()))]
    titles = [" ".join(heading.split()) for heading in facts.headings]
    start = next((lines.index(title) for title in titles if title in lines), None)
    if start is None:
        return " ".join(titles) or " ".join(lines)
    below = enumerate(lines[start + 1 :], start + 1)
    end = next((at for at, line in below if _begins_with_button(line, facts.buttons)), len(lines))
    return " ".join(lines[start:end])


def _begins_with_button(line: str, labels: list[str]) -> bool:
    """Whether the line begins with a button; the next one may follow without a blank, as buttons beside each other do."""
    reached, places = {0}, [0]
    while places:
        place = places.pop()
        for end in (place + len(label) for label in labels if label and line.startswith(label, place)):
            if end == len(line) or line[end] == " ":
                return True
            if end not in reached:
                reached.add(end)
                places.append(end)
    return False


def _refuses(sign: Sign, facts: Facts, text: str) -> bool:
    if sign.headings and not set(sign.headings) & set(map(plain, facts.headings)):
        return False
    return sign.said_in(text) or sign.name in facts.elements or facts.host in sign.hosts


def _call(facts: Facts, evidence: tuple[str, ...]) -> View:
    """The view of a page with the call's controls or tiles. A lobby has the controls, and may have the bot's own tile."""
    seen = _call_or_what_covers_it(facts, evidence)
    return structs.replace(seen, lobby_like=facts.tiles < _CERTAIN_TILES)


def _call_or_what_covers_it(facts: Facts, evidence: tuple[str, ...]) -> View:
    dialogs = [_own_words(dialog, facts) for dialog in facts.dialogs]
    if any(map(meet.CONSENT.said_in, dialogs)):
        return _seen(facts, Scene.GATED, (*evidence, meet.CONSENT.name), meet.CONSENT.name)
    if (denial := _denial(facts)) is not None:
        seen = _seen(facts, Scene.CALL, (*evidence, meet.RECORDING_DENIED.name), "call")
        return structs.replace(seen, detail=_line_of(meet.RECORDING_DENIED, denial), recording_denied=True)
    variant = meet.NOTICE.name if any(map(meet.NOTICE.said_in, dialogs)) else "call"
    return _seen(facts, Scene.CALL, evidence, variant)


def _denial(facts: Facts) -> str | None:
    """The text of a dialog that says that recording is not permitted; None without one."""
    for dialog in facts.dialogs:
        if meet.RECORDING_DENIED.said_in(_own_words(dialog, facts)):
            return dialog.text
    return None


def _own_words(dialog: Dialog, facts: Facts) -> str:
    """The dialog's text in plain() form, without participants' names that say what only the platform may."""
    text = plain(dialog.text)
    for name in map(plain, facts.names):
        if first_said(_SAID_IN_DIALOGS, name):
            text = text.replace(name, "")
    return text


def _seen(
    facts: Facts,
    scene: Scene,
    evidence: tuple[str, ...],
    variant: str,
    said: Sign | None = None,
    *,
    joinable: bool = False,
) -> View:
    return View(
        scene=scene,
        reason=said.reason if said else None,
        detail=_detail(facts, said) if said else "",
        evidence=evidence,
        variant=variant,
        language=facts.language,
        joinable=joinable,
    )


def _way_in(facts: Facts) -> tuple[str, ...]:
    """The names of the signs by which the page offers to join."""
    ways = []
    if facts.name is not None:
        ways.append(meet.NAME_FIELD.name)
    ways += [
        sign.name
        for sign in (meet.ASK, meet.JOIN, meet.SWITCH, meet.OTHER_WAYS, meet.WITHOUT_ACCOUNT)
        if _offered(sign.labels, facts.buttons)
    ]
    if meet.JOIN_BUTTON.name in facts.elements:
        ways.append(meet.JOIN_BUTTON.name)
    return tuple(ways)


def _pre_join(facts: Facts, way_in: tuple[str, ...]) -> str:
    """The form of the page before the call: ``loading``, ``prejoin-name``, ``prejoin-signed-in``, ``prejoin-foreign``."""
    if not way_in:
        return "loading"
    if _foreign(facts):
        return "prejoin-foreign"
    return "prejoin-signed-in" if facts.name is None else "prejoin-name"


def _foreign(facts: Facts) -> bool:
    """Whether the page is not in English, so that its texts are not in the table."""
    return bool(facts.language) and facts.language.split("-")[0].casefold() != "en"


def _dialog_steps(dialog: Dialog, text: str) -> Iterator[Step]:
    if meet.NOTICE.said_in(text):
        if dialog.ok:
            yield Click(meet.DIALOG_OK.selector)
        elif label := _offered(meet.NOTICE.labels, dialog.buttons):
            yield _in_dialog(label)
        return
    answers: tuple[str, ...] = ()
    if meet.CONSENT.said_in(text):
        answers = (*meet.ASK.labels, *meet.JOIN.labels)
    elif meet.STILL_THERE.said_in(text):
        answers = meet.STILL_THERE.labels
    if label := _offered(answers, dialog.buttons):
        yield _in_dialog(label)


def _is_known(words: str) -> bool:
    """Whether a dialog's words, in plain() form, are those of a sign."""
    return first_said(_SAID_IN_DIALOGS, words) is not None


def _in_dialog(label: str) -> Click:
    return Click(f"{meet.DIALOG.selector} >> {button(label)}")


def _offered(labels: Iterable[str], buttons: Iterable[str]) -> str | None:
    """The text of a button that says one of ``labels``, as it is shown; earlier labels, and bare ones, have precedence."""
    shown = sorted(set(buttons), key=len)
    return next((text for label in labels for text in shown if _says(text, label)), None)


def _says(text: str, label: str) -> bool:
    """Whether a button's text is ``label``, with a state, a shortcut or a restriction behind it at most."""
    return text.startswith(label) and _MORE_THAN_A_LABEL.fullmatch(text, len(label)) is not None


def _all_text(facts: Facts) -> str:
    return f"{facts.text}\n{facts.announced}"


def _detail(facts: Facts, sign: Sign) -> str:
    """The line of the page that contains a phrase of ``sign``; the whole text where no line does."""
    return _line_of(sign, _all_text(facts))


def _line_of(sign: Sign, text: str) -> str:
    return _shown(next((line for line in text.splitlines() if sign.said_in(plain(line))), text))


def _shown(text: str) -> str:
    return " ".join(text.split())[:_DETAIL_LENGTH]
