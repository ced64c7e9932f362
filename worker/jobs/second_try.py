"""Replays a tape, and if that does not give all files, once more without the mix, which needs the most space."""

from __future__ import annotations

import logging
import shutil
from functools import partial
from pathlib import Path

from worker.platforms.registry import Platform
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, ReplayResult, replay

logger = logging.getLogger(__name__)


def replay_twice(tape: Path, output: Path, platform: Platform | None = None) -> ReplayResult:
    """Replays ``tape`` into ``output``, which is emptied before each try; ``platform`` as in replay().

    The result of the second try may be incomplete as well (``failure``). Raises what replay() raises; RenderingError only after
    both tries.
    """
    try:
        replayed = _replay(tape, output, platform, mix=True)
        failure = replayed.failure
    except RenderingError as error:
        failure = error
    if failure is None:
        return replayed
    logger.warning(
        "%s: not all files could be written, without the mix there is more room: %s", tape, failure
    )
    return _replay(tape, output, platform, mix=False)


def _replay(tape: Path, output: Path, platform: Platform | None, *, mix: bool) -> ReplayResult:
    shutil.rmtree(output, ignore_errors=True)
    return replay(tape, output, partial(Renderer, output, mix=mix), platform)
