"""Files only: examples, transcripts, evidence, and the tables about them. Knows no engine, no pytest, no Sphinx."""
