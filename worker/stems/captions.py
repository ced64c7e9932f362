"""Who was captioned when (pure): what is told of each utterance, put right by how far the captions' clock is off."""

from __future__ import annotations

from collections import OrderedDict

from worker.roster.speaking import Caption
from worker.stems.lag_estimate import Beginnings, LagEstimate

MARGIN = 1.0
"""A caption may leave out the edges of words, and pauses between two utterances: it counts for so many seconds around it."""

UNFINISHED = 3.0
"""A caption that was never finished goes on for so many seconds: the call ended before its last words were recognized."""

OFFSET_MOST = 1.5
"""Seconds by which the captions' clock may be off."""

REMEMBERED = 500
"""So many utterances are kept."""

FORGOTTEN_AFTER = 10.0
"""Seconds after which an utterance decides nothing any more."""


class Captions:
    """Who was captioned at each moment; all times are Unix seconds."""

    def __init__(self, beginnings: Beginnings) -> None:
        """``beginnings`` is filled by whoever hears the packets."""
        self.offset = LagEstimate(0.0)
        self._beginnings = beginnings
        self._captions: OrderedDict[tuple[str, float], Caption] = OrderedDict()
        """By who and since when; a caption that is not final grows."""

    def tell(self, caption: Caption) -> None:
        """The platform captions an utterance, or says more of it."""
        key = (caption.user_id, caption.start)
        known = self._captions.get(key)
        if known is None or not known.final:
            self._captions[key] = caption
        if caption.final and (known is None or not known.final):
            near = self._beginnings.between(caption.start - OFFSET_MOST, caption.start + OFFSET_MOST)
            self.offset.learn([caption.start - begun for begun in near])
        while len(self._captions) > REMEMBERED:
            self._captions.popitem(last=False)

    def during(self, moment: float) -> list[str]:
        """The users whose captions span ``moment``, in order of their utterances. Moments must not run back by much."""
        moment += self.offset.value
        while self._captions and next(iter(self._captions.values())).end < moment - FORGOTTEN_AFTER:
            self._captions.popitem(last=False)
        spanning = (each for each in self._captions.values() if each.start <= moment < each.end)
        return list(dict.fromkeys(each.user_id for each in spanning))

    def near(self, moment: float) -> str | None:
        """The user whose caption is nearest to ``moment``; None where none is within its margin."""
        moment += self.offset.value
        best, user = UNFINISHED, None
        for each in self._captions.values():
            before, behind = each.start - moment, moment - each.end
            near = before <= MARGIN and behind <= (MARGIN if each.final else UNFINISHED)
            if near and max(before, behind) <= best:
                best, user = max(before, behind), each.user_id
        return user
