"""S3 and SQS, or a folder in their place: objects, lease, queues, uploads, events, each with its retries.

Doors: ``object_store.open_store``, ``jobs_queue``, ``lease``, ``keepalive``, ``event_sinks``, ``tape_upload``,
``bucket_layout``, ``conformance``. No other package calls AWS. Floor: above roster.
"""
