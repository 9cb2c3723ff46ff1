"""Settings and fixtures of all tests: how often Hypothesis tries a property, and small sites to build."""

from __future__ import annotations

import shutil

import pytest
from hypothesis import settings

from drydock import ROOT

# No deadline: how long one input takes says how busy the machine is. fuzz/test_fuzz_time.py asks what takes long.
settings.register_profile("quick", deadline=None, derandomize=True, database=None, max_examples=100)
settings.register_profile("fuzz", deadline=None, max_examples=5000, print_blob=True)
settings.load_profile("quick")


@pytest.fixture
def site(tmp_path):
    """Return a sound site in an empty folder."""
    from small_site import Site  # it loads Sphinx, which the examples' tests don't need

    return Site(tmp_path)


@pytest.fixture
def own_settings(site):
    """Return the site with the settings of the repository."""
    site.write("conf.py", (ROOT / "conf.py").read_text(encoding="utf-8"))
    for folder in ("docs/_static", "docs/_templates"):
        shutil.copytree(ROOT / folder, site.top / folder)
    return site
