"""Whether the bot waits, records or leaves, and why: a state machine fed with what page, roster and media show (pure).

Doors: ``state_machine.Lifecycle``, ``page_tasks.PageTasks``, ``leave_policy``, ``page_view`` and ``media_state``
(its inputs). Floor: below platforms, which produce its views.
"""
