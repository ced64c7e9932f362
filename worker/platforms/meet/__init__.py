"""Google Meet: its link, pages, roster and call.

Doors, for the registry and open_call alone: ``call``, ``link``, ``roster``, ``signs``. ``signs`` is the table of everything
in Meet's pages that the package relies on. Floor: inside platforms.
"""
