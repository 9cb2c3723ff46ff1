"""A private engine with programs from a folder: which are taken, and what is wrong with a folder."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest

from drydock.engine.__main__ import main as engine_main
from drydock.engine.private import daemon, programs
from drydock.engine.private.specs import ENGINE_SPECS, PREFERRED_SPEC, find_spec
from drydock.errors import EngineError


@pytest.fixture(name="folder")
def _folder(tmp_path):
    """A folder with a dockerd that prints its version, Compose as a plugin, and a file that is no program."""
    folder = tmp_path / "docker"
    (folder / "cli-plugins").mkdir(parents=True)
    for name in ("dockerd", "cli-plugins/docker-compose"):
        (folder / name).write_text('#!/bin/sh\necho "Docker version 30.1.2, build 0123abc"\n')
        (folder / name).chmod(0o755)
    (folder / "README").write_text("no program")
    return folder


def test_programs_are_copied_once(folder, tmp_path):
    """Programs and plugins are copied into one folder; the same ones are not copied again, changed ones are."""
    copied = programs.copy_programs(folder, tmp_path)
    assert sorted(path.name for path in copied.iterdir()) == ["docker-compose", "dockerd"]
    assert os.access(copied / "dockerd", os.X_OK)

    (copied / "dockerd").unlink()
    assert programs.copy_programs(folder, tmp_path) == copied
    assert not (copied / "dockerd").exists()

    (folder / "dockerd").write_text("#!/bin/sh\necho other\n")
    assert programs.copy_programs(folder, tmp_path) != copied


def test_a_folder_without_dockerd_is_an_error(folder, tmp_path):
    """An empty folder, one that isn't there, and a file each get a message with the folder and the way out."""
    (folder / "dockerd").unlink()
    with pytest.raises(EngineError, match=r"docker: no dockerd in this folder; unpack Docker's static binaries"):
        programs.copy_programs(folder, tmp_path)
    with pytest.raises(EngineError, match=r"absent: no dockerd in this folder"):
        programs.copy_programs(tmp_path / "absent", tmp_path)
    with pytest.raises(EngineError, match=r"README: Not a directory; give a folder"):
        programs.copy_programs(folder / "README", tmp_path)


def test_a_program_that_cannot_be_executed_is_an_error(folder, tmp_path):
    """The message has the command that makes it executable."""
    (folder / "dockerd").chmod(0o644)
    with pytest.raises(EngineError, match=r"dockerd: not executable; run: chmod \+x .*/dockerd"):
        programs.copy_programs(folder, tmp_path)


@pytest.mark.parametrize(
    ("printed", "problem"),
    [
        ("sh: 1: exec: dockerd: Exec format error\n", "for another architecture: sh: 1: exec: dockerd: Exec"),
        ("dockerd: error while loading shared libraries: libx.so\n", "a version of Docker: dockerd: error while"),
        ("Docker version dev, build HEAD\n", "doesn't print a version of Docker: Docker version dev, build HEAD"),
        ("", "it printed nothing"),
    ],
)
def test_a_version_that_is_not_readable_is_an_error(folder, printed, problem):
    """What dockerd printed is in the message, and another architecture is named as the reason."""
    with pytest.raises(EngineError, match=problem):
        programs.read_version(printed, folder)


@pytest.mark.parametrize("printed", ["Docker version 30.1.2, build 0123abc", "Docker version v30.1.2-rc.1"])
def test_a_version_is_read(folder, printed):
    """The version is that without a pre-release's suffix."""
    assert programs.read_version(printed, folder) == "30.1.2"


def test_the_engine_is_named_after_its_daemon(folder, tmp_path, monkeypatch):
    """Its client and daemon are looked for in the folder first, and Debian's come after it."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(daemon, "_ensure_programs", lambda spec, fallback: spec)
    monkeypatch.setattr(daemon, "_namespace_command", lambda spec, command: command)
    spec = daemon._folder_spec(str(folder))
    daemon._write_client(spec)
    config = json.loads((daemon.engine_folder() / "client" / "config.json").read_text())

    assert spec.name == "docker-30.1.2"
    assert spec.path.startswith(f"{spec.programs}:")
    assert spec == find_spec(spec.name, spec.programs)
    assert config["cliPluginsExtraDirs"][0] == spec.programs
    assert config["cliPluginsExtraDirs"][-1].endswith("usr/libexec/docker/cli-plugins")
    assert (daemon.engine_folder() / "client" / "docker").readlink().match("usr/bin/docker")  # the folder has none


def test_compose_5_is_in_the_client(tmp_path, monkeypatch):
    """The client has Compose from PyPI where the spec asks for it, and a message where it isn't installed."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    daemon._write_client(ENGINE_SPECS[PREFERRED_SPEC])
    plugins = daemon.engine_folder() / "client" / "cli-plugins"
    assert [path.name for path in plugins.iterdir()] == ["docker-compose"]

    daemon._write_client(ENGINE_SPECS["docker-26.1"])
    assert list(plugins.iterdir()) == []

    monkeypatch.setattr(daemon.sysconfig, "get_path", lambda kind: str(tmp_path))
    with pytest.raises(EngineError, match=r"Compose 5 is not at .*; run this through nox"):
        daemon._write_client(ENGINE_SPECS[PREFERRED_SPEC])


def test_one_engine_is_chosen(capsys):
    """A name and a folder contradict each other."""
    with pytest.raises(SystemExit):
        engine_main(["start", "docker-26.1", "--engine-programs=/opt"])
    assert "not both" in capsys.readouterr().err
    with pytest.raises(SystemExit):
        engine_main(["stop", "--engine-programs=/opt"])
    assert "stop takes no engine" in capsys.readouterr().err


def test_the_wheel_has_compose():
    """The package of requirements.txt that carries Compose puts it where the client takes it from."""
    assert Path(shutil.which("docker-compose", path=daemon.sysconfig.get_path("scripts"))).stat().st_size > 1_000_000
