"""Reads and writes files: examples, transcripts, and evidence. It needs no engine, pytest, or Sphinx."""
