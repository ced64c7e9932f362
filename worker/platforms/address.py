"""Where a link leads, as far as one platform can tell from it (pure data)."""

from __future__ import annotations

from typing import NamedTuple

from worker.errors import InputError


class AddressError(InputError):
    """A text is no link to a call of the platform that was asked; the message says what is wrong, and what was expected.

    ``why`` is what is wrong alone, empty if there is no more to say than that it is no link.
    """

    def __init__(self, message: str, why: str = "") -> None:
        super().__init__(message)
        self.why = why


class MeetingAddress(NamedTuple):
    """A call of one platform.

    ``code`` is its number or name (``abc-defg-hij``), empty where the link hides it. ``url`` is the address at which its page
    opens, ``shown`` the same without secrets, for logs and files. ``secrets`` are the texts in ``url`` that let somebody in.
    """

    code: str
    url: str
    shown: str
    secrets: tuple[str, ...] = ()
