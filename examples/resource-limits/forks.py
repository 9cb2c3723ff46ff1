"""Starts processes that do nothing, until it may start no more or there are 200."""

import os
import signal

children: list[int] = []
try:
    while len(children) < 200:
        child = os.fork()
        if not child:
            signal.pause()
        children.append(child)
    print(f"started {len(children)}, and nothing was in the way")
except OSError as error:
    print(f"started {len(children)}, then: {error.strerror}")
for child in children:
    os.kill(child, signal.SIGKILL)
