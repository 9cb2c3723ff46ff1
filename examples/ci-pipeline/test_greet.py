"""Tests of greet."""

import unittest

from greet import greeting


class GreetingTest(unittest.TestCase):
    """What is said."""

    def test_names_whom_it_greets(self) -> None:
        """The name is in it."""
        said = greeting("Anne")
        assert said == "Ahoy, Anne", said
