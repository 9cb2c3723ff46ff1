"""Blocks on a page: their directives, captions and code."""
