"""A page with a picture of the Mandelbrot set, as text: look closer with /?x=-0.745&y=0.11&zoom=40"""

import os
import signal
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

import look
import mandel


class Page(BaseHTTPRequestHandler):
    # region: pages
    def do_GET(self) -> None:
        url = urlsplit(self.path)
        if url.path == "/health":
            self.answer(200, "ok\n")
        elif url.path == "/":
            try:
                place = {key: float(value) for key, value in parse_qsl(url.query)}
                self.answer(200, mandel.picture(look.SHADES, **place) + signature())
            except (TypeError, ValueError, ArithmeticError) as error:
                self.answer(400, f"{error}\n")
        else:
            self.answer(404, "There is no such page.\n")

    # endregion: pages

    def answer(self, status: int, text: str) -> None:
        body = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def signature() -> str:
    return f"drawn by process {os.getpid()}, user {os.getuid()}\n"


# region: serve
def stop(signum: int, frame: object) -> None:
    # Process 1 ignores a signal that it has no answer to.
    print("stopping", flush=True)
    sys.exit()


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, stop)
    # On all interfaces: 127.0.0.1 would be the container's alone.
    ThreadingHTTPServer(("0.0.0.0", 8000), Page).serve_forever()
# endregion: serve
