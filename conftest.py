"""Loads Drydock's own plugin and fixtures."""

pytest_plugins = ["drydock.testing", "drydock.fixtures"]
