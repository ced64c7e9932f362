"""``timeline.html``: one page that shows a recording, made from its manifest (pure).

Door: ``page.timeline_html``. Floor: inside rendering.
"""
