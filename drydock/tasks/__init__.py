"""What only nox calls."""
