"""Fills a cache with half of the memory: of the machine's ("host"), or of the limit ("limit")."""

import sys

import limits

limit = limits.memory()
if limit is None:
    sys.exit("no limit: this would take half of your machine; run it with --memory 64m")
whole = limits.host_memory() if sys.argv[1:] == ["host"] else limit
half = whole // 2 // limits.MIB
print(f"half of {whole // limits.MIB} MiB is {half} MiB: filling")
# A copy of bytes that are not zero, for memory counts once something has been written to it.
cache = [bytearray(b"x" * limits.MIB) for _ in range(half)]
print(f"filled with {len(cache)} MiB")
