"""Small pages in the form of real ones: their landmarks and nesting, with markup, people and words of this project's own.

The forms are those of pages that were saved between July 2025 and October 2026; that Meet's refusals are built like its last
pages, and what Teams says in its captcha, is inference. Words that matter come in four languages, two of them not Latin: a page
must be understood by its form where its words are not known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

LANGUAGES: Final = ("en", "pt-BR", "ja", "uk")


class Words(NamedTuple):
    """What pages say in one language, as far as tests need it."""

    refused: str
    why: str
    ended: str
    home: str
    waiting: str
    lobby: str
    captcha: str
    captcha_task: str
    join: str
    cancel: str


WORDS: Final = {
    "en": Words(
        "Today is not your day",
        "The door stays shut.",
        "That is all for now",
        "Go back",
        "Sit down for a while",
        "The others know that you are at the door",
        "Verify you're a real person",
        "Enter the characters you see",
        "Join now",
        "Cancel",
    ),
    "pt-BR": Words(
        "Hoje não vai dar",
        "A porta continua fechada.",
        "Por hoje é só",
        "Voltar",
        "Espere um pouco",
        "Os outros sabem que está à porta",
        "Confirme que é uma pessoa",
        "Escreva os caracteres que vê",
        "Entrar agora",
        "Cancelar",
    ),
    "ja": Words(
        "今日は入れません",
        "扉は閉まったままです。",
        "今日はここまでです",
        "戻る",
        "少しお待ちください",
        "ほかの人はあなたが来たことを知っています",
        "人間であることの確認",
        "表示された文字を入力してください",
        "今すぐ参加",
        "キャンセル",
    ),
    "uk": Words(
        "Сьогодні не вийде",
        "Двері зачинені.",
        "На сьогодні все",
        "Назад",
        "Зачекайте трохи",
        "Інші знають, що ви біля дверей",
        "Підтвердьте, що ви людина",
        "Введіть символи, які бачите",
        "Приєднатися",
        "Скасувати",
    ),
}


def _document(language: str, body: str) -> str:
    return f'<!doctype html><html lang="{language}"><head><meta charset="utf-8"></head><body>{body}</body></html>'


# Google Meet.


def meet_controls(language: str = "en") -> str:
    """The bar that waiting room and call share; in other languages only its attributes are known."""
    label = "Leave call" if language == "en" else "…"
    region = ' role="region" aria-label="Call controls"' if language == "en" else ""
    return f'<footer><div{region}><button jsname="CQylAd" aria-label="{label}"><i>call_end</i></button></div></footer>'


def meet_waiting_room(language: str, *lines: str) -> str:
    """The waiting room: the call's controls beside lines of text, no participant."""
    texts = "".join(f"<div><div><span>{line}</span></div></div>" for line in lines)
    return _document(language, f"<main>{texts}</main>{meet_controls(language)}")


def meet_last_page(language: str, title: str, *lines: str, home: str = "Return to home screen") -> str:
    """A last page: a title, lines without blanks between them, one button that leads home."""
    texts = "".join(f"<div>{line}</div>" for line in lines)
    return _document(
        language,
        f'<main><div jsname="r4nke" role="heading"><h1>{title}</h1></div>{texts}<button>{home}</button></main>',
    )


def meet_tile(number: int, name: str, *, own: bool = False) -> str:
    """A participant's tile: icons that are text stand in front of the name, and buttons name the participant."""
    device = f"spaces/Qm7xK/devices/{number}"
    icons = (
        ("Reframe", "frame_person") if own else (f"Pin {name} to your main screen", "keep_outline"),
        ("Backgrounds and effects", "visual_effects") if own else (f"More options for {name}", "more_vert"),
    )
    buttons = "".join(
        f'<button aria-label="{label}"><i class="google-symbols notranslate" aria-hidden="true">{icon}</i></button>'
        for label, icon in icons
    )
    return (
        f'<section data-participant-id="{device}" data-requested-participant-id="{device}">'
        f'<div data-ssrc="{9000 + number}"><video></video></div><div>{buttons}</div>'
        f'<p><span><em><span class="notranslate">{name}</span></em><b role="tooltip" aria-hidden="true">{name}</b></span></p>'
        "</section>"
    )


def meet_call(language: str, tiles: Sequence[str]) -> str:
    """The call, with these tiles."""
    return _document(language, f"<main>{''.join(tiles)}</main>{meet_controls(language)}")


def meet_pre_join(language: str, *buttons: tuple[str, str]) -> str:
    """The first page of a known account: buttons by jsname and label."""
    made = "".join(
        f"<div><button{f' jsname={hook!r}' if hook else ''}><span>{label}</span></button></div>"
        for hook, label in buttons
    )
    return _document(language, f"<main>{made}</main>")


# Microsoft Teams. Neighbouring blocks have no blanks between them, as React renders them.


def teams_prejoin(
    language: str, *, named: bool = True, inner: str = "", screen: str = "calling-prejoin-screen"
) -> str:
    """The pre-join page; also the lobby, which has its controls. ``inner`` is above them."""
    words = WORDS[language]
    waits = screen == "calling-lobby-screen"
    name = '<input type="text" data-tid="prejoin-display-name-input" value="Stems">' if named else ""
    switches = "".join(
        f'<div><input type="checkbox" role="switch" data-tid="{tid}" aria-checked="false"></div>'
        for tid in ("toggle-video", "toggle-mute")
    )
    return (
        f'<div data-tid="{screen}" role="region">{inner}'
        f'<div data-tid="prejoin-header-content"><span data-tid="meeting-header-title">Planning</span></div>'
        f"<div>{name}{switches}</div>"
        f'<button data-tid="prejoin-cancel-button">{words.cancel}</button>'
        f'<button id="prejoin-join-button" data-tid="prejoin-join-button" aria-label="{words.join}"'
        f"{' disabled' if waits else ''}>{words.join}</button></div>"
    )


def teams_page(language: str, body: str) -> str:
    """A page of Teams."""
    return _document(language, f'<div id="app">{body}</div>')


def teams_lobby(language: str, title: str) -> str:
    """The lobby's screen with this title."""
    return teams_page(
        language,
        teams_prejoin(
            language, named=False, inner=f"<div><h1>{title}</h1></div>", screen="calling-lobby-screen"
        ),
    )


def teams_captcha(language: str) -> str:
    """The pre-join page behind a dialog with characters to enter."""
    words = WORDS[language]
    dialog = (
        '<div role="dialog" aria-modal="true" aria-describedby="captcha-dialog-instructions">'
        f'<h2>{words.captcha}</h2><div id="captcha-dialog-instructions">{words.captcha_task}</div>'
        '<input data-tid="HIP-Captcha-Input"><button data-tid="HIP-Captcha-Switch-Type"></button></div>'
    )
    return teams_page(language, teams_prejoin(language) + dialog)


def teams_dialog(language: str, title: str, text: str, *buttons: str) -> str:
    """The pre-join page behind a dialog."""
    pressed = "".join(f"<button>{label}</button>" for label in buttons)
    dialog = f'<div role="dialog" aria-modal="true"><h2>{title}</h2><p>{text}</p>{pressed}</div>'
    return teams_page(language, teams_prejoin(language) + dialog)


def teams_call(language: str, person: str, notice: str = "") -> str:
    """The call with one participant; ``notice`` is markup above the stage."""
    return teams_page(
        language,
        f'{notice}<div data-tid="ubar-indicators"><span data-tid="call-duration">03:14</span></div>'
        '<div role="toolbar"><button id="hangup-button" data-tid="hangup-main-btn" data-inp="hangup-button">x</button></div>'
        '<div data-tid="stage-layouts-renderer">'
        f'<div data-cid="calling-participant-stream" data-tid="{person}" data-stream-type="Video" aria-label="{person}, muted">'
        f'<div data-tid="participant-info-nametag"><span>{person}</span></div></div></div>',
    )


def teams_notice(*parts: str, button: str) -> str:
    """A notice whose blocks stand side by side."""
    blocks = "".join(f"<div>{part}</div>" for part in parts)
    return f'<div role="status" data-tid="recording-notice"><div>{blocks}</div><button aria-label="{button}">x</button></div>'


def teams_retry(language: str, text: str) -> str:
    """The screen of a refusal, whose title may be missing, with an id and a passcode to try again with."""
    return teams_page(
        language,
        '<div data-tid="calling-retry-screen"><div data-tid="calling-retry-screen-alert-container" role="alert">'
        f'<h2 id="calling-retry-screen-description">{text}</h2></div>'
        '<input type="text" data-tid="meeting-code-input" value="5550001112223">'
        '<input type="text" data-tid="meeting-passcode-input">'
        '<button data-tid="calling-retry-rejoinbutton" disabled>Rejoin call</button>'
        '<button data-tid="calling-retry-cancelbutton">Dismiss</button></div>',
    )


def teams_launcher(language: str, label: str) -> str:
    """The page that offers the app and the browser."""
    return _document(
        language,
        f'<h1>?</h1><button data-tid="joinOnWeb"><div><h3>{label}</h3></div></button><button data-tid="joinInApp">…</button>',
    )


def teams_connecting(language: str) -> str:
    """What stands between the request and the lobby or the call."""
    return teams_page(
        language, f'<div data-tid="calling-connecting-screen" role="region">{WORDS[language].waiting}</div>'
    )
