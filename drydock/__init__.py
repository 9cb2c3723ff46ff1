"""The code that the site and the tests share: base modules, modules for the examples' tests, and seven packages.

Base modules (``errors``, ``host``, ``store``): every package may import them, and they import no package.
For the examples' tests (``fixtures``, ``builds``, ``layers``): what such a test uses.

``model``     reads and writes files: examples, transcripts, evidence, and the settings in tests/examples/<slug>.toml
``engine``    connects to an engine and lists its resources; ``engine.private`` starts one from Debian's packages
``replay``    runs the steps of a transcript or a page
``testing``   the pytest plugin, test results, and their history
``mutation``  mutation tests: makes small changes in copies of examples and runs the tests on them
``site``      the Sphinx extension
``tasks``     code that only the noxfile calls

``tests/test_tree.py`` checks which package may import which.
"""

from __future__ import annotations

from pathlib import Path

#: The repository's top folder.
ROOT = Path(__file__).resolve().parent.parent
