"""Connects to a container engine, and lists and removes its resources."""

from drydock.engine.client import Engine

__all__ = ["Engine"]
