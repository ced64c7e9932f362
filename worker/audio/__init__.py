"""Formats and codecs: Opus, RED, WebM, WAV, decoding and mixing.

Doors: ``opus``, ``red``, ``webm``, ``wav``, ``decoder``, ``mixer``. PyAV and numpy are used only here. Floor: beside tape.
"""
