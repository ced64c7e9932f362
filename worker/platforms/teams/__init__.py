"""Microsoft Teams: its link, pages, roster, speaking hints and call.

Doors, for the registry and open_call alone: ``call``, ``link``, ``main_channel``, ``roster``, ``signs``. ``signs`` is the
table of all that is relied on in Teams' pages. Floor: inside platforms.
"""
