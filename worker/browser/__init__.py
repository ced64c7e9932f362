"""Chromium, launched and watched, and the tap's Python end.

Doors: ``launch``, ``tap.Tap``, ``page_snapshot``, ``hang_detector``, ``storage_state``. Floor: below platforms.
"""
