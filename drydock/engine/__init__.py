"""One container engine and what is on it."""

from drydock.engine.client import Engine

__all__ = ["Engine"]
