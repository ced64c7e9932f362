"""What operators see of a worker: metrics, health, logs, memory; and of the queues, which no worker sees.

Doors: ``metrics.Metrics``, ``health.HealthServer``, ``logs.configure_logging``, ``memory.memory_in_use``,
``queue_watch.QueueWatch``. Floor: beside recording, which knows nothing of it.
"""
