"""A simulated Telegram on loopback, for the demo, tests and benchmarks."""
