"""What Google Meet's pages look like: every selector and phrase that this package relies on, as one table of signs (pure).

Where several signs may match, the more specific ones come first. A state or a shortcut may follow a label ("Chat with everyone,
2 unread messages"): labels are compared by worker.platforms.meet.rules, accessible names by their beginning. ``source`` says
how reliable a sign is: ``observed`` was seen by several public bots, ``public bot`` by at least one, ``inference`` by none.
"""

from __future__ import annotations

from typing import Any, Final

from worker.platforms.signs import Sign
from worker.reasons import Reason

CHAT_LIMIT: Final = 500
"""UTF-16 code units of one chat message, by Meet's own field."""

MOST_TILES: Final = 16
"""Tiles that the bot asks for; Meet offers up to 49, of which a window of 1280 by 720 pixels does not show more."""

LONGEST_ALONE: Final = 300.0
"""Seconds that one may be alone in a call before Meet asks whether they are still there; unanswered for two minutes more, it
ends the call for them (Google Workspace Updates, April 2022). That it does so to guests, too, is inference."""

# Before joining.

NAME_FIELD: Final = Sign(
    name="prejoin.name_field",
    selectors=(
        'input[type=text][aria-label^="Your name"]',
        'input[type=text][placeholder*="name" i]',
        "input[jsname][type=text]",
    ),
    evidence_for="a guest, who has to give a name; missing where an account is signed in",
    source="observed; the last for pages in other languages",
)
MICROPHONE_ON: Final = Sign(
    name="devices.microphone_on",
    selectors=('[aria-label^="Turn off microphone"]', '[jsname="hw0c9"][data-is-muted="false"]'),
    evidence_for="a microphone that would be heard",
    source="observed; the second, for pages in other languages, public bot",
)
CAMERA_ON: Final = Sign(
    name="devices.camera_on",
    selectors=('[aria-label^="Turn off camera"]', '[jsname="psRWwc"][data-is-muted="false"]'),
    evidence_for="a camera that would be seen",
    source="observed; the second, for pages in other languages, public bot",
)
ASK: Final = Sign(
    name="prejoin.ask_to_join",
    labels=(
        "Ask to join",
        "Ask to join anyway",
        "Join the waiting room anyway",
        "Join the waiting room as a moderated contributor",
    ),
    evidence_for="somebody has to let us in",
    source="observed; the waiting room from Meet's own bundle, by way of public bots",
)
JOIN: Final = Sign(
    name="prejoin.join",
    labels=("Join now", "Join the call now", "Join anyway", "Join as a viewer", "Join here too"),
    evidence_for="we may go in at once, or after a consent",
    source="observed; the viewer from Meet's own bundle, by way of public bots",
)
SWITCH: Final = Sign(
    name="prejoin.switch_here",
    labels=("Switch here",),
    evidence_for="the account is in the call elsewhere. Never pressed: it throws that session out",
    source="observed",
)
OTHER_WAYS: Final = Sign(
    name="prejoin.other_ways",
    labels=("Other ways to join",),
    evidence_for="a menu in which an account that is in the call elsewhere can join here, too",
    source="observed",
)
JOIN_BUTTON: Final = Sign(
    name="prejoin.join_button",
    selectors=('button[jsname="Qx7uuf"]:enabled', 'button[data-promo-anchor-id="join-button"]:enabled'),
    evidence_for="a button to join whose label is not known: a page in another language. Not where it says to switch here",
    source="public bot",
)
WITHOUT_ACCOUNT: Final = Sign(
    name="prejoin.without_account",
    labels=("Use without an account",),
    evidence_for="an account is asked for, but not needed",
    source="observed",
)
IN_THE_WAY: Final = Sign(
    name="prejoin.in_the_way",
    labels=("Got it", "Dismiss", "Continue without microphone and camera"),
    evidence_for="a tip or a question between us and the join button",
    source="observed",
)

# Waiting.

HOST_ABSENT: Final = Sign(
    name="lobby.host_absent",
    phrases=("waiting for the host to join",),
    evidence_for="a waiting room in which nobody can let us in yet",
    source="observed",
)
LOBBY_HOST: Final = Sign(
    name="lobby.host_lets_in",
    phrases=("please wait until a meeting host",),
    evidence_for="a waiting room that only a host can let us in from",
    source="observed: '… brings you into the call' and '… admits you'",
)
LOBBY: Final = Sign(
    name="lobby.asking",
    phrases=("asking to be let in", "you'll join the call when someone lets you in"),
    evidence_for="a waiting room",
    source="observed, with straight and typographic apostrophes",
)
WAITING: Final = (HOST_ABSENT, LOBBY_HOST, LOBBY)
LOBBY_SHAPE: Final = "lobby.controls_without_tiles"
"""Evidence for a waiting room on a page in another language: controls of the call without any tile. Inference."""

# In the call.

CALL_CONTROLS: Final = Sign(
    name="call.controls",
    selectors=('div[role=region][aria-label^="Call controls"]', 'button[aria-label^="Turn on captions"]'),
    evidence_for="the call's view, or a waiting room, which shares them",
    source="observed",
)
LEAVE: Final = Sign(
    name="call.leave",
    selectors=('button[aria-label^="Leave call"]', 'button[jsname="CQylAd"]'),
    evidence_for="the call's view, or a waiting room; the way out",
    source="observed; the second, for pages in other languages, public bot",
)
TILE: Final = Sign(
    name="call.tile",
    selectors=("[data-participant-id]",),
    evidence_for="a participant's tile, where it is not a phantom",
    source="observed",
)
PHANTOM_TILE: Final = Sign(
    name="call.phantom_tile",
    selectors=('[data-participant-id*="visual_effects"]',),
    evidence_for="no participant: the preview of video effects",
    source="observed",
)
CHAT: Final = Sign(
    name="call.chat",
    selectors=(
        'button[aria-label^="Chat with everyone"]',
        'button[jsname="A5il2e"]:not([data-panel-id="1"])',
        'button[data-panel-id="2"]',
    ),
    evidence_for="the call's messages; opens and closes their panel",
    source="observed; the others, for pages in other languages, public bots: panel 1 is that of people",
)
CHAT_FIELD: Final = Sign(
    name="call.chat_field",
    selectors=('textarea[aria-label^="Send a message"]', 'textarea[jsname="YPqjbf"]'),
    evidence_for="a message can be written",
    source="observed; the second, for pages in other languages, public bot",
)
PEOPLE: Final = Sign(
    name="call.people",
    selectors=('button[data-panel-id="1"]', 'button[aria-label^="People"]', "span[data-avatar-count]"),
    evidence_for="the panel of people; opens and closes it",
    source="public bots: the first until 2025, the last since May 2026",
)
PEOPLE_CHIP: Final = Sign(
    name="call.people_chip",
    selectors=('[role="button"][jsname="ocqpFe"]',),
    evidence_for="the same, where it shows one number: chips of this kind also start notes or a timer, or show a message",
    source="public bots since December 2025, in English and Thai",
)
PEOPLE_ROW: Final = Sign(
    name="call.people_row",
    selectors=('[role="listitem"][data-participant-id]',),
    evidence_for="the panel of people is open",
    source="observed in captures of 2026",
)
MORE_OPTIONS: Final = Sign(
    name="call.more_options",
    selectors=(
        'button[jsname="NakZHc"]:not([data-participant-id] *)',
        'button[aria-label="More options"]:not([data-participant-id] *)',
    ),
    evidence_for="opens the menu of the call",
    source="observed; the first, for pages in other languages, public bots",
)
MENU: Final = Sign(
    name="call.menu",
    selectors=('[role="menu"]',),
    evidence_for="a menu is open",
    source="observed in captures of 2026",
)
LAYOUT_ITEM: Final = Sign(
    name="call.layout_item",
    selectors=(
        '[role="menuitem"][jsname="WZerud"]',
        '[role="menuitem"][aria-label="Adjust view"]',
        '[role="menuitem"][aria-label="Change layout"]',
    ),
    labels=("Adjust view", "Change layout"),
    evidence_for="opens the dialog of layouts",
    source="observed; the first, for pages in other languages, public bot",
)
LAYOUT: Final = Sign(
    name="layout",
    selectors=('[role="dialog"]:has(input[type="radio"])',),
    evidence_for="the dialog of layouts is open",
    source="public bots choose in it; that its choices are radio buttons is inference",
)
TILED: Final = Sign(
    name="layout.tiled",
    labels=("Tiled", "Tiled (legacy)"),
    evidence_for="the layout with the most videos of one size",
    source="observed. In other languages its place is: the second of four, which is inference",
)
LAYOUT_SLIDER: Final = Sign(
    name="layout.tiles",
    selectors=('[role="dialog"]:has(input[type="radio"]) input[type="range"]',),
    evidence_for="how many tiles are shown at most, in the dialog of layouts",
    source="Google's help names the slider; its markup is inference",
)
CLOSE_LAYOUT: Final = Sign(
    name="layout.close",
    selectors=(
        '[role="dialog"]:has(input[type="radio"]) button[aria-label^="Close"]',
        '[role="dialog"]:has(input[type="radio"]) button[data-mdc-dialog-action="close"]',
    ),
    evidence_for="closes the dialog of layouts, beside Escape",
    source="public bot; the second inference",
)
SETTINGS_ITEM: Final = Sign(
    name="call.settings_item",
    selectors=('[role="menuitem"][aria-label="Settings"]',),
    labels=("Settings",),
    evidence_for="opens the settings",
    source="ChromeOS's tests and public bots",
)
SETTINGS: Final = Sign(
    name="settings",
    selectors=(
        '[role="dialog"]:has([role="tab"])',
        '[role="dialog"]:has(button[aria-label="Audio"]):has(button[aria-label="Video"])',
    ),
    evidence_for="the settings are open",
    source="ChromeOS's tests: a dialog with tabs; the second public bots",
)
GENERAL_TAB: Final = Sign(
    name="settings.general",
    selectors=(
        '[role="dialog"] [role="tab"][aria-label="General"]',
        '[role="dialog"] button[aria-label="General"]',
    ),
    labels=("General",),
    evidence_for="opens the part of the settings with the switch for empty calls",
    source="ChromeOS's tests",
)
SETTINGS_ICON: Final = "settings"
"""What the icon font writes in the menu's item for the settings and in their general tab, in every language. Inference: a
public bot allows for names of the two that begin so, and Meet's other icons are written so."""
LEAVE_EMPTY_CALLS: Final = Sign(
    name="settings.leave_empty_calls",
    selectors=('[role="switch"][aria-label="Leave empty calls"]',),
    labels=("Leave empty calls",),
    evidence_for="Meet ends the call for one who is alone in it and does not answer; on by default",
    source="ChromeOS's tests, Google's announcement of 2022. No sign for pages in other languages is known",
)
CLOSE_SETTINGS: Final = Sign(
    name="settings.close",
    selectors=(
        '[role="dialog"] button[aria-label^="Close"]',
        '[role="dialog"] button[data-mdc-dialog-action="close"]',
    ),
    evidence_for="closes the settings, beside Escape",
    source="ChromeOS's tests and public bots ('Close dialog', 'Close'); the second inference",
)

# Dialogs.

DIALOG: Final = Sign(
    name="dialog",
    selectors=("div[aria-modal=true][role=dialog]", "[role=alertdialog]"),
    evidence_for="something asks for an answer",
    source="observed; the second inference",
)
DIALOG_OK: Final = Sign(
    name="dialog.ok",
    selectors=("div[aria-modal=true][role=dialog] button[data-mdc-dialog-action=ok]",),
    evidence_for="a notice that can be acknowledged",
    source="observed",
)
CONSENT: Final = Sign(
    name="dialog.consent",
    phrases=("audio and video will be shared with",),
    evidence_for="a consent without which no media come, though tiles are shown",
    source="observed",
)
NOTICE: Final = Sign(
    name="dialog.notice",
    phrases=(
        "this video call is being recorded",
        "being transcribed",
        "gemini is taking notes",
        "others may see your video differently",
    ),
    labels=("Join now", "Got it", "OK"),
    evidence_for="something to take note of: acknowledged, never hidden",
    source="observed; the labels, which stand in for a missing OK action, public bot",
)
STILL_THERE: Final = Sign(
    name="dialog.still_there",
    phrases=(
        "are you still there",
        "still in the call?",
        "you're the only one here, so this call will end",
        "do you want to keep waiting to join",
    ),
    labels=("Stay in the call", "Stay in call", "Keep waiting", "I'm still here", "Yes"),
    evidence_for="the call, or the wait before it, is closed as idle unless somebody answers",
    source="Google's announcement of 2022 names the question, 'Leave now' and 'Stay in the call'; 'Keep waiting', on the page "
    "before the call, public bot, 2026-09; the others inference",
)
GOT_IT: Final = Sign(
    name="call.got_it",
    labels=("Got it",),
    evidence_for="a tip in the call",
    source="observed",
)
RECORDING_DENIED: Final = Sign(
    name="call.recording_denied",
    phrases=("recording is not allowed in this call", "the host doesn't allow recording"),
    evidence_for="the host does not want a recording; only in a dialog, since people can write it anywhere else",
    source="inference: no such text was observed",
)

# Refusals.

DENIED: Final = Sign(
    name="refused.denied",
    phrases=("denied your request to join", "weren't allowed to join"),
    reason=Reason.DENIED_BY_HOST,
    evidence_for="a person refused us",
    source="observed",
)
UNANSWERED: Final = Sign(
    name="refused.unanswered",
    phrases=("no one responded to your request to join",),
    reason=Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM,
    evidence_for="Meet gave up asking, after 10 minutes or so",
    source="observed",
)
EXPIRED: Final = Sign(
    name="refused.code_expired",
    phrases=("your meeting code has expired",),
    reason=Reason.LINK_EXPIRED,
    evidence_for="the call existed once",
    source="observed",
)
INVALID: Final = Sign(
    name="refused.name_invalid",
    phrases=("invalid video call name",),
    reason=Reason.LINK_INVALID,
    evidence_for="the link names no call that could exist",
    source="observed",
)
NOT_FOUND: Final = Sign(
    name="refused.not_found",
    phrases=("check your meeting code", "the meeting code you entered doesn't work"),
    reason=Reason.MEETING_NOT_FOUND,
    evidence_for="there is no such call",
    source="observed",
)
NOT_STARTED: Final = Sign(
    name="refused.not_started",
    phrases=("you can't create a meeting yourself",),
    reason=Reason.MEETING_NOT_STARTED,
    evidence_for="the call begins only with its teacher or host",
    source="public bot, of 2020",
)
CAPTCHA: Final = Sign(
    name="refused.captcha",
    phrases=("verify it's you", "confirm you're not a robot", "prove you're not a robot"),
    selectors=('iframe[title*="recaptcha challenge" i]', 'iframe[src*="/recaptcha/"][src*="/bframe"]'),
    reason=Reason.CAPTCHA,
    evidence_for="a question that only people may answer; the bot does not try",
    source="inference, from Google's documented reCAPTCHA frames and sign-in texts",
)
SIGN_IN: Final = Sign(
    name="refused.sign_in",
    phrases=("your google account",),
    headings=("sign in",),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="guests are not let in without an account",
    source="observed",
)
CHOOSE_ACCOUNT: Final = Sign(
    name="refused.choose_account",
    phrases=("choose an account to continue to google meet",),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="guests are not let in without an account",
    source="public bot",
)
SIGN_IN_SITE: Final = Sign(
    name="refused.sign_in_site",
    hosts=("accounts.google.com",),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="Meet sent us to Google's sign-in instead of the call",
    source="observed",
)
LANDING: Final = Sign(
    name="refused.landing_page",
    hosts=("workspace.google.com",),
    reason=Reason.MEETING_NOT_FOUND,
    evidence_for="Meet sent us to its advertisement instead of a call",
    source="public bot; the reason is inference",
)
CONNECTION: Final = Sign(
    name="refused.connection",
    phrases=(
        "couldn't start the video call because of an error",
        "there was a problem joining this video call",
    ),
    reason=Reason.CONNECTION_FAILED,
    evidence_for="something broke that another try may put right",
    source="public bots; the first is also quoted in Mozilla's bug 1586423",
)
FULL: Final = Sign(
    name="refused.full",
    phrases=("this call has reached the maximum of", "this meeting is full"),
    reason=Reason.MEETING_FULL,
    evidence_for="the call has as many participants as it can have",
    source="the first from Meet's own bundle, by way of public bots; the second inference",
)
ALREADY_ENDED: Final = Sign(
    name="refused.already_ended",
    phrases=("this meeting has already ended",),
    reason=Reason.MEETING_OVER,
    evidence_for="the call was over before we came",
    source="Meet's own bundle, by way of public bots",
)
ELSEWHERE: Final = Sign(
    name="refused.in_call_elsewhere",
    phrases=("you're currently in a video call in another window",),
    reason=Reason.CONNECTION_FAILED,
    evidence_for="the account is in the call already; another try may come after its other session has ended",
    source="Meet's own bundle, by way of public bots; the reason is inference",
)
BLOCKED: Final = Sign(
    name="refused.blocked",
    phrases=(
        "you can't join this video call",
        "you can't join this call",
        "you can't join this meeting",
        "you aren't allowed to join this video call",
        "you're not allowed to join this call",
        "there is a problem connecting to this video call",
        "bu video görüşmesine katılamazsınız",
    ),
    reason=Reason.BLOCKED_BY_PLATFORM,
    evidence_for="Meet does not want this guest, where the page gives no other reason",
    source="observed, the last in Turkish; 'this meeting' inference. 'Not allowed' is said where an app collects the media",
)
REFUSALS: Final = (
    *(DENIED, UNANSWERED, EXPIRED, INVALID, NOT_FOUND, NOT_STARTED, FULL, ALREADY_ENDED),
    *(CAPTCHA, SIGN_IN, CHOOSE_ACCOUNT, SIGN_IN_SITE, LANDING, CONNECTION, ELSEWHERE, BLOCKED),
)

# Ends.

REMOVED: Final = Sign(
    name="over.removed",
    phrases=("you've been removed from the meeting", "you were removed from the meeting"),
    reason=Reason.REMOVED,
    evidence_for="a person does not want us in the call, or in its waiting room",
    source="observed; the second public bot",
)
IDLE: Final = Sign(
    name="over.idle",
    phrases=("the call ended because no one responded", "the call ended because you were the only one"),
    reason=Reason.ENDED_IDLE,
    evidence_for="nobody answered whether they were still there",
    source="inference: the wording was not observed",
)
ENDED: Final = Sign(
    name="over.ended",
    phrases=(
        "your host ended the meeting for everyone",
        "the meeting has ended",
        "this call has ended",
        "the call has ended",
        "the video call has ended",
        "your call has ended",
    ),
    reason=Reason.MEETING_ENDED,
    evidence_for="the call is over for everyone",
    source="observed; all but the first public bots",
)
LEFT: Final = Sign(
    name="over.left",
    phrases=("you left the meeting", "you've left the meeting", "you've left the call"),
    reason=Reason.REMOVED,
    evidence_for="we are out, though we did not press the button",
    source="public bots: the first shown to some who were denied; the last inference",
)
ENDS: Final = (REMOVED, IDLE, ENDED, LEFT)

LAST_PAGE: Final = Sign(
    name="last_page",
    selectors=('[jsname="r4nke"]', "[data-startup-code]", '[data-call-ended="true"]'),
    labels=("Return to home screen", "Rejoin"),
    evidence_for="a page that refuses us or ends the call, in whatever language: its title, its code, its buttons",
    source="observed on a saved page of 2026-08; that it is so for every end is inference, as are the labels",
)
COUNTDOWN: Final = Sign(
    name="last_page.countdown",
    selectors=("[role=timer]",),
    evidence_for="a last page, which returns to the home screen by itself, where a button to it is beside it",
    source="observed on a saved page of 2026-08",
)
HOME: Final = Sign(
    name="last_page.home",
    selectors=('button[jsname="dqt8Pb"]',),
    labels=("Return to home screen",),
    evidence_for="a last page beside a countdown; alone nothing, for a lobby has such a button, too",
    source="observed on a saved page of 2026-08",
)

# What people write: it can contain any text.

PRIVATE: Final = (
    '[data-participant-id]:not([data-participant-id*="visual_effects"])',
    "[data-requested-participant-id]",
    "[data-self-name]",
    "span.notranslate",
    "[data-sender-id]",
    "[data-message-id]",
    "[data-message-text]",
    "aside",
    "[role=complementary]",
    "[role=log]",
    "[jsname=YSxPC]",
    "[jsname=dsyhDe]",
    'div[role=region][aria-label="Captions"]',
)
"""Where pages show what people write and who they are: it is private, and no evidence of anything."""
WRITTEN: Final = Sign(
    name="page.written",
    selectors=PRIVATE,
    evidence_for="nothing: tiles and rows of people, names, messages, side panels with chat, people and polls, captions",
    source="observed; side panels from an accessibility tree of 2025; captions public bots; 'log' inference",
)
LIVE: Final = "[aria-live]:not([aria-live=off]), [role=status], [role=alert], [role=tooltip]"
"""Live regions (WAI-ARIA) and tooltips: a lobby announces its state there, and a call who came, and what they wrote."""

SIGNS: Final = (
    *(NAME_FIELD, MICROPHONE_ON, CAMERA_ON, ASK, JOIN, SWITCH, OTHER_WAYS),
    *(JOIN_BUTTON, WITHOUT_ACCOUNT, IN_THE_WAY),
    *WAITING,
    *(CALL_CONTROLS, LEAVE, TILE, PHANTOM_TILE, CHAT, CHAT_FIELD),
    *(PEOPLE, PEOPLE_CHIP, PEOPLE_ROW),
    *(MORE_OPTIONS, MENU, LAYOUT_ITEM, LAYOUT, TILED, LAYOUT_SLIDER, CLOSE_LAYOUT),
    *(SETTINGS_ITEM, SETTINGS, GENERAL_TAB, LEAVE_EMPTY_CALLS, CLOSE_SETTINGS),
    *(DIALOG, DIALOG_OK, CONSENT, NOTICE, STILL_THERE, GOT_IT, RECORDING_DENIED),
    *REFUSALS,
    *ENDS,
    *(LAST_PAGE, COUNTDOWN, HOME),
    WRITTEN,
)
"""The whole table."""

IN_CALL_VIEW: Final = (CALL_CONTROLS, LEAVE)
ELEMENTS: Final = (*IN_CALL_VIEW, MICROPHONE_ON, CAMERA_ON, JOIN_BUTTON, CAPTCHA, LAST_PAGE, COUNTDOWN, HOME)
"""The signs whose names Facts.elements can contain."""
LAYOUT_ELEMENTS: Final = (MORE_OPTIONS, MENU, LAYOUT_ITEM, LAYOUT, CLOSE_LAYOUT)
"""Those that it can contain beside them where video is recorded."""

OBSERVED: Final[dict[str, Any]] = {
    "elements": {sign.name: sign.selector for sign in ELEMENTS},
    "inCallView": [sign.name for sign in IN_CALL_VIEW],
    "tile": TILE.selector,
    "phantomTile": PHANTOM_TILE.selector,
    "nameField": NAME_FIELD.selector,
    "leave": LEAVE.selector,
    "dialog": DIALOG.selector,
    "dialogOk": DIALOG_OK.selector,
    "layouts": None,
    "written": WRITTEN.selector,
    "live": LIVE,
}
"""The argument of read_page.js, but for ``withText``."""

OBSERVED_WITH_VIDEO: Final[dict[str, Any]] = {
    **OBSERVED,
    "elements": {sign.name: sign.selector for sign in (*ELEMENTS, *LAYOUT_ELEMENTS)},
    "layouts": {
        "dialog": LAYOUT.selector,
        "choice": f"{LAYOUT.selector} input[type=radio]",
        "slider": LAYOUT_SLIDER.selector,
    },
}
"""The same for a recording of video."""
