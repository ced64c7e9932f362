"""Who is in a call, whose a source is, and who is said to speak (pure).

Doors: ``roster``, ``decoder`` (what a platform's decoder offers), ``changes``, ``sources``, ``speaking``. Floor: above tape.
"""
