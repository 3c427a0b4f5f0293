"""The guarded group of tests/guard, for the flows in it."""

from tests.guard.conftest import logs, town, town_options

__all__ = ["logs", "town", "town_options"]
