"""The code that the site and the tests share: a ground, a public face for tests, and seven rooms.

ground (``errors``, ``host``, ``store``): imported by all, imports nothing above.
face (``fixtures``, ``builds``, ``layers``): what an example's test may use.

``model``     files only: examples, transcripts, evidence, and the tables about them
``engine``    one engine and what is on it; ``engine.private`` starts one from Debian's packages
``replay``    runs the steps of a transcript or a page
``testing``   the pytest plugin, results, history
``mutation``  faults that a test has to notice
``site``      the Sphinx extension
``tasks``     what only nox calls
"""

from __future__ import annotations

from pathlib import Path

#: The repository's top folder.
ROOT = Path(__file__).resolve().parent.parent
