"""The preview: a site that is served, and built again on every change."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from http.client import HTTPException

import pytest
from sphinx_autobuild.build import Builder

from drydock import ROOT
from drydock.site.outputs import preview

DEADLINE = 60


class Served:
    """A preview that runs."""

    def __init__(self, process, url, log):
        self.process, self.url, self.log = process, url, log

    def page(self, name="first.html"):
        """Return a page as it is served; empty before there is one, and while it is being written."""
        try:
            with urllib.request.urlopen(f"{self.url}/{name}", timeout=5) as answer:
                return answer.read().decode()
        except (OSError, HTTPException):
            return ""

    def told(self):
        """Return what it has printed."""
        return self.log.read_text(encoding="utf-8")

    def until(self, holds):
        """Wait for what holds in the end."""
        end = time.monotonic() + DEADLINE
        while not holds():
            assert self.process.poll() is None, self.told()
            assert time.monotonic() < end, self.told()
            time.sleep(0.05)


@pytest.fixture
def served(site, tmp_path_factory):
    """Serve a small site, and end that."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    log = tmp_path_factory.mktemp("log") / "log"
    options = [f"--port={port}", "--ignore=docs/examples/*", "--conf-dir=.", "-q", "--doctree-dir=_build/doctrees"]
    command = [
        sys.executable,
        "-m",
        "drydock.site.outputs.preview",
        *options,
        "--fail-on-warning",
        "docs",
        "_build/html",
    ]
    with log.open("w") as out:
        environment = {**os.environ, "PYTHONPATH": str(ROOT)}
        process = subprocess.Popen(command, cwd=site.top, env=environment, stdout=out, stderr=subprocess.STDOUT)
    made = Served(process, f"http://127.0.0.1:{port}", log)
    try:
        made.until(lambda: "first" in made.page() and "Waiting" in made.told())
        # It begins to watch a moment after it says so: what is changed before that, it does not see.
        made.until(
            lambda: (site.top / "docs" / "probe.txt").write_text(f"{time.monotonic()}") and "probe" in made.told()
        )
        yield made
    finally:
        process.send_signal(signal.SIGINT)
        status = process.wait(DEADLINE)
    assert status == 0, made.told()


def test_edits_are_served(site, served):
    """An edited page is built in what is loaded already; a build that fails is told, and the next edit is built."""
    site.page("first", "A new line.\n\n:::{example} greeting/Dockerfile\n:::")
    served.until(lambda: "A new line." in served.page())
    served.until(lambda: "Changed: docs/first.md" in served.told())
    assert "The build failed" not in served.told()

    site.page("first", "Another.\n\n:::{example} greeting/Nowhere\n:::")
    served.until(lambda: "The build failed" in served.told())
    assert "Nowhere" in served.told()

    site.page("first", "At last.\n\n:::{example} greeting/Dockerfile\n:::")
    served.until(lambda: "At last." in served.page())
    assert "sphinx build" not in served.told()  # no new Python was asked for


def test_changed_code_is_loaded_anew(monkeypatch):
    """Where Drydock's own code is not what was loaded, a new Python builds."""
    asked = []
    monkeypatch.setattr(Builder, "__call__", lambda self, *, changed_paths: asked.append(changed_paths))
    monkeypatch.setattr(preview, "sphinx_build", lambda arguments: asked.append("here") or 0)
    warm = preview.Warm([], url_host="x", pre_build_commands=[], post_build_commands=[])

    warm(changed_paths=[])
    monkeypatch.setattr(preview, "code_version", lambda: preview.LOADED + 1)
    warm(changed_paths=["changed"])

    assert asked == ["here", ["changed"]]
