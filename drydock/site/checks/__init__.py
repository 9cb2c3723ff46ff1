"""Checks of the whole site: the count of its blocks (the census), the examples, and the commands in sentences."""
