"""Makes file names, stream ids and displayable names from people's names (pure)."""

from __future__ import annotations

import base64
import hashlib
import re
import unicodedata

MAX_FILE_NAME_BYTES = 120
"""In UTF-8. Every common file system allows 255; this leaves room for a long path and for encrypting file systems (143)."""

_BLANK = frozenset({"Cc", "Zl", "Zp", "Zs"})
_INVISIBLE = frozenset({"Cc", "Cf", "Cs"})
_NAMELESS = "Speaker"
_APOSTROPHES = dict.fromkeys(map(ord, "'’ʼ`´"))
_INVISIBLE_LETTERS = frozenset("\u115f\u1160\u3164\uffa0")
_INVISIBLE_MARKS = re.compile("[\u034f\u17b4\u17b5\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_VIDEO_NAME = re.compile(r"(?P<front>.+)_(?P<digest>[a-z2-7]{8})_[0-9]+_(?P<kind>[a-z]+\.[a-z0-9.]+)")
_INVISIBLE_OR_BIDI = re.compile(
    "[\u00ad\u061c\u180e\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb]"
)


def stream_id(name: str, participant_id: str | None, csrc: int) -> str:
    """MeetStream's form of a stream's id: ``JohnDoe_abc123de``.

    The part after the underscore is a hash of participant and source: the same in every replay, and different for each source
    and participant. ``csrc`` is the source (the SSRC if packets list no CSRC). At most 120 bytes of UTF-8.
    """
    return _fit("".join(_words(name)) or _NAMELESS, f"_{_short_hash(participant_id, csrc)}")


def file_name(name: str, participant_id: str | None, csrc: int, segment_index: int = 0) -> str:
    """MeetStream's form of a segment's file name: ``John_Doe_abc123de_0.webm``.

    Safe on every common file system: letters and digits of any script (NFC), hyphens and underscores, at most 120 bytes of
    UTF-8. Unique within a recording by (participant, source, segment), also on file systems that ignore case.
    """
    ending = f"_{_short_hash(participant_id, csrc)}_{segment_index}.webm"
    return _fit("_".join(_words(name)) or _NAMELESS, ending)


def video_file_name(
    name: str, participant_id: str | None, source: str, segment_index: int, kind: str, suffix: str
) -> str:
    """The file name of a video segment: ``John_Doe_abc123de_0_webcam.mp4``; ``suffix`` is without the dot.

    Safe as ``file_name`` is. Unique within a recording by (participant, segment, kind); ``source`` stands for a participant
    that is not known.
    """
    digest = _hash(f"{participant_id or ''}\n{source}\n{kind}")
    return _fit("_".join(_words(name)) or _NAMELESS, f"_{digest}_{segment_index}_{kind}.{suffix}")


def video_stream_id(name: str, filename: str) -> str:
    """The id of the stream whose segments have names as ``filename``, in the form of ``stream_id``."""
    parts = _VIDEO_NAME.fullmatch(filename)
    digest = _hash(filename) if parts is None else parts["digest"]
    return _fit("".join(_words(name)) or _NAMELESS, f"_{digest}")


def renumbered_video(filename: str, segment_index: int) -> str:
    """The name that ``video_file_name`` gives to another segment of the same video: ``John_Doe_abc123de_1_webcam.mp4``.

    Any other name stays as it is.
    """
    parts = _VIDEO_NAME.fullmatch(filename)
    if parts is None:
        return filename
    return _fit(parts["front"], f"_{parts['digest']}_{segment_index}_{parts['kind']}")


def live_file_name(name: str, participant_id: str, rate: int) -> str:
    """A file of somebody heard live: ``JohnDoe_abc123de.wav``. Safe as ``file_name`` is, unique by participant and rate."""
    return _fit("".join(_words(name)) or _NAMELESS, f"_{_short_hash(participant_id, rate)}.wav")


def display_name(name: str) -> str:
    """A name for display: without control characters, line breaks, direction marks and invisible characters.

    Emoji (with their joiners) and all scripts stay. Runs of blanks become one space. Empty if nothing visible is left. The
    caller still has to escape HTML.
    """
    kept = "".join(" " if unicodedata.category(c) in _BLANK else c for c in name if not _is_surrogate(c))
    kept = " ".join(_INVISIBLE_OR_BIDI.sub("", kept).split())
    return kept if any(_is_visible(c) for c in kept) else ""


def _is_visible(character: str) -> bool:
    kind = unicodedata.category(character)
    return kind not in _INVISIBLE and kind[0] not in "ZM" and character not in _INVISIBLE_LETTERS


def _is_surrogate(character: str) -> bool:
    return unicodedata.category(character) == "Cs"


def _words(name: str) -> list[str]:
    """Runs of letters (with their marks), digits and inner hyphens; every other character separates them."""
    text = unicodedata.normalize("NFC", name.translate(_APOSTROPHES))
    text = _INVISIBLE_MARKS.sub("", text)
    spaced = ""
    for character in text:
        after_letter = bool(spaced) and spaced[-1] != " "
        spaced += character if _belongs_to_word(character, after_letter=after_letter) else " "
    return [word for word in (part.rstrip("-") for part in spaced.split(" ")) if word]


def _belongs_to_word(character: str, *, after_letter: bool) -> bool:
    if character in _INVISIBLE_LETTERS:
        return False
    if character == "-" or unicodedata.category(character)[0] == "M":
        return after_letter
    return unicodedata.category(character)[0] == "L" or unicodedata.category(character) == "Nd"


def _fit(front: str, ending: str) -> str:
    """``front + ending`` in at most MAX_FILE_NAME_BYTES, cut between characters."""
    room = MAX_FILE_NAME_BYTES - len(ending.encode())
    cut = front.encode()[:room].decode("utf-8", "ignore").rstrip("-_")
    return unicodedata.normalize("NFC", cut) + ending


def _short_hash(participant_id: str | None, csrc: int) -> str:
    return _hash(f"{participant_id or ''}\n{csrc}")


def _hash(text: str) -> str:
    """Eight characters of a–z and 2–7: 40 bits. Two of a thousand sources have the same hash once in two million recordings."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return base64.b32encode(digest[:5]).decode().lower()
