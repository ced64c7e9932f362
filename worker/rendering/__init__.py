"""Writes a recording's files from its tape's events: live, replayed or recovered, with the same bytes (pure but for the files,
and for the processes of ``parallel_mixer``).

Doors: ``renderer.Renderer``, ``replay.replay``, ``deferred`` (a renderer that is opened once the recording begins),
``output`` (names of files), ``parallel_mixer`` (the mix of a replay, on several processors). Floor: above stems and platforms'
registry, beside contracts.
"""
