"""The vendors' formats, in and out (pure): jobs of MeetStream and Recall.ai; states and results with the names of both.

Doors: ``parse_job.parse_job``, ``vendor_words.words``, ``status``, ``streams_document``. One file per vendor: ``meetstream``,
``recall``. Floor: beside rendering.
"""
