"""The pytest plugin, the results of a run, and their history."""
