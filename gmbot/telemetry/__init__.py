"""What is seen from outside: logs, metrics, the sidecar port."""
