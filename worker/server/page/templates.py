"""Templates, and how what they show is made harmless.

Names, messages and links are other people's words. Each value that a template shows passes ``printable`` (no control or
direction characters) and is escaped; the Content-Security-Policy then allows no script but ours.
"""

from __future__ import annotations

import hashlib
from functools import cache
from importlib.resources import files
from typing import Any, Final

from jinja2 import Environment, PackageLoader, StrictUndefined
from litestar import MediaType, Response
from litestar.datastructures import Cookie
from markupsafe import Markup

from worker.platforms.links import LONGEST_LINK
from worker.safe_text import printable

LONGEST_TEXT: Final = LONGEST_LINK
"""Characters of a value that are shown: nothing that people write is longer than a link may be."""

_ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript", "icon.svg": "image/svg+xml"}


def harmless(value: Any) -> Any:
    """What a template shows in place of ``value``; it is escaped afterwards."""
    return (
        printable(value, LONGEST_TEXT) if isinstance(value, str) and not isinstance(value, Markup) else value
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("worker.server.page"),
        autoescape=True,
        finalize=harmless,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def render(template: str, **values: Any) -> str:
    """The template filled in. It also has ``version``, which changes with the style and the script."""
    return _environment().get_template(template).render(version=asset_version(), **values)


def page(
    template: str,
    *,
    base: str,
    media_origin: str = "",
    status: int = 200,
    cookies: list[Cookie] | None = None,
    headers: dict[str, str] | None = None,
    **values: Any,
) -> Response[str]:
    """An answer with a whole page. ``base``: this server's path; ``media_origin``: where else files are, empty: nowhere."""
    return Response(
        render(template, base=base, **values),
        status_code=status,
        media_type=MediaType.HTML,
        headers={**page_headers(media_origin), **(headers or {})},
        cookies=cookies,
    )


def page_headers(media_origin: str = "") -> dict[str, str]:
    """The headers of each page: nothing from elsewhere, no script or style in the page itself, no frame around it."""
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        f"media-src 'self' {media_origin}".rstrip()
        + "; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
    )
    return {"Content-Security-Policy": policy, **COMMON_HEADERS}


COMMON_HEADERS: Final = {
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    # Not no-referrer: browsers would send "Origin: null" with our own forms.
    "Referrer-Policy": "same-origin",
    "X-Content-Type-Options": "nosniff",
}


def asset(name: str) -> tuple[bytes, str] | None:
    """A file that pages load, and its media type; None: there is none of this name."""
    kind = _ASSETS.get(name)
    return None if kind is None else (_read(name), kind)


@cache
def asset_version() -> str:
    """Changes whenever a file that pages load does, so that browsers may keep it for good."""
    return hashlib.sha256(b"".join(map(_read, _ASSETS))).hexdigest()[:12]


@cache
def _read(name: str) -> bytes:
    return files("worker.server.page").joinpath("assets", name).read_bytes()
