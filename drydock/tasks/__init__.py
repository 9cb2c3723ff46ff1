"""The tasks of the noxfile that need code."""
