"""Run by ``make chaos`` only: each test takes half a minute."""

from __future__ import annotations

import os

if "MEETSTEMS_CHAOS" not in os.environ:
    collect_ignore_glob = ["test_*.py"]
