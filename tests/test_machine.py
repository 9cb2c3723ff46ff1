"""The virtual machine, without booting it: what it needs, what it runs, and what is said if it doesn't boot."""

from __future__ import annotations

import platform
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock import ROOT, host
from drydock.engine.private import daemon, machine
from drydock.errors import EngineError


@pytest.fixture(name="computer")
def _computer(tmp_path, monkeypatch):
    """A computer on which the machine can start."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(daemon, "why_unavailable", str)
    monkeypatch.setattr(platform, "machine", lambda: "x86_64")
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=100 * 2**30))
    monkeypatch.setattr(machine, "MEMORY", 0)


def test_a_computer_that_has_all_it_needs(computer):
    """Nothing is missing, and nothing is created."""
    assert machine.why_unavailable() == ""
    assert not host.cache_folder().exists()


@pytest.mark.parametrize(
    ("module", "name", "value", "message"),
    [
        (daemon, "why_unavailable", lambda: "a private engine needs root, and you are not root", "you are not root"),
        (platform, "machine", lambda: "aarch64", "for amd64, and this computer is aarch64"),
        (shutil, "which", lambda name: None, "no qemu-system-x86_64; run: apt-get install qemu-system-x86"),
        (machine, "MEMORY", 10**6, "needs 1000000 GiB of memory, and [0-9.]+ GiB are available; end other programs"),
        (
            shutil,
            "disk_usage",
            lambda folder: SimpleNamespace(free=2**30),
            "needs 12 GiB of disk, and 1.0 GiB are free",
        ),
    ],
)
def test_what_is_missing_is_said(computer, monkeypatch, capsys, module, name, value, message):
    """Without root, amd64, QEMU, memory, or disk there is one message with the way out, and exit status 1."""
    monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(sys, "argv", ["machine"])
    with pytest.raises(EngineError, match=message):
        machine.run_tests([])

    assert machine.main() == 1
    assert capsys.readouterr().out.startswith("drydock: the virtual machine can't start: ")


def test_a_disk_that_is_there_needs_no_space(computer, monkeypatch):
    """The space is needed for a new disk only. An initrd alone is no disk."""
    monkeypatch.setattr(shutil, "disk_usage", lambda folder: SimpleNamespace(free=2**30))
    folder = host.cache_folder() / "machine"
    folder.mkdir(parents=True)
    (folder / "initrd.img").touch()
    assert "1.0 GiB are free" in machine.why_unavailable()

    (folder / "0123456789ab.disk").touch()
    assert machine.why_unavailable() == ""


def test_it_runs_once_at_a_time(computer):
    """A second run doesn't touch the disk of the first."""
    folder = host.cache_folder() / "machine"
    holder = (
        f"from pathlib import Path; from drydock import host\nwith host.file_lock(Path({str(folder / 'lock')!r})): "
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder + "print('held', flush=True); input()"],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as other:
        assert other.stdout.readline() == "held\n"
        with pytest.raises(EngineError, match="runs already"):
            machine.run_tests([])
        other.communicate("\n")


@pytest.mark.parametrize(
    ("arguments", "started", "tests"),
    [
        ([], ["--engine=docker-28.5-containerd"], [f"--example={slug}" for slug in machine.EXAMPLES]),
        (["--engine=docker-26.1", "--example=web"], ["--engine=docker-26.1"], ["--example=web"]),
        (["--engine-programs=.", "--example=web", "-x"], [f"--engine-programs={Path.cwd()}"], ["--example=web", "-x"]),
    ],
)
def test_the_arguments_choose_engine_and_tests(computer, monkeypatch, arguments, started, tests):
    """The engine is the one that is named, else the default; without an example, those about cgroups are tested."""
    calls = []
    monkeypatch.setattr(machine, "_ensure_disk", lambda *chosen: calls.append(chosen) or Path("disk.img"))
    monkeypatch.setattr(machine, "_boot_machine", lambda disk, shares, words: calls.append((shares, words)) or 0)

    assert machine.run_tests(arguments) == 0
    shares, words = calls[1]
    assert words == ["--on-engine", *started, *tests, "tests/examples"]
    assert shares == ([ROOT, Path.cwd()] if "programs" in started[0] else [ROOT])


def test_given_paths_replace_the_examples_tests(computer, monkeypatch):
    """A file or a test among the arguments is run instead of all tests of the examples."""
    monkeypatch.setattr(machine, "_ensure_disk", lambda *chosen: Path("disk.img"))
    words = []
    monkeypatch.setattr(machine, "_boot_machine", lambda disk, shares, arguments: words.extend(arguments) or 0)
    machine.run_tests(["--example=web", "tests/test_host.py::test_a"])

    assert words[-1] == "tests/test_host.py::test_a"
    assert "tests/examples" not in words


@pytest.fixture(name="boot")
def _boot(computer, monkeypatch):
    """Boot a machine that is a small program: ``boot(script)``; JOB is the folder that it shares with the host."""

    def call(script):
        folder = host.cache_folder() / "machine"
        folder.mkdir(parents=True, exist_ok=True)
        program = f"JOB={folder}/job; CONSOLE={folder}/console.log; {script}"
        monkeypatch.setattr(machine, "qemu_command", lambda disk, shares: ["sh", "-c", program])
        return machine._boot_machine(folder / "disk.img", [ROOT], ["--on-engine"])

    return call


def test_the_tests_exit_status_is_returned(boot):
    """The exit status is that of pytest in the machine, and the result of an earlier run doesn't count."""
    assert boot("touch $JOB/started; echo 5 > $JOB/status") == 5
    with pytest.raises(EngineError, match="ended without a result"):
        boot("touch $JOB/started")


def test_a_machine_that_does_not_boot(boot):
    """The message has the last lines of the console, and of QEMU's own error messages."""
    with pytest.raises(
        EngineError, match=r"without a result; its console ends:\n(.*\n)*Kernel panic[^\n]*\ncannot set up"
    ):
        boot("seq 30 >> $CONSOLE; echo 'Kernel panic - not syncing' >> $CONSOLE; echo 'cannot set up guest memory' >&2")


def test_a_machine_that_hangs_is_ended(boot, monkeypatch):
    """A machine that doesn't start the tests in time is ended."""
    monkeypatch.setattr(machine, "BOOT_TIMEOUT", 0.5)
    with pytest.raises(EngineError, match="its console ends:\nhanging"):
        boot("echo hanging >> $CONSOLE; exec sleep 600")


def test_arguments_reach_pytest_unchanged(tmp_path):
    """Each argument stays one, and the folders are mounted at their own paths, with the longer time limits."""
    arguments = ["--example=web", "-k", "one or 'two'"]
    lines = machine.job_script([tmp_path / "a b", tmp_path / "programs"], arguments).splitlines()
    command = next(shlex.split(line) for line in lines if " -m pytest " in line)

    assert command[-len(arguments) :] == arguments
    assert [shlex.split(line)[-1] for line in lines if "mount" in line] == [f"{tmp_path}/a b", f"{tmp_path}/programs"]
    assert f"DRYDOCK_SLOWDOWN={machine.SLOWDOWN}" in command
    subprocess.run(["sh", "-n"], input="\n".join(lines), text=True, check=True)


@pytest.mark.skipif(not shutil.which(machine.QEMU), reason="there is no QEMU on this computer")
def test_qemu_accepts_the_command(tmp_path):
    """QEMU itself gets as far as to load the kernel, which is none here."""
    for name in ("disk.img", "vmlinuz", "initrd.img"):
        (tmp_path / name).write_bytes(b"\0" * 4096)
    done = subprocess.run(
        [*machine.qemu_command(tmp_path / "disk.img", [tmp_path, ROOT]), "-m", "128M"],
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )

    assert done.returncode == 1
    assert "linux kernel too old" in done.stderr
