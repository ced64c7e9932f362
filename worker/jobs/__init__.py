"""A job from the queue to its result: lease, attempts, recovery, upload, reports.

Doors: ``consumer`` (jobs from SQS, or a single one), ``dispatch`` (puts a job on the queue), ``streams`` (a bot's document),
``recovery_process``. ``job_outcome`` is pure. Floor: above monitoring and recording, below the command line.
"""
