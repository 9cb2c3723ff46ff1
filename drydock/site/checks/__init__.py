"""Checks of the whole site: the census of blocks, the examples, the commands in prose."""
