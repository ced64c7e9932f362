"""Replays a tape, and where there is no room for all files, once more without the mix, which needs the most."""

from __future__ import annotations

import errno
import logging
import shutil
from functools import partial
from pathlib import Path
from typing import Final

import msgspec

from worker.errors import cause
from worker.manifest.schema import encode_manifest
from worker.platforms.registry import Platform
from worker.rendering.output import AUDIO_FILE, MANIFEST_FILE, replace_file
from worker.rendering.parallel_mixer import parallel_mixes
from worker.rendering.renderer import Renderer
from worker.rendering.replay import RenderingError, ReplayResult, incomplete_output, replay

logger = logging.getLogger(__name__)

NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})


def replay_twice(tape: Path, output: Path, platform: Platform | None = None) -> ReplayResult:
    """Replays ``tape`` into ``output``, which is emptied before each try; ``platform`` as in replay().

    Either result may be incomplete (``failure``); the manifest of the second try says that the mix is missing. Raises what
    replay() raises, RenderingError after both tries.
    """
    try:
        replayed = _replay(tape, output, platform, mix=True)
    except RenderingError as error:
        failure: Exception = error
    else:
        if not (isinstance(replayed.failure, OSError) and replayed.failure.errno in NO_ROOM):
            return replayed
        failure = replayed.failure
    logger.warning("%s: rendered again without the mix after: %s", tape, failure)
    replayed = _replay(tape, output, platform, mix=False)
    recording = replayed.manifest.recording
    incomplete = [*(recording.incomplete_files or ()), AUDIO_FILE]
    said = [*recording.warnings, f"There is no mixed audio: it could not be written ({cause(failure)})."]
    recording = msgspec.structs.replace(recording, incomplete_files=incomplete, warnings=said)
    manifest = msgspec.structs.replace(replayed.manifest, recording=recording)
    try:
        replace_file(output / MANIFEST_FILE, encode_manifest(manifest))
    except OSError as error:
        raise incomplete_output(output, error) from error
    return ReplayResult(manifest, replayed.warnings, replayed.failure or failure)


def _replay(tape: Path, output: Path, platform: Platform | None, *, mix: bool) -> ReplayResult:
    shutil.rmtree(output, ignore_errors=True)
    with parallel_mixes(tape) as open_mix:
        return replay(tape, output, partial(Renderer, output, mix=mix, open_mix=open_mix), platform)
