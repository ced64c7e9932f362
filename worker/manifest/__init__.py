"""``audio_streams.json``: its schema, and how it is assembled, named and merged (pure).

Doors: ``schema``, ``assemble.assemble_manifest``, ``merge.merge_attempts``. Floor: above roster.
"""
