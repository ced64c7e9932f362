"""Packets to tracks: each packet put in order, given its place in meeting time, and written into the stems it belongs to (pure
but for the files).

Doors: ``separate_stems`` (one source a packet), ``gated_stems`` (one mix of everybody), ``stem_set`` (what both offer). Only
rendering builds them. Floor: beside platforms.
"""
