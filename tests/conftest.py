"""How often Hypothesis tries a property: some inputs, the same in every run; many other ones in `nox -s fuzz`."""

from __future__ import annotations

from hypothesis import settings

# No deadline: how long one input takes says how busy the machine is. fuzz/test_fuzz_time.py asks what takes long.
settings.register_profile("quick", deadline=None, derandomize=True, database=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile("quick")
