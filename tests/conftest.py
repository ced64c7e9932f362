"""Settings of all tests."""

from __future__ import annotations

import os

from hypothesis import settings

# CI must not fail by chance on unchanged code; developers' runs look for new cases.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable" if os.environ.get("CI") else "exploring")
