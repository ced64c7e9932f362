"""What the facts of a Microsoft Teams page mean, and which steps follow (pure)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final, NamedTuple
from urllib.parse import urlsplit

import msgspec

from worker.lifecycle.page_view import Scene, View
from worker.platforms.page_actions import Click, FillName, Step, press
from worker.platforms.signs import Sign, button, first_said, plain
from worker.platforms.teams import signs as teams
from worker.platforms.teams.facts import Facts
from worker.reasons import Reason

NAME_FIELD_PATIENCE: Final = 1.5
"""Seconds for which a join button must be shown without a name field before it is pressed: the field may come late."""

HELD_AS_BOT: Final = "Teams takes this participant for a bot, and an organizer has to approve it"
"""The detail of a lobby in which only an organizer can admit the bot."""

_DETAIL_LENGTH: Final = 200
_LAUNCHER_PATH: Final = "/dl/launcher/"
_LIGHT_PATH: Final = "/light-meetings/"


class Past(NamedTuple):
    """What happened before. ``asked``: the join button was pressed; ``entered``: the call was seen; ``nameless_for``: seconds
    for which a join button has been shown without a name field.
    """

    asked: bool = False
    entered: bool = False
    nameless_for: float = 0.0


NOTHING_YET: Final = Past()


def view(facts: Facts, past: Past = NOTHING_YET) -> View:
    """What the page shows. The lobby's text and screen have precedence over signs of a call. A text that refuses us or ends the
    call counts only where the page shows no call and, unless a dialog contains it, no way to join.
    """
    call = [sign.name for sign in teams.CALL_VIEW if sign.name in facts.elements]
    if not call and (last := _last_page(facts, past)):
        return last
    if waiting := first_said(teams.WAITING, plain(_lobby_text(facts, past, call))):
        scene = Scene.HOST_ABSENT if waiting is teams.HOST_ABSENT else Scene.LOBBY
        detail = HELD_AS_BOT if waiting is teams.SUSPECTED else ""
        return _view(facts, scene, (waiting.name,), detail=detail)
    if _is_lobby_screen(facts, past):
        return _view(facts, Scene.LOBBY, (teams.LOBBY_SCREEN.name,))
    if call and (past.entered or teams.CONNECTING_SCREEN.name not in facts.elements):
        certain = [sign.name for sign in teams.CERTAIN if sign.name in facts.elements]
        return msgspec.structs.replace(
            _view(facts, Scene.CALL, (call[0], *certain[:1])), certain=bool(certain)
        )
    way_in = _way_in(facts)
    if past.asked and not way_in and _foreign(facts) and teams.CANCEL.name in facts.elements:
        return _view(facts, Scene.LOBBY, (teams.CANCEL.name,))
    scene = Scene.ASKED if past.asked else Scene.OPENING
    return msgspec.structs.replace(_view(facts, scene, way_in), joinable=bool(way_in))


def steps(facts: Facts, past: Past, *, with_video: bool) -> Iterator[Step]:
    """The steps to take, the most urgent first. ``with_video``: incoming video is still to be turned off."""
    for notice in facts.notices:
        for sign in (teams.RECORDED, teams.APP_PROMPT):
            if sign.said_in(plain(notice.text)) and (label := _offered(sign, notice.buttons)):
                yield Click(f"{teams.NOTICE_BOX.selector} >> {button(label)}")
    if teams.WITHOUT_MEDIA.name in facts.elements:
        yield press(teams.WITHOUT_MEDIA)
    match view(facts, past).scene:
        case Scene.OPENING | Scene.ASKED:
            yield from _joining_steps(facts, past)
        case Scene.LOBBY | Scene.HOST_ABSENT:
            yield from _device_steps(facts)
        case Scene.CALL if with_video:
            yield from _video_steps(facts)


def layout_steps(facts: Facts) -> Iterator[Step]:
    """The steps to the layout with the most videos; the last also closes the menu where that is chosen already. What asks for
    an answer comes first.
    """
    if any(notice.modal for notice in facts.notices):
        return
    for sign in (teams.GALLERY, teams.VIEW):
        if sign.name in facts.elements:
            yield press(sign)
            return


def asks(step: Step) -> bool:
    """Whether the step asks to join, or joins."""
    return step == press(teams.JOIN)


def waits_for_name(facts: Facts) -> bool:
    """Whether there is a join button and no name field."""
    return facts.name is None and teams.JOIN.name in facts.elements


def _joining_steps(facts: Facts, past: Past) -> Iterator[Step]:
    if teams.LAUNCHER.name in facts.elements:
        yield press(teams.LAUNCHER)
    yield from _device_steps(facts)
    if facts.name is not None and not facts.name.strip():
        yield FillName(teams.NAME_FIELD.selector)
    elif teams.JOIN.name in facts.elements and (facts.name is not None or _signed_in(facts, past)):
        yield press(teams.JOIN)


def _device_steps(facts: Facts) -> Iterator[Step]:
    for sign in (teams.MICROPHONE_ON, teams.CAMERA_ON):
        if sign.name in facts.elements:
            yield press(sign)


def _signed_in(facts: Facts, past: Past) -> bool:
    """Whether no name field will come. Teams also enables the join button for guests without a name."""
    return teams.SIGN_IN_LINK.name not in facts.elements and past.nameless_for >= NAME_FIELD_PATIENCE


def _video_steps(facts: Facts) -> Iterator[Step]:
    """Presses the furthest visible item on the way through the menus that turn off incoming video."""
    for sign in (teams.VIDEO_OFF, teams.VIEW_MORE, teams.VIDEO_MENU):
        if sign.name in facts.elements:
            yield press(sign)
            return


def _is_lobby_screen(facts: Facts, past: Past) -> bool:
    """Whether the page shows the lobby's screen, and not a form of it that still asks us to join."""
    asks_to_join = teams.JOIN.name in facts.elements and not past.asked
    return teams.LOBBY_SCREEN.name in facts.elements and not asks_to_join


def _lobby_text(facts: Facts, past: Past, call: list[str]) -> str:
    """Where a lobby's words count. No lobby has a stage: beside one, words may be a notice that quotes somebody, and in a call
    that was entered only people's words are to be expected.
    """
    on_stage = teams.STREAM.name in facts.elements and teams.LOBBY_SCREEN.name not in facts.elements
    if not on_stage or not (call or past.entered):
        return _all_text(facts)
    return "" if past.entered else facts.text


def _last_page(facts: Facts, past: Past) -> View | None:
    """The view of a page that refuses us or ends the call; None for any other page. After the call was entered its texts count
    only on a page of that kind or in a heading, for a call may hide its controls for a while and still show its chat.
    """
    if teams.ENCRYPTED.name in facts.elements:
        return _ending(facts, Scene.OVER, teams.ENCRYPTED)
    # After we asked, the name field may still be shown behind the refusal.
    way_in = [way for way in _way_in(facts) if not (past.asked and way == teams.NAME_FIELD.name)]
    headings = "\n".join(map(plain, facts.headings))
    if not way_in and (over := first_said(teams.ENDS, headings)):
        return _ending(facts, Scene.OVER, over)
    dialogs = " ".join(plain(notice.text) for notice in facts.notices if notice.modal)
    is_last = teams.LAST_PAGE.name in facts.elements
    text = dialogs if way_in else plain(_all_text(facts)) if is_last or not past.entered else headings
    if refusal := next((sign for sign in teams.REFUSALS if _refuses(sign, facts, text)), None):
        return _ending(facts, Scene.REFUSED, refusal)
    if not way_in and is_last:
        scene = Scene.OVER if past.entered else Scene.REFUSED
        reason = Reason.ENDED_UNKNOWN if past.entered else Reason.PAGE_NOT_UNDERSTOOD
        said = " ".join(facts.headings) or _all_text(facts)
        return _view(facts, scene, (teams.LAST_PAGE.name,), reason, _shown(said))
    return None


def _refuses(sign: Sign, facts: Facts, text: str) -> bool:
    if sign.name in facts.elements or sign.said_in(text):
        return True
    return urlsplit(facts.url).hostname in sign.hosts and bool(_all_text(facts).strip())


def _way_in(facts: Facts) -> tuple[str, ...]:
    """The names of the signs by which the page offers to join."""
    ways = [sign.name for sign in (teams.LAUNCHER, teams.JOIN) if sign.name in facts.elements]
    return (teams.NAME_FIELD.name, *ways) if facts.name is not None else tuple(ways)


def _ending(facts: Facts, scene: Scene, sign: Sign) -> View:
    evidence = [sign.name]
    if teams.LAST_PAGE.name in facts.elements:
        evidence.append(teams.LAST_PAGE.name)
    text = _all_text(facts)
    lines = [*text.splitlines(), *facts.headings, *(notice.text for notice in facts.notices)]
    said = next((line for line in lines if sign.said_in(plain(line))), text)
    return _view(facts, scene, tuple(evidence), sign.reason, _shown(said))


def _view(
    facts: Facts, scene: Scene, evidence: tuple[str, ...], reason: Reason | None = None, detail: str = ""
) -> View:
    return View(
        scene=scene,
        reason=reason,
        detail=detail,
        evidence=evidence,
        variant=_variant(facts),
        language=facts.language,
        lobby_has_media=True,
    )


def _all_text(facts: Facts) -> str:
    return f"{facts.text}\n{facts.announced}"


def _variant(facts: Facts) -> str:
    """``launcher``, ``sign-in``, ``light`` or ``full`` (before joining plus ``-guest`` or ``-signed-in``), or empty."""
    address = urlsplit(facts.url)
    if teams.LAUNCHER.name in facts.elements or address.path.startswith(_LAUNCHER_PATH):
        return "launcher"
    if address.hostname in teams.SIGN_IN_SITE.hosts:
        return "sign-in"
    if not facts.url:
        return ""
    light = address.path.startswith(_LIGHT_PATH) or "lightExperience=true" in address.query
    client = "light" if light else "full"
    if not _way_in(facts):
        return client
    return f"{client}-{'signed-in' if facts.name is None else 'guest'}"


def _foreign(facts: Facts) -> bool:
    """Whether the page is not in English, so that its texts are not in the table."""
    return bool(facts.language) and facts.language.split("-")[0].casefold() != "en"


def _offered(sign: Sign, labels: list[str]) -> str | None:
    return next((label for label in sign.labels if label in labels), None)


def _shown(text: str) -> str:
    return " ".join(text.split())[:_DETAIL_LENGTH]
