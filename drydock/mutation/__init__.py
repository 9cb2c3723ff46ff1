"""Mutation testing: a test must fail for each small change in a copy of an example."""
