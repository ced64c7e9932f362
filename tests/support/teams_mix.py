"""Recordings of one mix, as Teams sends it, rendered from single packets."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from fixtures.replica.voices import load_voice
from tests.support.streams import tape
from tests.support.tapes import feed_all
from worker.manifest.schema import Manifest
from worker.rendering.deferred import DeferredRenderer
from worker.rendering.renderer import Renderer
from worker.tape.events import Frame, PageEvent

ANN, BO = 414, 627
"""Sources."""

ANNS = [packet.payload for packet in load_voice("aria").speech][:400]


def render(frames: Iterable[Frame], folder: Path, events: Iterable[PageEvent] = ()) -> Manifest:
    """Renders 30 s of a call on Teams into ``folder``."""
    renderer = DeferredRenderer(lambda platform: Renderer(folder, platform))
    feed_all(renderer, tape("microsoft_teams", 30.0, frames, events))
    return renderer.finish()
