"""Keeps one CPU busy for a second, and tells how much of that second it was given."""

import time

before = time.process_time()
started = time.perf_counter()
while time.perf_counter() - started < 1:
    pass
share = (time.process_time() - before) / (time.perf_counter() - started)
print(f"had the CPU for {share:.0%} of the time")
