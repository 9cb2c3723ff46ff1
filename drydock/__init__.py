"""Drydock: the code that the site and the tests share.

It is read in one sitting, in this order:

``errors``       what can go wrong, each with its place and the way out
``example``      a folder under ``examples/``: its files, regions, digest and zip
``transcript``   steps of a ``.console`` file: parse, match, diff, merge, render
``evidence``     what one recorded run proved, per engine
``commands``     what an engine's command line knows, and which commands in prose it does not
``versions``     what is current, and whether the examples keep to it
``coverage``     what the site covers: each topic, its section, its proof
``differences``  claims that another engine does not uphold, and why
``shell``        runs the steps of a transcript in one bash
``engine``       finds the engine that answers, or starts the private one
``private``      the private engine, with ``kinds`` of it and ``hostnet``, what it leaves on its host's network
``standins``     the private engine's base images
``inventory``    what a run made on an engine, and its removal
``record``       replays one transcript in a copy of its example, and rewrites it
``clihelp``      reads an engine's ``commands`` from its help
``builds``       what a build did, by its log; ``layers`` what an image is made of
``fixtures``     what an example's test is given
``tally``        from the tests of a run to counts and evidence; ``proofs`` what a second run need not run
``testing``      the pytest plugin
``ledger``       what became of each test and step in the last runs
``mutants``      small faults that the tests have to notice; ``trial`` tries them, with tests that ``warm`` keeps ready
``soak``         what came of running all tests again and again; ``endure`` runs them
``held``         faults and inputs that the harness itself was tried on; ``counting`` counts them
``exercises``    faults for readers to mend; ``check`` says whether they did
``site``         the Sphinx extension
``door``         nox before nox is there; ``lint`` and ``lock`` are tasks of the noxfile

The model (the first eight) knows neither pytest nor Sphinx; ``testing`` never imports Sphinx; ``site`` never
imports pytest, and runs no command.
"""

from __future__ import annotations

from pathlib import Path

#: The repository's top folder.
ROOT = Path(__file__).resolve().parent.parent
