"""The HTTP API of both vendors. Stateless: all state is in the store and the queue, so any number of servers run side by side.

Doors: ``app.build_app`` (an ASGI application), ``run_server``. Routes are in ``meetstream``, ``recall`` and ``downloads``; what
they do is in ``bots``. Below this package nothing knows of HTTP. Floor: below the command line.
"""
