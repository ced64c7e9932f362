"""Searches outputs for a secret in every form in which it might have got there. Shares no code with what hides it."""

from __future__ import annotations

import base64
import html
import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import quote, quote_plus


def written_forms(secret: str) -> set[bytes]:
    """``secret`` as it is, percent-encoded (once, twice, in full), escaped, and in base64 at each of its three places in a
    group, with both alphabets, without the characters that depend on what is beside it too.
    """
    once = quote(secret, safe="")
    texts = {
        secret,
        once,
        quote(once, safe=""),
        quote_plus(secret),
        "".join(f"%{byte:02x}" for byte in secret.encode()),
        json.dumps(secret).strip('"') if '"' not in secret else json.dumps(secret)[1:-1],
        html.escape(secret),
    }
    forms = {text.encode() for text in texts}
    for text in texts:
        for encode in (base64.standard_b64encode, base64.urlsafe_b64encode):
            raw = text.encode()
            forms.add(encode(raw)[: len(raw) * 8 // 6])
            forms.add(encode(b"-" + raw)[2 : (1 + len(raw)) * 8 // 6])
            forms.add(encode(b"--" + raw)[3 : (2 + len(raw)) * 8 // 6])
    return forms


def found_in(content: bytes, secrets: Iterable[str]) -> Iterator[str]:
    """The secrets of which some form is in ``content``."""
    for secret in secrets:
        if any(form in content for form in written_forms(secret)):
            yield secret


def leaks(outputs: dict[str, bytes], secrets: Iterable[str]) -> list[str]:
    """One line for each output, by its name, whose name or content holds a secret."""
    wanted = list(secrets)
    return [
        f"{name}: holds {secret!r}"
        for name, content in outputs.items()
        for secret in found_in(name.encode() + b"\n" + content, wanted)
    ]


def files_in(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder`` by its path there."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
