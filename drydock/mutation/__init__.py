"""Small faults in copies of the examples, each of which a test has to notice."""
