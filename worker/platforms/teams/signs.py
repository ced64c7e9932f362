"""What Microsoft Teams' pages look like: every selector and phrase that this package relies on, as one table of signs (pure).

Where several signs may match, the more specific ones come first. ``source`` says how reliable a sign is: ``observed`` was seen
by several public bots, ``public bot`` by at least one, ``inference`` by none. The same page has several forms (the light client
for guests, the full one, either of them signed in). Attributes named data-tid are Teams' own test hooks: they change less often
than class names and do not depend on the language.
"""

from __future__ import annotations

from typing import Final

from worker.platforms.signs import Sign
from worker.reasons import Reason

CHAT_LIMIT: Final = 4096
"""UTF-16 code units of one chat message."""

# Before joining.

LAUNCHER: Final = Sign(
    name="launcher.continue",
    selectors=('[data-tid="joinOnWeb"]',),
    labels=("Continue on this browser", "Join meeting from this browser", "Join on the web instead"),
    evidence_for="the page that offers to open the app",
    source="observed; now it mostly continues by itself",
)
APP_PROMPT: Final = Sign(
    name="launcher.app_prompt",
    phrases=("open your teams app", "get the teams app", "try the teams app"),
    labels=("Not now", "Maybe later", "No thanks"),
    evidence_for="a dialog about the app, in front of the page",
    source="inference",
)
NAME_FIELD: Final = Sign(
    name="prejoin.name_field",
    selectors=(
        '[data-tid="prejoin-display-name-input"]',
        'input[type="text"][placeholder="Type your name"]',
        'input[type="text"][placeholder*="name" i]',
    ),
    evidence_for="a guest, who has to give a name; missing where an account is signed in",
    source="observed",
)
MICROPHONE_ON: Final = Sign(
    name="prejoin.microphone_on",
    selectors=('[data-tid="toggle-mute"][aria-checked="true"]', '[data-tid="toggle-mute"]:checked'),
    evidence_for="a microphone that would be heard; the full client's switch, then the light one's",
    source="observed",
)
CAMERA_ON: Final = Sign(
    name="prejoin.camera_on",
    selectors=('[data-tid="toggle-video"][aria-checked="true"]', '[data-tid="toggle-video"]:checked'),
    evidence_for="a camera that would be seen; the full client's switch, then the light one's",
    source="observed",
)
JOIN: Final = Sign(
    name="prejoin.join",
    selectors=(
        '[data-tid="prejoin-join-button"]:enabled:not([aria-disabled="true"])',
        '#prejoin-join-button:enabled:not([aria-disabled="true"])',
        'button[aria-label="Join now"]:enabled:not([aria-disabled="true"])',
    ),
    evidence_for="we may ask to join; every link leads as far as here, even one to no meeting",
    source="observed",
)
CANCEL: Final = Sign(
    name="prejoin.cancel",
    selectors=('[data-tid="prejoin-cancel-button"]',),
    evidence_for="the way out before the call, on the pre-join page and in the lobby",
    source="observed",
)
SIGN_IN_LINK: Final = Sign(
    name="prejoin.sign_in_link",
    selectors=('[data-tid="auth-sign-in-link"]',),
    evidence_for="nobody is signed in, so that a name field will come",
    source="public bot",
)
WITHOUT_MEDIA: Final = Sign(
    name="prejoin.without_media",
    labels=("Continue without audio or video",),
    selectors=('button[aria-label*="Continue without audio"]',),
    evidence_for="a question in front of the join button, or late, after it was pressed",
    source="observed",
)

# The lobby. Its text has precedence over all signs of a call.

LET_IN: Final = Sign(
    name="lobby.let_in",
    phrases=(
        "someone will let you in soon",
        "someone will let you in shortly",
        "someone in the meeting should let you in soon",
        "waiting for someone to let you in",
    ),
    evidence_for="somebody has to let us in",
    source="observed; the last two public bots",
)
HOST_ABSENT: Final = Sign(
    name="lobby.host_absent",
    phrases=(
        "when the meeting starts, we'll let people know you're waiting",
        "let people in when the meeting starts",
        "let you in when the meeting starts",
    ),
    evidence_for="nobody is there yet who could let us in",
    source="public bots",
)
SUSPECTED: Final = Sign(
    name="lobby.suspected",
    phrases=(
        "you were identified as a bot",
        "you've been identified as a bot",
        "you might be a bot",
        "suspected bot",
        "bots need approval",
    ),
    evidence_for="Teams takes us for a bot, which we are, and lets only an organizer admit us (RequireApprovalWhenDetected)",
    source="inference: what a bot that waits so is shown was not observed",
)
WAITING: Final = (SUSPECTED, HOST_ABSENT, LET_IN)
LOBBY_SCREEN: Final = Sign(
    name="lobby.screen",
    selectors=('[data-tid="calling-lobby-screen"]',),
    evidence_for="a lobby, in any language",
    source="observed",
)
CONNECTING_SCREEN: Final = Sign(
    name="connecting.screen",
    selectors=('[data-tid="calling-connecting-screen"]',),
    evidence_for="between the request to join and the lobby or the call, in any language",
    source="observed",
)

# In the call.

HANG_UP: Final = Sign(
    name="call.hang_up",
    selectors=('[data-inp="hangup-button"]', "#hangup-button", '[data-tid="hangup-main-btn"]'),
    evidence_for="the call's view; the way out",
    source="observed",
)
MORE: Final = Sign(
    name="call.more",
    selectors=("#callingButtons-showMoreBtn",),
    evidence_for="the call's view; opens the menu of what does not fit",
    source="observed",
)
PEOPLE: Final = Sign(
    name="call.people",
    selectors=('[data-tid="roster-button"]', "#roster-button"),
    evidence_for="the call's view: its list of people",
    source="observed; the second public bots",
)
CALL_VIEW: Final = (HANG_UP, MORE, PEOPLE)
STREAM: Final = Sign(
    name="call.stream",
    selectors=('[data-cid="calling-participant-stream"]',),
    evidence_for="a participant on the call's stage, which no lobby has",
    source="observed",
)
DURATION: Final = Sign(
    name="call.duration",
    selectors=('[data-tid="call-duration"]',),
    evidence_for="the clock of a call that has begun for us, which no lobby has",
    source="observed",
)
STAGE: Final = Sign(
    name="call.stage",
    selectors=('[data-tid="stage-layouts-renderer"]',),
    evidence_for="the call's stage, where participants are shown",
    source="observed",
)
CERTAIN: Final = (STREAM, DURATION, STAGE)
"""What a call's view shows and no lobby: beside a sign of CALL_VIEW, one of them confirms the call."""

VIDEO_MENU: Final = Sign(
    name="video.menu",
    selectors=("#view-mode-button", "#custom-view-button", "#callingButtons-showMoreBtn"),
    evidence_for="one of the menus in which incoming video can be turned off; View stands before More",
    source="public bot",
)
VIEW_MORE: Final = Sign(
    name="video.view_more",
    selectors=("#ViewModeMoreOptionsMenuControl-id",),
    evidence_for="the second page of the menu View, or the menu itself",
    source="observed",
)
VIDEO_OFF: Final = Sign(
    name="video.turn_off",
    selectors=(
        '#toggle-incoming-video-button:not([aria-label="Turn on incoming video"])',
        '#incoming-video-button:not([aria-label="Turn on incoming video"])',
        '[aria-label="Turn off incoming video"]',
        '[aria-label="Turn off all videos"]',
    ),
    labels=("Turn off incoming video",),
    evidence_for="video comes in, which costs most of the CPU",
    source="observed; the second and fourth public bot",
)
VIEW: Final = Sign(
    name="layout.view",
    selectors=("#view-mode-button", "#custom-view-button"),
    evidence_for="opens the menu of layouts",
    source="public bot; the second is the light client's",
)
GALLERY: Final = Sign(
    name="layout.gallery",
    selectors=(
        "#MixedGridView-button",
        "#custom-view-button-MixedGridButton",
        '[role="menuitemradio"][aria-label="Gallery"]',
        '[role="menuitem"][aria-label="Gallery"]',
    ),
    evidence_for="the menu of layouts is open, and offers the one with the most videos",
    source="Microsoft's help names it; ids and roles are inference",
)
SHARED: Final = Sign(
    name="call.shared",
    selectors=('[data-cid="calling-participant-stream"][data-stream-type="ScreenSharing"]',),
    evidence_for="somebody shares a screen",
    source="observed in captures of 2026",
)
CHAT: Final = Sign(
    name="chat.open",
    selectors=("#chat-button", '[data-tid="chat-button"]', 'button[aria-label="Chat"]'),
    evidence_for="the call's messages; opens and closes their pane",
    source="public bots",
)
CHAT_FIELD: Final = Sign(
    name="chat.field",
    selectors=(
        '[data-tid="ckeditor"][role="textbox"]',
        '[data-tid="ckeditor-replyConversation"]',
        '[role="textbox"][contenteditable="true"]',
    ),
    evidence_for="a message can be written",
    source="public bots",
)
CHAT_SEND: Final = Sign(
    name="chat.send",
    selectors=(
        '[data-tid="sendMessageCommands-send"]',
        '[data-tid="newMessageCommands-send"]',
        'button[aria-label="Send"]',
    ),
    evidence_for="what was written can be sent",
    source="public bots; the first inference",
)

# What participants wrote: it can contain any text.

PRIVATE: Final = (
    '[data-tid="meeting-header-title"]',
    '[data-cid="calling-participant-stream"]',
    '[data-tid^="participantsInCall"]',
    '[role="treeitem"]',
    '[data-tid="app-chat-pane"]',
    '[data-tid^="chat-pane"]',
    '[role="log"]',
    '[data-tid^="closed-caption"]',
    '[data-tid="toast"]',
    '[data-tid="meeting-passcode-input"]',
)
"""Where pages show what people write and who they are, and the passcode that they fill in: it is private, and no evidence of
anything."""
WRITTEN: Final = Sign(
    name="page.written",
    selectors=PRIVATE,
    evidence_for="nothing: the meeting's title, people's names, the chat, captions, notices with names and messages",
    source="public bots; 'log' inference",
)
ALERT: Final = Sign(
    name="page.alert",
    selectors=('[role="alert"]:not([data-tid="calling-retry-screen"] *)',),
    evidence_for="nothing about our own state in the call",
    source="observed",
)
LIVE: Final = (
    ':is([aria-live]:not([aria-live="off"]), [role="status"], [role="tooltip"])'
    ':not([data-tid="calling-retry-screen"] *)'
)
"""Live regions (WAI-ARIA) and tooltips: in a call they say who came, and what people wrote."""
NOTICE_BOX: Final = Sign(
    name="page.notice",
    selectors=('[role="dialog"]', '[role="alertdialog"]', '[role="alert"]', '[role="status"]'),
    evidence_for="a notice or a dialog beside the page's content",
    source="observed; that notices of a recording are among them is inference",
)
RECORDED: Final = Sign(
    name="notice.recorded",
    phrases=(
        "recording and transcription have started",
        "recording has started",
        "transcription has started",
        "this meeting is being recorded",
        "this meeting is being transcribed",
    ),
    labels=("Dismiss", "Got it", "OK"),
    evidence_for="something to take note of: acknowledged by its own button, never hidden",
    source="the first documented in Microsoft's support pages, the rest inference",
)

MODAL: Final = Sign(
    name="page.modal",
    selectors=('[role="dialog"]', '[role="alertdialog"]'),
    evidence_for="something asks for an answer before the page goes on",
    source="observed",
)

# Refusals.

DENIED: Final = Sign(
    name="refused.denied",
    phrases=("you were denied access to the meeting", "your request to join was declined"),
    reason=Reason.DENIED_BY_HOST,
    evidence_for="a person refused us",
    source="observed",
)
UNANSWERED: Final = Sign(
    name="refused.unanswered",
    phrases=("no one responded to your request to join", "nobody let you in"),
    reason=Reason.WAITING_ROOM_TIMEOUT_BY_PLATFORM,
    evidence_for="Teams gave up asking, after 30 minutes or so",
    source="inference: the wording was not observed",
)
NOT_BEFORE: Final = Sign(
    name="refused.not_before_start",
    phrases=("external participants are not permitted to join before the event begins",),
    reason=Reason.MEETING_NOT_STARTED,
    evidence_for="the event has not begun and lets nobody wait",
    source="public bot",
)
SIGN_IN: Final = Sign(
    name="refused.sign_in",
    phrases=(
        "we need to verify your info before you can join",
        "sign in to teams to join, or contact the meeting organizer",
        "to join this teams meeting, you need to be signed in",
        "you need to be signed in to teams to access this meeting",
        "to join, sign in or use teams on the web",
        "you need to sign in or use teams on the web to join this meeting",
        "to join this meeting, sign in again or select another account",
        "account, sign in and try joining again",
    ),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="guests are not let in without an account",
    source="observed; from the fourth on public bot",
)
SIGN_IN_FORM: Final = Sign(
    name="refused.sign_in_form",
    selectors=('input[name="loginfmt"]',),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="Teams sent us to Microsoft's sign-in instead of the call",
    source="observed",
)
SIGN_IN_SITE: Final = Sign(
    name="refused.sign_in_site",
    hosts=("login.microsoftonline.com", "login.microsoftonline.us", "login.live.com"),
    reason=Reason.SIGN_IN_REQUIRED,
    evidence_for="the same, once the page shows anything: every guest passes it, unseen, when joining (prompt=none)",
    source="observed; the second is the US government's, from Microsoft's list of endpoints",
)
CAPTCHA: Final = Sign(
    name="refused.captcha",
    phrases=("verify you're a real person", "could not verify you", "couldn't verify you"),
    selectors=(
        '[role="dialog"][aria-describedby="captcha-dialog-instructions"]',
        "#captcha-dialog-instructions",
        '[data-tid^="HIP-Captcha-"]',
    ),
    reason=Reason.CAPTCHA,
    evidence_for="a question that only people may answer, or a wrong answer to it; the bot does not try",
    source="observed; the second phrase is that of a wrong answer, the third inference",
)
WRONG_LINK: Final = Sign(
    name="refused.wrong_link",
    phrases=("looks like the meeting url is incorrect",),
    reason=Reason.LINK_INVALID,
    evidence_for="the link names no meeting that could exist",
    source="observed",
)
WRONG_PASSCODE: Final = Sign(
    name="refused.wrong_passcode",
    phrases=("incorrect passcode", "passcode is incorrect", "passcode you entered is incorrect"),
    reason=Reason.PASSWORD_INCORRECT,
    evidence_for="the meeting exists and wants another passcode",
    source="inference: what was observed does not tell a wrong passcode from a wrong id",
)
NOT_FOUND: Final = Sign(
    name="refused.not_found",
    phrases=("we couldn't find a meeting matching this id", "we couldn't find a meeting"),
    reason=Reason.MEETING_NOT_FOUND,
    evidence_for="no such meeting, one that is long over, or another passcode: the page does not say which",
    source="public bot",
)
NOT_CONNECTED: Final = Sign(
    name="refused.not_connected",
    phrases=("we couldn't connect you",),
    reason=Reason.CONNECTION_FAILED,
    evidence_for="something broke that another try may put right",
    source="observed",
)
REFUSALS: Final = (
    *(DENIED, UNANSWERED, NOT_BEFORE, SIGN_IN, SIGN_IN_FORM, SIGN_IN_SITE, CAPTCHA),
    *(WRONG_LINK, WRONG_PASSCODE, NOT_FOUND, NOT_CONNECTED),
)

# Ends. They count only in a heading.

LAST_PAGE: Final = Sign(
    name="last_page",
    selectors=(
        "#calling-retry-screen-title",
        "#calling-retry-screen-description",
        '[data-tid="calling-retry-screen"]',
        '[data-tid="calling-retry-cancelbutton"]',
        '[data-tid="calling-retry-rejoinbutton"]',
        '[data-tid^="calling-"][data-tid$="-end-screen"]',
    ),
    evidence_for="a page that refuses us or ends the call, in any language",
    source="observed; the last is the form of the screen of an encrypted call, for screens that were not observed",
)
ENCRYPTED: Final = Sign(
    name="over.encrypted",
    selectors=('[data-tid="calling-e2ee-end-screen"]',),
    reason=Reason.CALL_ENCRYPTED,
    evidence_for="the call is encrypted from end to end, and this client cannot take part",
    source="observed",
)
REMOVED: Final = Sign(
    name="over.removed",
    phrases=(
        "you've been removed from this meeting",
        "you have been removed from this meeting",
        "removed from the meeting",
    ),
    reason=Reason.REMOVED,
    evidence_for="a person does not want us in the call, or in its lobby",
    source="observed; the last two public bots",
)
ENDED: Final = Sign(
    name="over.ended",
    phrases=("the meeting has ended", "this meeting has ended", "meeting ended", "call ended"),
    reason=Reason.MEETING_ENDED,
    evidence_for="the call is over for everyone",
    source="public bots",
)
LEFT: Final = Sign(
    name="over.left",
    phrases=("did you leave by mistake?", "you left the meeting"),
    reason=Reason.MEETING_ENDED,
    evidence_for="we are out, though we did not press the button; the transport may tell why",
    source="public bots",
)
ENDS: Final = (REMOVED, ENDED, LEFT)

_BEFORE: Final = (LAUNCHER, MICROPHONE_ON, CAMERA_ON, JOIN, CANCEL, SIGN_IN_LINK, WITHOUT_MEDIA)
_VIDEO: Final = (VIDEO_MENU, VIEW_MORE, VIDEO_OFF)
_LAYOUTS: Final = (VIEW, GALLERY, SHARED)
SIGNS: Final = (
    *(*_BEFORE, APP_PROMPT, NAME_FIELD, *WAITING, LOBBY_SCREEN, CONNECTING_SCREEN),
    *(*CALL_VIEW, *CERTAIN, *_VIDEO, *_LAYOUTS, CHAT, CHAT_FIELD, CHAT_SEND),
    *(WRITTEN, ALERT, NOTICE_BOX, RECORDED, MODAL),
    *(*REFUSALS, LAST_PAGE, ENCRYPTED, *ENDS),
)
"""The whole table."""

ELEMENTS: Final = (
    *(*_BEFORE, *CALL_VIEW, *_VIDEO, LOBBY_SCREEN, CONNECTING_SCREEN, *CERTAIN),
    *(SIGN_IN_FORM, CAPTCHA, LAST_PAGE, ENCRYPTED),
)
"""The signs whose names Facts.elements can contain."""
LAYOUT_ELEMENTS: Final = _LAYOUTS
"""Those that it can contain beside them where video is recorded."""

OBSERVED: Final = {
    "elements": [[sign.name, sign.selector, list(sign.labels)] for sign in ELEMENTS],
    "callView": [sign.name for sign in CALL_VIEW],
    "nameField": NAME_FIELD.selector,
    "headings": "h1, h2, [role=heading], #calling-retry-screen-title",
    "notices": NOTICE_BOX.selector,
    "modal": MODAL.selector,
    "written": WRITTEN.selector,
    "noEvidence": f"{WRITTEN.selector}, {ALERT.selector}",
    "live": LIVE,
}
"""The argument of read_page.js, but for ``withText``."""

OBSERVED_WITH_VIDEO: Final = {
    **OBSERVED,
    "elements": [[sign.name, sign.selector, list(sign.labels)] for sign in (*ELEMENTS, *LAYOUT_ELEMENTS)],
}
"""The same for a recording of video."""
