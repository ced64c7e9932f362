"""The vendors' words, in and out (pure): jobs as MeetStream and Recall.ai word them, states and results as both name them.

Doors: ``parse_job.parse_job``, ``vendor_words.words``, ``status``, ``streams_document``. One file a vendor: ``meetstream``,
``recall``. Floor: beside rendering.
"""
