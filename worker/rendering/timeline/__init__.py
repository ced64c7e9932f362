"""``timeline.html``: one page that shows a recording, rendered from its manifest (pure).

Door: ``page.timeline_html``. Floor: inside rendering.
"""
