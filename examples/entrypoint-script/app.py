"""Reads what the entrypoint script wrote, and works until it is asked to end."""

import signal
import sys
from pathlib import Path


def leave(number, frame):
    print(f"{signal.Signals(number).name}: saved, leaving", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
print("ready,", Path("/tmp/app.conf").read_text().strip(), flush=True)
while True:
    signal.pause()
