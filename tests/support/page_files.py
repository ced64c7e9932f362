"""The files that a timeline page links to and plays."""

from __future__ import annotations

import re
from html import unescape

_LINK = re.compile(r'<a href="([^"]+)" download>')
_CLIP = re.compile(r'"url":"([^"]+)"')


def files_of_page(page: bytes) -> set[str]:
    """Relative to the page, or whole URLs."""
    text = page.decode()
    return {unescape(url) for url in _LINK.findall(text)} | set(_CLIP.findall(text))
