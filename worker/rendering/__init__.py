"""From a tape's events to its files, live, replayed or recovered: the same bytes each time.

Doors: ``renderer.Renderer``, ``replay.replay``, ``deferred`` (a renderer that is opened once the recording begins),
``output`` (names of files). Pure but for the files it writes. Floor: above stems and platforms' registry, beside contracts.
"""
