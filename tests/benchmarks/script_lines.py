"""Lines of the tap's scripts that a measurement replaces, to see what other ways cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from worker.browser import injected_scripts

REPLACES: Final = "    if (this.#mayReplace(receiver, frame)) VideoTap.#replace(frame);\n"
"""Of video_tap.js: what Chromium gets in place of a frame."""
PASSES: Final = "    await writer.write(value);\n"
"""Of frame_copy.js: a frame is passed on."""


@contextmanager
def replaced_lines(by_line: Mapping[str, str]) -> Iterator[None]:
    """Has other text in the place of these lines in all pages that get the scripts of video meanwhile."""
    join = injected_scripts._wrap

    def wrap(preamble: str, names: tuple[str, ...]) -> str:
        source = join(preamble, names)
        if "video_tap.js" in names:
            for line, other in by_line.items():
                assert source.count(line) == 1
                source = source.replace(line, other)
        return source

    setattr(injected_scripts, "_wrap", wrap)  # noqa: B010 - the module does not export it
    try:
        yield
    finally:
        setattr(injected_scripts, "_wrap", join)  # noqa: B010
