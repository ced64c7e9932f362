"""Who is in a call, who owns each audio source, and the platform's hints of who speaks (pure).

Doors: ``roster``, ``decoder`` (protocol of a platform's decoder), ``changes``, ``sources``, ``speaking``, ``voice``.
Floor: above tape.
"""
