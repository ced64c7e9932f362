"""Links as prose, address bars and mail filters give them, and what is inside (pure).

Nothing is requested: only a target in the text itself is found. It has to pass the same checks as a link that was not wrapped,
so a wrapper's host decides only how its address is read.
"""

from __future__ import annotations

import base64
import binascii
import re
import unicodedata
from collections.abc import Callable
from html import unescape
from typing import Final, NamedTuple, TypeAlias
from urllib.parse import SplitResult, unquote, urlsplit

MOST_LAYERS: Final = 10
"""Wrappers around one link; mail that was forwarded through filters has three."""

_INVISIBLE: Final = dict.fromkeys(
    map(ord, "\u00ad\u034f\u061c\u180e\u200b\u200c\u200d\u200e\u200f\u2060\u2061\u2062\u2063\u2064\ufeff")
)
"""Characters without width that chats and word processors put into links. Those that change the direction of text are not
among them: a link that has one is refused."""

_AMPERSAND: Final = re.compile(r"&(?:amp;)+")
_ENTITY: Final = re.compile(r"&(?:lt|gt|quot|apos|nbsp|#[0-9]{1,7}|#x[0-9a-f]{1,6});", re.IGNORECASE)
"""Characters as HTML writes them (https://html.spec.whatwg.org/multipage/syntax.html#character-references)."""

_JSON_ESCAPE: Final = re.compile(r"\\u00([2-7][0-9a-f])", re.IGNORECASE)
_SHELL_ESCAPE: Final = re.compile(r"\\(?=[/?=&#%~_-])")
"""Backslashes of shells, JSON and Markdown, only before what a link needs. Others are kept, and refused."""

_LABELLED: Final = re.compile(
    r"[^<>]*<(?:url:)?\s*(?P<target>[^<>|]+)(?:\|[^<>]*)?>[\s.,;:!?)\]]*", re.IGNORECASE
)
"""``<link>``, ``<URL:link>`` (RFC 3986, appendix C), ``label <link>`` and ``<link|label>``."""
_MARKDOWN: Final = re.compile(r"!?\[[^\[\]]*\]\(\s*<?(?P<target>[^\s<>]+)>?\s*\)[\s.,;:!?]*")

_OPENING: Final = "<([{\"'`*>-•–—“‘«‹（【「『"
_CLOSING: Final = {
    ")": "(",
    "]": "[",
    "}": "{",
    "）": "（",
    "】": "【",
    "」": "「",
    "』": "『",
}
_ENDING: Final = ".,;:!?<>\"'`*\\|…“”„‘’‚«»‹›。，、；：！？．"
_ENCODED_LETTER: Final = re.compile(
    r"(?:%[0-7][0-9a-f]|%[c-f][0-9a-f](?:%[89ab][0-9a-f]){1,3})\Z", re.IGNORECASE
)
"""The last character of a text, if it is percent-encoded in UTF-8 (RFC 3629 §3)."""
_ESCAPED_BREAK: Final = re.compile(r"\\[nrt]\Z")
"""The end of a line, as calendars write it (RFC 5545 §3.3.11)."""

_BRACES: Final = re.compile(r"\{[^{}]*\}")


def clean(text: str) -> str:
    """``text`` without what prose, chats and shells put around and into a link."""
    text = _AMPERSAND.sub("&", text.translate(_INVISIBLE))
    text = _ENTITY.sub(lambda found: unescape(found[0]), text)
    text = _JSON_ESCAPE.sub(lambda found: chr(int(found[1], 16)), text).strip()
    if found := _LABELLED.fullmatch(text) or _MARKDOWN.fullmatch(text):
        text = found["target"]
    return without_ending(_SHELL_ESCAPE.sub("", text.lstrip(_OPENING + " \t\r\n\u00a0")))


def without_ending(text: str) -> str:
    """``text`` without punctuation, blanks and brackets that were not opened at its end: no link and no passcode ends so."""
    while text:
        if _is_ending(text[-1]) or (
            text[-1] in _CLOSING and text.count(text[-1]) > text.count(_CLOSING[text[-1]])
        ):
            text = text[:-1]
        elif (letter := _last(text, _ENCODED_LETTER)) and _is_ending(unquote(letter)):
            text = text[: -len(letter)]
        elif _last(text, _ESCAPED_BREAK):
            text = text[:-2]
        else:
            break
    return text


def _last(text: str, pattern: re.Pattern[str]) -> str:
    found = pattern.search(text, max(0, len(text) - len("%F0%9F%98%80")))
    return found[0] if found else ""


def _is_ending(letter: str) -> bool:
    return letter in _ENDING or letter.isspace() or ord(letter[0]) in _INVISIBLE


def unsafe(text: str) -> str | None:
    """Why ``text`` cannot be a link, for any host; None if it may be one."""
    spaced = "".join(" " if unicodedata.category(letter) == "Zs" else letter for letter in text)
    if not spaced.isprintable():
        return "it has a control character"
    # JSON in a query, as an address bar decodes it, may hold blanks.
    return "it has a blank" if " " in _BRACES.sub("", spaced) else None


def unwrap(text: str) -> str | None:
    """What is wrapped in ``text``, a link that was cleaned: one layer less. None if nothing is, or nothing unambiguous."""
    if _ENCODED_START.match(text):
        return unquote(text)
    try:
        parts = urlsplit(text if "://" in text else f"https://{text}")
        host = parts.hostname or ""
    except ValueError:
        return None
    if parts.scheme not in ("http", "https"):
        return None
    for wrapper in _WRAPPERS:
        if wrapper.hosts.fullmatch(host) and parts.path.startswith(wrapper.path):
            return wrapper.target(parts)
    return _decoded(parts)


def hides_target(text: str) -> bool:
    """Whether ``text`` is a link of a mail filter that keeps the target to itself."""
    return _OPAQUE.fullmatch(host_of(text)) is not None


def host_of(text: str) -> str:
    """The host of a link, whose scheme may be left out; empty if it has none."""
    try:
        return urlsplit(text if "://" in text else f"https://{text}").hostname or ""
    except ValueError:
        return ""


_ENCODED_START: Final = re.compile(
    r"(?:https?|msteams)(?:%(?:25)*3A(?:/|%(?:25)*2F)|:/?%(?:25)*2F)", re.IGNORECASE
)
"""The start of a link that is percent-encoded as a whole."""

_ENCODED_DELIMITER: Final = re.compile(r"%(?:25|2F|3F)", re.IGNORECASE)
"""A delimiter of an address that was percent-encoded with it (RFC 3986 §2.2); no meeting's path has one."""


def _decoded(parts: SplitResult) -> str | None:
    """The address whose host or path was percent-encoded once too often."""
    if "%" in parts.netloc:
        return unquote(parts.geturl())
    if not _ENCODED_DELIMITER.search(parts.path):
        return None
    path = unquote(parts.path)
    query = ("&" if "?" in path else "?") + parts.query if parts.query else ""
    fragment = f"#{parts.fragment}" if parts.fragment else ""
    return f"{parts.scheme}://{parts.netloc}{path}{query}{fragment}"


_Target: TypeAlias = Callable[[SplitResult], str | None]


class _Wrapper(NamedTuple):
    """Links whose host matches ``hosts`` and whose path begins with ``path``. ``target`` finds the one inside."""

    hosts: re.Pattern[str]
    path: str
    target: _Target


def _hosts(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE | re.ASCII)


_OWN_FIELDS: Final = frozenset(
    {"sa", "source", "ust", "usg", "ved", "opi", "rct", "esrc", "cd", "cad", "uact", "q", "hl", "sca_esv"}
    | {"data", "sdata", "reserved", "token", "event", "typo", "ancr_add"}
)
"""Fields that wrappers add behind the target's."""


def _field(*names: str) -> _Target:
    """The target in the one field of the query that has one of ``names``."""

    def target(parts: SplitResult) -> str | None:
        fields = [field.partition("=")[::2] for field in parts.query.split("&")]
        named = [index for index, (name, _) in enumerate(fields) if name in names]
        # Beside the target a search's page has the words that were searched for.
        found = [index for index in named if fields[index][1].startswith("http")] or named
        if not found or len({fields[index][1] for index in found}) > 1:
            return None
        value = fields[found[0]][1]
        if "://" not in value:
            return unquote(value)
        # The target was not encoded, so its further fields are among the wrapper's.
        own = [
            f"{name}={text}" for name, text in fields[found[0] + 1 :] if name not in {*names, *_OWN_FIELDS}
        ]
        fragment = f"#{parts.fragment}" if parts.fragment else ""
        return "&".join([value, *own]) + fragment if "?" in value else value + fragment

    return target


def _base64_field(name: str) -> _Target:
    read = _field(name)

    def target(parts: SplitResult) -> str | None:
        return _base64_text(read(parts) or "")

    return target


def _base64_text(text: str) -> str | None:
    try:
        return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)).decode() or None
    except (binascii.Error, ValueError):
        return None


def _proofpoint_2(parts: SplitResult) -> str | None:
    """``u=https-3A__meet.google.com_abc``: ``-`` stands for ``%`` and ``_`` for ``/``."""
    encoded = _field("u")(parts)
    return unquote(encoded.translate(str.maketrans("-_", "%/"))) if encoded else None


_PROOFPOINT_3: Final = re.compile(r"/v3/__(?P<target>.+)__;(?P<replaced>[A-Za-z0-9_-]*)")
_PROOFPOINT_RUN: Final = re.compile(r"\*(?:\*(.))?")
_PROOFPOINT_LENGTHS: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
"""``**A`` stands for the next two characters that were replaced, ``**B`` for three, and so on."""
_ONE_SLASH: Final = re.compile(r"\A([a-z]{1,8}:/)(?=[^/])", re.IGNORECASE)


def _proofpoint_3(parts: SplitResult) -> str | None:
    """``/v3/__https://…__;JSU!!…``: each ``*`` stands for the next of the characters that are behind in base64."""
    found = _PROOFPOINT_3.match(parts._replace(scheme="", netloc="").geturl())
    replaced = _base64_text(found["replaced"]) if found and found["replaced"] else ""
    if found is None or replaced is None:
        return None
    at = 0

    def restore(run: re.Match[str]) -> str:
        nonlocal at
        begin, at = at, at + (_PROOFPOINT_LENGTHS.find(run[1]) + 2 if run[1] else 1)
        return replaced[begin:at]

    return _PROOFPOINT_RUN.sub(restore, _ONE_SLASH.sub(r"\1/", found["target"]))


def _last_step(parts: SplitResult) -> str | None:
    """The last step of the path, which is percent-encoded."""
    return unquote(parts.path.rpartition("/")[2]) or None


_UNDERSCORED: Final = re.compile(r"___(?P<target>.+)___\.")


def _underscored(parts: SplitResult) -> str | None:
    """``/v2/___https://…___.…``"""
    found = _UNDERSCORED.search(parts._replace(scheme="", netloc="").geturl())
    return found["target"] if found else None


_PROXY: Final = re.compile(
    r"(?P<host>.+?)(?:\.(?:us|us2|us3|eu|eu2|access))?\.(?:mcas\.ms|mcas-gov\.us|mcas-gov\.ms|cas\.ms)"
)


def _proxied(parts: SplitResult) -> str | None:
    """The address whose host Defender for Cloud Apps put its own behind."""
    found = _PROXY.fullmatch(parts.netloc.lower())
    return parts._replace(netloc=found["host"]).geturl() if found else None


_WRAPPERS: Final = (
    # Microsoft Defender for Office 365, "Safe Links"; the last one is that of the Teams client.
    _Wrapper(
        _hosts(r"[a-z0-9-]+\.safelinks\.protection\.(?:outlook\.com|office365\.us|partner\.outlook\.cn)"),
        "/",
        _field("url"),
    ),
    _Wrapper(_hosts(r"statics\.teams\.cdn\.(?:office\.net|live\.net)"), "/", _field("url")),
    # Microsoft Defender for Cloud Apps, "access apps through the reverse proxy".
    _Wrapper(_hosts(r".+\.(?:mcas\.ms|mcas-gov\.us|mcas-gov\.ms|cas\.ms)"), "/", _proxied),
    # Links in Calendar, Gmail and Docs; in Meet's chat; the page on which one signs in first.
    _Wrapper(_hosts(r"(?:www\.)?google\.[a-z]{2,3}(?:\.[a-z]{2})?"), "/url", _field("q", "url")),
    _Wrapper(_hosts(r"meet\.google\.com"), "/linkredirect", _field("dest")),
    _Wrapper(_hosts(r"accounts\.google\.com"), "/", _field("continue")),
    # Proofpoint URL Defense, by version.
    _Wrapper(_hosts(r"urldefense\.(?:proofpoint\.com|com|us)"), "/v1/", _field("u")),
    _Wrapper(_hosts(r"urldefense\.(?:proofpoint\.com|com|us)"), "/v2/", _proofpoint_2),
    _Wrapper(_hosts(r"urldefense\.(?:proofpoint\.com|com|us)"), "/v3/", _proofpoint_3),
    # Barracuda, Trellix (FireEye), Symantec, Trend Micro, Sophos, Cisco, Check Point (Avanan), Zix (AppRiver).
    _Wrapper(_hosts(r"linkprotect\.cudasvc\.com"), "/", _field("a")),
    _Wrapper(_hosts(r"protect2?\.fireeye\.com"), "/", _field("u")),
    _Wrapper(_hosts(r"clicktime\.symantec\.com"), "/", _field("u")),
    _Wrapper(_hosts(r"[a-z0-9.-]+\.trendmicro\.(?:com|eu)"), "/wis/", _field("url")),
    _Wrapper(_hosts(r"[a-z0-9-]+\.protection\.sophos\.com"), "/", _base64_field("u")),
    _Wrapper(_hosts(r"secure-web\.cisco\.com"), "/", _last_step),
    _Wrapper(_hosts(r"(?:url\.avanan\.click|protect\.checkpoint\.com)"), "/v2/", _underscored),
    _Wrapper(_hosts(r"link\.edgepilot\.com"), "/", _field("u")),
    # Chats and networks.
    _Wrapper(_hosts(r"slack-redir\.net"), "/link", _field("url")),
    _Wrapper(_hosts(r"lm?\.facebook\.com"), "/l.php", _field("u")),
    _Wrapper(_hosts(r"(?:www\.)?linkedin\.com"), "/", _field("url")),
)

_OPAQUE: Final = _hosts(
    r"[a-z0-9.-]+\.mimecast(?:protect)?\.com|linkprotect\.cudasvc\.com|clicktime\.symantec\.com|url\.emailprotection\.link"
)
"""Hosts of mail filters whose links name no target, or not always."""
