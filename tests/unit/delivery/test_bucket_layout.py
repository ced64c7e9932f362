from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.delivery.bucket_layout import LayoutError, bot_keys


def test_keys_follow_the_documented_layout() -> None:
    bot = bot_keys("recordings/", "bot-1")
    attempt = bot.attempt(2)
    assert [
        bot.status,
        bot.audio_streams,
        bot.lease,
        attempt.tape_part("part-000000.mcap"),
        attempt.file("streams/anna.webm"),
        attempt.failure_file("screenshot.png"),
    ] == [
        "recordings/bots/bot-1/bot.json",
        "recordings/bots/bot-1/audio_streams.json",
        "recordings/bots/bot-1/lease.json",
        "recordings/bots/bot-1/attempts/0002/tape/part-000000.mcap",
        "recordings/bots/bot-1/attempts/0002/files/streams/anna.webm",
        "recordings/bots/bot-1/attempts/0002/failure/screenshot.png",
    ]


@pytest.mark.parametrize(("prefix", "start"), [("", ""), ("/", ""), ("a", "a/"), ("/a/b/", "a/b/")])
def test_a_prefix_ends_in_one_slash_or_is_empty(prefix: str, start: str) -> None:
    assert bot_keys(prefix, "b").status == f"{start}bots/b/bot.json"


@given(number=st.integers(1, 99_999))
def test_an_attempts_number_can_be_read_from_its_keys(number: int) -> None:
    bot = bot_keys("p", "bot")
    assert bot.attempt_of(bot.attempt(number).file("audio.wav")) == number


@pytest.mark.parametrize(
    "key",
    [
        "p/bots/bot/bot.json",
        "p/bots/other/attempts/0001/files/x",
        "p/bots/bot/attempts/latest/x",
        "attempts/0001/x",
    ],
)
def test_attempt_of_returns_none_for_other_keys(key: str) -> None:
    assert bot_keys("p", "bot").attempt_of(key) is None


@pytest.mark.parametrize("bot_id", ["", ".", "..", "a/b", "a\nb", "-a", "ä", "x" * 129])
def test_a_bot_id_that_cannot_be_a_folder_is_refused(bot_id: str) -> None:
    with pytest.raises(LayoutError, match="bot_id="):
        bot_keys("", bot_id)


@given(bot_id=st.text())
def test_no_bot_id_leads_outside_its_folder(bot_id: str) -> None:
    try:
        keys = bot_keys("p", bot_id)
    except LayoutError:
        return
    assert keys.status.split("/") == ["p", "bots", bot_id, "bot.json"]


@pytest.mark.parametrize("name", ["", "/etc/passwd", "../x", "a/../b", "a//b", "./a", "x" * 481])
def test_a_file_name_that_is_no_relative_path_is_refused(name: str) -> None:
    with pytest.raises(LayoutError, match="file name="):
        bot_keys("", "b").attempt(1).file(name)


def test_attempts_count_from_one() -> None:
    with pytest.raises(LayoutError, match="attempt=0"):
        bot_keys("", "b").attempt(0)


def test_a_prefix_that_is_too_long_is_refused() -> None:
    with pytest.raises(LayoutError, match="prefix="):
        bot_keys("p" * 600, "b")
