"""Renders the files of a recording again from its tape."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from worker.errors import MeetstemsError, cause
from worker.manifest.schema import Manifest
from worker.platforms.registry import Platform
from worker.rendering.deferred import DeferredRenderer, OpenRenderer
from worker.rendering.output import OutputError, claim_output
from worker.tape.reader import TapeReader


class RenderingError(MeetstemsError):
    """The files could not be written."""


class ReplayResult(NamedTuple):
    """The result of a replay; ``warnings`` name the parts of the tape that cannot be read in full.

    ``failure`` is the first error that cost a stem or the mix its completeness; other files that are incomplete are in the
    manifest alone.
    """

    manifest: Manifest
    warnings: list[str]
    failure: Exception | None = None


def replay(
    tape: Path, output: Path, open_renderer: OpenRenderer, platform: Platform | None = None
) -> ReplayResult:
    """Feeds the tape to a renderer that writes into ``output``.

    ``platform`` is needed only where the tape's first part, which names it, is missing. Raises TapeReadError, OutputError,
    UnknownPlatformError, NothingRecordedError (the tape ends before the recording began), RenderingError.
    """
    reader = TapeReader(tape)
    if output.resolve().is_relative_to(tape.resolve()):
        raise OutputError(f"output {output}: is within the tape, expected another folder")
    claim_output(output)
    renderer = DeferredRenderer(open_renderer, platform)
    try:
        for logged, event in reader.logged_events():
            renderer.feed(event, logged)
        renderer.report_damage(reader.damage)
        manifest = renderer.finish()
    except MeetstemsError:
        raise
    except Exception as error:
        # What PyAV, struct or a fault of our own raises is seldom an OSError.
        raise incomplete_output(output, error) from error
    return ReplayResult(manifest, reader.warnings, renderer.failure)


def incomplete_output(output: Path, error: Exception) -> RenderingError:
    """The error of a rendering into ``output`` that lacks files, or parts of them, because of ``error``."""
    return RenderingError(f"output {output}: cannot be written: {cause(error)}")
