"""File names, stream ids and displayable names."""

from __future__ import annotations

import re
import unicodedata
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.manifest.filenames import (
    MAX_FILE_NAME_BYTES,
    display_name,
    file_name,
    live_file_name,
    renumbered_video,
    stream_id,
    video_file_name,
    video_stream_id,
)

DEVICE = "spaces/abc/devices/7"
HOSTILE = [
    "../../etc/passwd",
    'a\\b:c*d?e"f<g>h|i',
    "name\x00with\nnewline\tand\x1b[31mescape",
    "...",
    ".",
    "",
    "   ",
    "CON",
    "nul.txt",
    "-rf",
    "$(reboot) `id` ; rm",
    "😀😀",
    "❤️",
    "\u202eevil\u202c",
    "\u200b\u3164",
    "x" * 300,
    "ה" * 300,
    "é" * 300,
    "Z̸͉̈a̷͇͝l̵̤̈g̶̤͝ö̵̲" * 30,
    "\ud800",
]
names = st.one_of(st.text(max_size=400), st.sampled_from(HOSTILE), st.text(alphabet=". /\\-_'", max_size=10))


def is_safe(text: str) -> bool:
    """Only letters, marks, digits, hyphens and underscores, and in NFC."""
    return unicodedata.is_normalized("NFC", text) and all(
        unicodedata.category(c)[0] in "LM" or unicodedata.category(c) == "Nd" or c in "-_" for c in text
    )


def test_file_names_and_stream_ids_have_the_vendors_form() -> None:
    assert re.fullmatch(r"John_Doe_[a-z2-7]{8}_0\.webm", file_name("John Doe", DEVICE, 100))
    assert re.fullmatch(r"JohnDoe_[a-z2-7]{8}", stream_id("John Doe", DEVICE, 100))
    assert stream_id("John Doe", DEVICE, 100)[-8:] == file_name("John Doe", DEVICE, 100)[-15:-7]
    assert file_name("John Doe", DEVICE, 100, 3).endswith("_3.webm")


@pytest.mark.parametrize(
    ("name", "front"),
    [
        ("O'Brien", "OBrien"),
        ("Jean-Luc Picard -", "Jean-Luc_Picard"),
        ("Zoë (she/her)", "Zoë_she_her"),
        ("Jose\u0301", "José"),
        ("張 偉", "張_偉"),
        ("../../etc/passwd", "etc_passwd"),
        ("-rf", "rf"),
        ("CON", "CON"),
        ("Ann 😀 Lee", "Ann_Lee"),
        ("...", "Speaker"),
        ("❤️", "Speaker"),
        ("\u3164", "Speaker"),
        ("Unknown 1", "Unknown_1"),
    ],
)
def test_file_name_keeps_letters_digits_and_hyphens(name: str, front: str) -> None:
    assert file_name(name, DEVICE, 100).rsplit("_", 2)[0] == front


@given(names, st.one_of(st.none(), st.text(max_size=80)), st.integers(0, 2**32 - 1), st.integers(0, 999))
def test_file_names_and_stream_ids_are_safe_for_any_name(
    name: str, participant_id: str | None, csrc: int, segment: int
) -> None:
    live = live_file_name(name, participant_id or "", csrc)
    assert live.endswith(".wav")
    assert len(live.encode()) <= MAX_FILE_NAME_BYTES
    video = video_file_name(name, participant_id, str(csrc), segment, "screenshare", "webm")
    assert video.endswith(f"_{segment}_screenshare.webm")
    assert len(video.encode()) <= MAX_FILE_NAME_BYTES
    for ending in ("mp4", "h264.mp4"):
        first, other = (
            video_file_name(name, participant_id, str(csrc), index, "screenshare", ending)
            for index in (0, segment)
        )
        assert renumbered_video(first, segment) == other
        assert video_stream_id(name, first) == video_stream_id(name, other)
    for text in (
        stream_id(name, participant_id, csrc),
        file_name(name, participant_id, csrc, segment)[:-5],
        live[:-4],
        video_stream_id(name, video),
        video[:-5],
    ):
        assert is_safe(text)
        assert not text.startswith(("-", "_"))
        assert len(text.encode()) <= MAX_FILE_NAME_BYTES
        assert text.split("_")[0]
    assert len(file_name(name, participant_id, csrc, segment).encode()) <= MAX_FILE_NAME_BYTES


def test_what_is_no_name_of_a_video_has_no_number_to_replace() -> None:
    assert renumbered_video("notes.mp4", 3) == "notes.mp4"
    assert is_safe(video_stream_id("Ada", "notes.mp4"))


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_give_files_in_the_folder(name: str, tmp_path: Path) -> None:
    path = tmp_path / file_name(name, DEVICE, 100)
    path.write_bytes(b"x")
    assert list(tmp_path.iterdir()) == [path]


@given(
    names, st.lists(st.tuples(st.sampled_from([None, "d/1", "d/2"]), st.integers(0, 2**32 - 1)), unique=True)
)
def test_sources_and_participants_never_share_a_file(name: str, keys: list[tuple[str | None, int]]) -> None:
    files = {file_name(name, participant_id, csrc).casefold() for participant_id, csrc in keys}
    ids = {stream_id(name, participant_id, csrc).casefold() for participant_id, csrc in keys}
    assert len(files) == len(ids) == len(keys)


def test_a_stream_id_is_the_same_in_every_version() -> None:
    """A change here renames the files of every recording that is replayed."""
    assert stream_id("John Doe", DEVICE, 100) == "JohnDoe_iqkogmql"


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("  Ada \n Lovelace\t", "Ada Lovelace"),
        ("\x1b[31mred\x07", "[31mred"),
        ("abc\u202edef\u2066\u200f", "abcdef"),
        ("👩‍🚀 Ann", "👩‍🚀 Ann"),
        ("❤️", "❤️"),
        ("مریم می‌خواهم", "مریم می‌خواهم"),
        ("\u200b\ufeff\u3164", ""),
        ("a\u2028b", "a b"),
        ("\ud800", ""),
        ("<b>&", "<b>&"),
    ],
)
def test_display_name_shows_only_what_is_harmless(name: str, shown: str) -> None:
    assert display_name(name) == shown


@given(names)
def test_display_name_gives_one_harmless_line(name: str) -> None:
    shown = display_name(name)
    assert shown == display_name(shown)
    assert not any(unicodedata.category(c) in {"Cc", "Cs", "Zl", "Zp"} for c in shown)
    assert not set(shown) & set("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u200e\u200f\u061c")
    shown.encode()
