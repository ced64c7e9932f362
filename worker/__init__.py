"""meetstems: one worker process joins one call and records each speaker apart.

Floors, from the top; imports go down only (pyproject.toml holds the contracts, docs/architecture.md the reasons)::

    cli
    jobs
    monitoring | recording
    rendering | contracts
    stems | platforms
    manifest | lifecycle | browser | delivery
    roster
    tape | audio | settings
    errors | reasons | states | safe_text | iso_time
"""
