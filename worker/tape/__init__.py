"""The tape: a recording's events, and how they are written to and read from MCAP parts.

Doors: ``events``, ``writer.TapeWriter``, ``reader.TapeReader``. Floor: beside audio and settings; imports errors alone.
"""
