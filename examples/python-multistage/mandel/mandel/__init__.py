"""The Mandelbrot set in characters: the points are counted in C, which is why this package has to be compiled."""

import ctypes
from pathlib import Path

_points = ctypes.CDLL(str(next(Path(__file__).parent.glob("points.*.so")))).points
_points.argtypes = [ctypes.c_double] * 4 + [ctypes.c_int] * 3 + [ctypes.POINTER(ctypes.c_int)]
_points.restype = None

MOST = 200


def picture(shades: str, columns: int = 64, rows: int = 20, x: float = -0.7, y: float = 0.0, zoom: float = 1.0) -> str:
    """Draw with the characters of `shades`: the first for what runs away at once, the last for what stays."""
    width, height = 3.0 / zoom, 2.2 / zoom
    lasted = (ctypes.c_int * (columns * rows))()
    _points(x - width / 2, y + height / 2, width / (columns - 1), height / (rows - 1), columns, rows, MOST, lasted)
    least = min(lasted)
    drawn = "".join(shades[-1] if n == MOST else shades[min((n - least) // 2, len(shades) - 2)] for n in lasted)
    return "".join(drawn[at : at + columns].rstrip() + "\n" for at in range(0, len(drawn), columns))


def main() -> None:
    """The command `mandel`."""
    print(picture(" .:-=+*%@#", rows=16), end="")
