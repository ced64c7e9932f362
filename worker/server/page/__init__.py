"""The page at ``/``: the bots of a workspace, a form to send one, and a page for each of them. Works without JavaScript.

Door: ``routes.page_router``. ``sessions`` says who is signed in, ``views`` what is shown of a bot, ``live`` what changes while
somebody looks; ``templates`` escapes all of it. Floor: inside server.
"""
