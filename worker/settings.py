"""The one place where the environment is read."""

from __future__ import annotations

import shlex
from collections.abc import Mapping

import msgspec

from worker.errors import InputError


class SettingsError(InputError):
    """A setting of the environment is wrong; the message names it, its value and what was expected."""


class Settings(msgspec.Struct, frozen=True, kw_only=True):
    """What the environment decides. ``chromium`` is the executable to use, None: look for one. ``chromium_args`` are appended
    to the launch arguments.
    """

    chromium: str | None = None
    chromium_args: tuple[str, ...] = ()

    @classmethod
    def from_environment(cls, environ: Mapping[str, str]) -> Settings:
        """Reads ``MEETSTEMS_CHROMIUM`` and ``MEETSTEMS_CHROMIUM_ARGS`` (split as a shell splits words).

        Raises SettingsError. An empty value counts as none.
        """
        return cls(
            chromium=environ.get("MEETSTEMS_CHROMIUM", "").strip() or None,
            chromium_args=_split("MEETSTEMS_CHROMIUM_ARGS", environ.get("MEETSTEMS_CHROMIUM_ARGS", "")),
        )


def _split(name: str, value: str) -> tuple[str, ...]:
    try:
        return tuple(shlex.split(value))
    except ValueError as error:
        raise SettingsError(f"{name}={value!r}: expected words as a shell splits them ({error})") from error
