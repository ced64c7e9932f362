"""Values of several tests, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

payloads = st.tuples(
    st.integers(0, 255),
    st.one_of(
        st.binary(max_size=12), st.integers(1_250, 1_499).flatmap(lambda n: st.binary(min_size=n, max_size=n))
    ),
).map(lambda pair: bytes([pair[0]]) + pair[1])
"""Payloads that may be Opus packets: short ones, and those of about the longest frame."""


@st.composite
def spans(draw: st.DrawFn) -> list[tuple[float, float]]:
    """Spans of up to 4 s, in order, that do not overlap."""
    times = sorted(draw(st.lists(st.integers(0, 400), min_size=0, max_size=6, unique=True)))
    return [(start / 100, end / 100) for start, end in zip(times[::2], times[1::2], strict=False)]
