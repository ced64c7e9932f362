"""Runs a measurement in a process of its own, in which nothing else weighs."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any


async def measured(module: str, *arguments: object) -> Any:
    """What the module of tests.benchmarks prints when it is run with these arguments: one JSON value."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", f"tests.benchmarks.{module}", *map(str, arguments)),
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        out, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    assert process.returncode == 0
    return json.loads(out)
