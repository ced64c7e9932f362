"""Live streams: what is said and what happens in a call, sent to receivers while the meeting runs.

An observer of the recording like any other. The core is pure (``live_call``: events in, items out, time passed in); senders
put the items, in each vendor's form, on WebSockets and webhooks. A receiver that fails or is slow costs itself alone.
Doors: ``live_streams.LiveStreams`` for jobs, ``live_call.LiveCall`` for the core. Floor: beside recording.
"""
