"""Mutation testing: each small fault in a copy of an example has to make a test fail."""
