"""Waits for work, and says nothing about signals, as most programs do at first."""

import signal

print("ready", flush=True)
while True:
    signal.pause()
