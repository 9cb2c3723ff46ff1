"""The pytest plugin, and what becomes of the tests of a run."""
