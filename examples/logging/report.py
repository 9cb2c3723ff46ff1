"""Says three things on stdout and one on stderr. Then it waits to be stopped."""

import signal
import sys

# Asked to stop, it ends the proper way: what print still holds is written first.
signal.signal(signal.SIGTERM, lambda number, frame: sys.exit())

for number in (1, 2, 3):
    print(f"report {number}")
print("no more reports", file=sys.stderr)
while True:
    signal.pause()
