"""Google Meet: its link, pages, roster and call.

Doors, for the registry and open_call alone: ``call``, ``link``, ``roster``, ``signs``. ``signs`` is the table of all that is
relied on in Meet's pages. Floor: inside platforms.
"""
