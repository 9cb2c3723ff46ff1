"""A web server that can fall ill: it is well while there is a file /tmp/well."""

import http.server
import pathlib
import signal
import sys

WELL = pathlib.Path("/tmp/well")


class Page(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        # An ill server still runs and answers. Only its answer is another.
        self.send_response(200 if WELL.exists() else 503)
        self.end_headers()
        self.wfile.write(b"well\n" if WELL.exists() else b"ill\n")

    # No line in the log for each probe.
    def log_message(self, *_):
        pass


signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
# With the word "cold" it is not well yet, like a server with an empty cache.
if "cold" in sys.argv:
    WELL.unlink(missing_ok=True)
else:
    WELL.touch()
# On all IPv4 addresses. None of IPv6.
server = http.server.ThreadingHTTPServer(("0.0.0.0", 8000), Page)
print("listening", flush=True)
server.serve_forever()
