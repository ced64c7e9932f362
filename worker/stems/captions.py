"""Who was captioned when: the times of each utterance, corrected by the offset of the captions' clock (pure)."""

from __future__ import annotations

from collections import OrderedDict

from worker.roster.speaking import Caption
from worker.stems.lag_estimate import LagEstimate, SpeechOnsets

MARGIN = 1.0
"""Seconds around a caption that count as its own: it may leave out the edges of words, and pauses between utterances."""

UNFINISHED = 3.0
"""Seconds after an unfinished caption that count as its own: the call ended before its last words were recognized."""

MAX_OFFSET = 1.5
"""The captions' clock is off by this many seconds at most."""

REMEMBERED = 500
"""Utterances that are kept."""

FORGOTTEN_AFTER = 10.0
"""Seconds after its end at which an utterance is dropped."""


class Captions:
    """Who was captioned at each moment; all times are seconds of meeting time."""

    def __init__(self, onsets: SpeechOnsets) -> None:
        """``onsets`` is filled by the caller, from the packets."""
        self.offset = LagEstimate(0.0)
        self._onsets = onsets
        self._captions: OrderedDict[tuple[str, float], Caption] = OrderedDict()
        """By user and start; a caption that is not final grows."""

    def add(self, caption: Caption) -> None:
        """Adds a caption, or the longer version of one that is not final."""
        key = (caption.user_id, caption.start)
        known = self._captions.get(key)
        if known is None or not known.final:
            self._captions[key] = caption
        if caption.final and (known is None or not known.final):
            near = self._onsets.between(caption.start - MAX_OFFSET, caption.start + MAX_OFFSET)
            self.offset.learn([caption.start - onset for onset in near])
        while len(self._captions) > REMEMBERED:
            self._captions.popitem(last=False)

    def during(self, moment: float) -> list[str]:
        """The users whose captions span ``moment``, in order of their utterances.

        From call to call ``moment`` may go back by less than FORGOTTEN_AFTER.
        """
        moment += self.offset.value
        while self._captions and next(iter(self._captions.values())).end < moment - FORGOTTEN_AFTER:
            self._captions.popitem(last=False)
        spanning = (each for each in self._captions.values() if each.start <= moment < each.end)
        return list(dict.fromkeys(each.user_id for each in spanning))

    def near(self, moment: float) -> str | None:
        """The user whose caption is nearest to ``moment``; None if none is within its margin."""
        moment += self.offset.value
        best, user = UNFINISHED, None
        for each in self._captions.values():
            before, after = each.start - moment, moment - each.end
            near = before <= MARGIN and after <= (MARGIN if each.final else UNFINISHED)
            if near and max(before, after) <= best:
                best, user = max(before, after), each.user_id
        return user
