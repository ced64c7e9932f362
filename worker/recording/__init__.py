"""One call recorded live: from the launch of Chromium to the closed files.

Doors: ``session.record`` and ``session.attend``; ``outcome`` (the request and the outcome); ``observer`` (callbacks while it
runs). Floor: beside monitoring, above rendering.
"""
