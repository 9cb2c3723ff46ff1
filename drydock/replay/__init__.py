"""Runs the steps of a transcript or of a page on an engine."""
