"""Drydock: the code that the site and the tests share.

It is read in one sitting, in this order:

``errors``      what can go wrong, each with its place and the way out
``example``     a folder under ``examples/``: its files, regions, digest and zip
``transcript``  steps of a ``.console`` file: parse, match, diff, merge, render
``evidence``    what one recorded run proved, per engine
``commands``    what an engine's command line knows, and which commands in prose it does not
``shell``       runs the steps of a transcript in one bash
``engine``      finds the engine that answers, or runs the private engine
``clihelp``     reads an engine's ``commands`` from its help
``standins``    the private engine's base images
``inventory``   what a run made on an engine, and its removal
``layers``      what an image is made of, for a picture
``testing``     the pytest plugin
``site``        the Sphinx extension

The model (the first five) knows neither pytest nor Sphinx; ``testing`` never imports Sphinx; ``site`` never
imports pytest, and runs no command.
"""

from __future__ import annotations

from pathlib import Path

#: The repository's top folder.
ROOT = Path(__file__).resolve().parent.parent
