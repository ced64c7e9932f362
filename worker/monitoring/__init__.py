"""What operators see of a worker: metrics, health, logs, memory.

Doors: ``metrics.Metrics``, ``health.HealthServer``, ``logs.configure_logging``, ``memory.memory_in_use``. Floor: beside
recording, which knows nothing of it.
"""
