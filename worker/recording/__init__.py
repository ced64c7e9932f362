"""One call recorded live: from the launch of Chromium to the closed files.

Doors: ``session.record`` and ``session.attend``; ``outcome`` (what is asked for and what came of it, pure); ``observer`` (who
watches). Floor: beside monitoring, above rendering.
"""
