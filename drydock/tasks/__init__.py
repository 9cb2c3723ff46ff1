"""Code that only the noxfile calls: the linter of the examples, the exercises, the floor, and the setup of nox."""
