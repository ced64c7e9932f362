"""Settings of all tests."""

from __future__ import annotations

import os
from urllib.request import getproxies_environment

from hypothesis import settings

# Tests talk to servers on this machine only, which a proxy cannot reach.
for scheme in getproxies_environment():
    for variable in (f"{scheme}_proxy", f"{scheme}_proxy".upper()):
        os.environ.pop(variable, None)

# CI must not fail by chance on unchanged code; developers' runs look for new cases.
settings.register_profile("repeatable", derandomize=True, deadline=None)
settings.register_profile("exploring", deadline=None)
settings.load_profile("repeatable" if os.environ.get("CI") else "exploring")
