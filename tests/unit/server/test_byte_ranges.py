from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.server.byte_ranges import ByteRange, UnsatisfiableError, asked_range

ETAG = '"abc"'


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("bytes=0-9", (0, 10)),
        ("bytes=0-0", (0, 1)),
        ("bytes=90-", (90, 10)),
        ("bytes=90-1000", (90, 10)),
        ("bytes=-5", (95, 5)),
        ("bytes=-500", (0, 100)),
        ("Bytes= 1 - 2 ", (1, 2)),
        (None, None),
        ("", None),
        ("bytes=-", None),
        ("bytes=5-4", None),
        ("bytes=0-1,3-4", None),
        ("items=0-9", None),
        ("bytes=a-b", None),
        ("bytes=" + "9" * 5000 + "-", None),
    ],
)
def test_one_range_of_bytes_is_read(header: str | None, expected: tuple[int, int] | None) -> None:
    assert asked_range(header, None, 100, ETAG) == expected


@pytest.mark.parametrize("header", ["bytes=100-", "bytes=100-200", "bytes=-0"])
def test_a_range_outside_the_file_is_unsatisfiable(header: str) -> None:
    with pytest.raises(UnsatisfiableError):
        asked_range(header, None, 100, ETAG)


def test_of_an_empty_file_no_range_can_be_sent() -> None:
    for header in ("bytes=0-", "bytes=-5"):
        with pytest.raises(UnsatisfiableError):
            asked_range(header, None, 0, ETAG)


@pytest.mark.parametrize(
    ("condition", "is_ranged"),
    [
        (None, True),
        (ETAG, True),
        ('"other"', False),
        (f"W/{ETAG}", False),
        ("Wed, 21 Oct 2026 07:28:00 GMT", False),
    ],
)
def test_if_range_keeps_the_range_only_of_the_same_file(condition: str | None, is_ranged: bool) -> None:
    assert asked_range("bytes=0-9", condition, 100, ETAG) == (ByteRange(0, 10) if is_ranged else None)


@given(st.text(max_size=40) | st.from_regex(r"bytes=\d{0,4}-\d{0,4}", fullmatch=True), st.integers(0, 500))
def test_any_header_gives_bytes_of_the_file(header: str, size: int) -> None:
    try:
        part = asked_range(header, None, size, ETAG)
    except UnsatisfiableError:
        return
    if part is not None:
        assert part.start >= 0
        assert part.length > 0
        assert part.start + part.length <= size
