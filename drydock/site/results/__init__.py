"""The results of the recorded runs, as tables and sentences."""
