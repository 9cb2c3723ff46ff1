"""The private engine's mirror, daemon, and state, without an engine: the registry and the daemon are small programs."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import sys
import time
from pathlib import Path

import pytest

from drydock.engine.private import daemon as private, specs
from drydock.engine.private.specs import ENGINE_SPECS, PREFERRED_SPEC
from drydock.errors import EngineError
from drydock.testing import history
from drydock.testing.history import RunRecord

#: Listens where its settings say, and answers as a registry does.
REGISTRY = """
import http.server, json, sys
host, _, port = json.load(open(sys.argv[1]))["http"]["addr"].rpartition(":")

class Answer(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()

http.server.HTTPServer.allow_reuse_address = False
http.server.HTTPServer((host, int(port)), Answer).serve_forever()
"""


class Machine:
    """A machine on which another program takes the port of the mirror first, so many times."""

    def __init__(self, really):
        self._really = really
        self.taken = 0
        self.ports, self.pids, self._strangers = [], [], []

    def spawn(self, kind, command, name):
        """Start the registry, maybe after a stranger took its port."""
        settings = json.loads(Path(command[-1]).read_text())
        self.ports.append(settings["http"]["addr"])
        if len(self.ports) <= self.taken:
            stranger = socket.create_server(("127.0.0.1", int(self.ports[-1].rpartition(":")[2])))
            self._strangers.append(stranger)
        self.pids.append(self._really(kind, command, name))
        return self.pids[-1]

    def end(self):
        """End what was started."""
        for stranger in self._strangers:
            stranger.close()
        for pid in self.pids:
            os.kill(pid, signal.SIGKILL)  # not reaped yet, so the ID is not reused
            os.waitpid(pid, 0)


@pytest.fixture(name="machine")
def _machine(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(
        private, "_namespace_command", lambda kind, words, **_: [sys.executable, "-c", REGISTRY, words[-1]]
    )
    machine = Machine(private._spawn_program)
    monkeypatch.setattr(private, "_spawn_program", machine.spawn)
    yield machine
    machine.end()


@pytest.mark.parametrize("taken", [0, 3])
def test_the_mirror_takes_another_port(machine, taken):
    """If another program takes the port between its choice and its use, the mirror soon gets another one."""
    machine.taken = taken
    began = time.monotonic()

    assert private._start_mirror(ENGINE_SPECS[PREFERRED_SPEC]) == machine.ports[-1]
    assert len(machine.ports) == taken + 1
    assert time.monotonic() - began < private.TIMEOUT / 2


def test_a_registry_without_a_port_is_an_error(machine):
    """After some tries, the message has the end of the registry's log; nothing waits for the timeout."""
    machine.taken = 99
    began = time.monotonic()

    with pytest.raises(EngineError, match=r"(?s)the local registry doesn't answer; .*Address already in use"):
        private._start_mirror(ENGINE_SPECS[PREFERRED_SPEC])
    assert len(machine.ports) == private.PORT_TRIES
    assert time.monotonic() - began < private.TIMEOUT / 2


def test_a_daemon_that_does_not_answer_is_ended(tmp_path, monkeypatch):
    """Left alone, it could answer later, on a socket that other users can open."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    daemon = private.engine_folder() / f"root-{ENGINE_SPECS[PREFERRED_SPEC].suite}" / "usr" / "sbin" / "dockerd"
    daemon.parent.mkdir(parents=True)
    shutil.copy(shutil.which("sleep"), daemon)
    monkeypatch.setattr(private, "_namespace_command", lambda kind, words, **_: [str(daemon), "60"])
    monkeypatch.setattr(private.host_network, "read_network", lambda run: {})
    monkeypatch.setattr(private.host_network, "restore_network", lambda before, run: None)
    monkeypatch.setattr(private, "TIMEOUT", 0.5)
    started = []
    monkeypatch.setattr(
        private, "_log_tail", lambda name: started.extend(private._list_processes()) or "its last words"
    )

    with pytest.raises(EngineError, match=r"doesn't answer; its log ends:\nits last words"):
        private._start_daemon(ENGINE_SPECS[PREFERRED_SPEC], "")
    assert len(started) == 1
    assert private._list_processes() == []
    assert not (private.engine_folder() / "state.json").exists()


def test_the_state_of_a_newer_checkout_is_an_error(tmp_path, monkeypatch):
    """A state file that names an unknown engine gives a message with the way out, before any process is ended."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    private.engine_folder().mkdir(parents=True)
    state = private.engine_folder() / "state.json"
    state.write_text('{"kind": "docker-99.1", "mirror": ""}')
    (private.engine_folder() / "before.json").write_text("{}")
    monkeypatch.setattr(private, "_list_processes", lambda: pytest.fail("processes are looked for"))

    with pytest.raises(EngineError, match=r"state\.json: another checkout started .*'docker-99\.1'.*engine -- stop"):
        private._end_leftovers()
    assert state.exists()


@pytest.mark.parametrize("text", ["", "{", "[]", "[[[", '{"kind": 3}'])
def test_a_broken_state_file_counts_as_none(tmp_path, monkeypatch, text):
    """Nothing is known of an engine whose state file is broken: it is cleaned up as the default one."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    private.engine_folder().mkdir(parents=True)
    (private.engine_folder() / "state.json").write_text(text)

    assert private._read_state() == {}
    assert private._last_spec() == ENGINE_SPECS[PREFERRED_SPEC]


def test_remove_leaves_nothing(tmp_path, monkeypatch, capsys):
    """What runs keep in the cache folder is removed with the engine; without a folder, nothing fails."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    history.save_run(RunRecord("0123abcd", "docker-28.5", "2026-11-28T00:00:00+00:00"))
    private.remove_engine()
    private.remove_engine()

    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().out.endswith("drydock: private engine: removed\n")


def test_variations_have_their_own_data_and_registry():
    """An engine with variations is found by its name, and shares only the programs with the engine that it is of."""
    plain = ENGINE_SPECS[PREFERRED_SPEC]
    varied = specs.vary_bases(plain)

    assert specs.find_spec(varied.name) == varied
    assert specs.find_spec(f"unknown{specs.VARIED}") is None
    assert (varied.varied, plain.varied) == (True, False)
    assert varied.folder == plain.folder
    assert varied.mirror_folder != plain.mirror_folder
    assert varied.name != plain.name
