"""Waits for work. When it is asked to end, it puts things in order first."""

import signal
import sys


def leave(number, frame):
    print(f"{signal.Signals(number).name}: saved, leaving", flush=True)
    sys.exit(0)


signal.signal(signal.SIGTERM, leave)
print("ready", flush=True)
while True:
    signal.pause()
