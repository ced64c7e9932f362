"""Microsoft Teams: its link, pages, roster, speaking hints and call.

Doors, for the registry and open_call alone: ``call``, ``link``, ``main_channel``, ``roster``, ``signs``. ``signs`` is the
table of everything in Teams' pages that the package relies on. Floor: inside platforms.
"""
