"""Loads Drydock's own plugins and fixtures."""

pytest_plugins = ["drydock.testing", "drydock.counting", "drydock.fixtures"]
