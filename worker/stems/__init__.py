"""Orders packets, gives each its place in meeting time, and writes it into the stems of its speakers (pure but for the files).

Doors: ``separate_stems`` (one source per packet), ``gated_stems`` (one mix of everybody), ``stem_set`` (their common protocol).
Only rendering builds them. Floor: beside platforms.
"""
