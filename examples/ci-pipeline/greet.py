"""Greets."""


def greeting(name: str) -> str:
    """Return what to say to somebody."""
    return f"Ahoy, {name}"


if __name__ == "__main__":
    print(greeting("world"))
