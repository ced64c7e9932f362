"""Reads bit fields, most significant bit first, as the headers of H264, VP9 and AV1 have them (pure)."""

from __future__ import annotations

from typing import Final

from worker.video.key_frame import VideoFrameError

MOST_BYTES: Final = 1_024
"""Bytes that are read at most: headers are shorter, and the time of a read grows with the length."""


class BitReader:
    """Reads the first MOST_BYTES of ``data``; reading beyond them raises VideoFrameError."""

    def __init__(self, data: bytes) -> None:
        head = data[:MOST_BYTES]
        self._bits = int.from_bytes(head, "big")
        self._left = 8 * len(head)

    def read(self, count: int) -> int:
        """The next ``count`` bits as an unsigned number."""
        self._left -= count
        if self._left < 0:
            raise VideoFrameError("a header ends within a field")
        return self._bits >> self._left & (1 << count) - 1

    def flag(self) -> bool:
        """The next bit."""
        return bool(self.read(1))

    def exp_golomb(self) -> int:
        """An unsigned Exp-Golomb number below 2**32 (ITU-T H.264, section 9.1: ue(v))."""
        zeros = 0
        while not self.flag():
            zeros += 1
            if zeros > 32:
                raise VideoFrameError("a number has more than 32 bits")
        return (1 << zeros) - 1 + self.read(zeros)

    def signed_exp_golomb(self) -> int:
        """A signed Exp-Golomb number (section 9.1.1: se(v))."""
        number = self.exp_golomb()
        return (number + 1) // 2 if number & 1 else -(number // 2)

    def rest(self) -> int:
        """The bits that are left, behind a one bit: an equal number means equal bits of equal length."""
        return self._bits & (1 << self._left) - 1 | 1 << self._left
