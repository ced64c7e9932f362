"""The tape: a recording's events, written to and read from MCAP parts.

Doors: ``events``, ``writer.TapeWriter``, ``reader.TapeReader``. Floor: beside audio and settings; imports only errors.
"""
