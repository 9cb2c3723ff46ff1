"""What the recorded runs proved, as tables and sentences."""
