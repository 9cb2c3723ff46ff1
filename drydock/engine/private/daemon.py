"""The private engine: a real Docker Engine from Debian's packages, for a machine on which no engine answers.

Its programs live in a folder of their own, made by mmdebstrap. In a mount namespace that folder's ``usr`` is laid over
the host's, so that dockerd finds its own libraries while host paths keep their names and bind mounts work. The host
itself is untouched but for what a Docker Engine must have there, the bridge and the firewall's chains; both go when it
stops. Everything else is under the user's cache directory.
"""

from __future__ import annotations

import contextlib
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path

from drydock.engine.client import Engine, connect_engine
from drydock.engine.private import host_network, specs, stand_ins
from drydock.engine.private.specs import ENGINE_SPECS, FALLBACK_SPEC, PREFERRED_SPEC, EngineSpec
from drydock.errors import EngineError
from drydock.host import cache_folder, file_lock, print_status, wait_until

#: Seconds for the daemon to answer after its start, for which it reads its build cache: one of tens of gigabytes takes
#: more than a minute. And to end when asked, for which it stops every container.
TIMEOUT = 180.0
#: How many ports are tried for the mirror: another program may take one between its choice and its use.
PORT_TRIES = 5
#: Longest path of a Unix socket that Linux takes.
MAX_SOCKET_PATH = 107
#: Programs that may belong to the private engine; anything else is never signalled.
PROGRAMS = (
    *("dockerd", "containerd", "containerd-shim-runc-v2", "docker-proxy", "docker-registry", "runc"),
    *("podman", "conmon", "netavark", "aardvark-dns"),
)

# $0 is the engine's folder of programs. Mounts made on the host later still appear inside ("slave"), none comes out.
_ENTER = 'mount --bind "$0/usr" /usr && mount --bind "$0/etc/alternatives" /etc/alternatives && exec "$@"'
# For Podman, whose settings are in /etc, a folder is laid over that first. Its networks' names are in /run/containers,
# which has to be its own: with those of an engine that was killed, its name server would not start.
_OVER_ETC = (
    'mount -t overlay -o lowerdir=/etc,upperdir="$0/../etc",workdir="$0/../etc.work" overlay /etc'
    " && mkdir -p /run/containers && mount -t tmpfs tmpfs /run/containers"
)


def engine_folder() -> Path:
    """Return the private engine's folder."""
    return cache_folder() / "engine"


def why_unavailable() -> str:
    """Return why no private engine can be started on this machine, or ""."""
    if sys.platform != "linux":
        return f"a private engine needs Linux, and this is {platform.system()}"
    if os.geteuid() != 0:
        return "a private engine needs root, and you are not root"
    if not shutil.which("apt-get"):
        return "a private engine is made from Debian's packages, and there is no apt-get"
    if len(str(engine_folder() / "docker.sock")) > MAX_SOCKET_PATH:
        return f"the path {engine_folder()}/docker.sock is too long for a socket; set XDG_CACHE_HOME to a shorter one"
    return ""


def running_engine() -> Engine | None:
    """Return the private engine if it answers, else None."""
    if not _daemon_answers():
        return None
    try:
        return connect_engine(_client_environment(), private=True, mirror=_read_state().get("mirror", ""))
    except EngineError:
        return None


def start_engine(name: str = "") -> Engine:
    """Start the private engine, unless it runs, and see to its base images. Only one start at a time does the work.

    :param name: one of `KINDS`; another kind that runs is stopped first. Without it, any kind that runs will do.
    :raises EngineError: a step failed; the message has the last lines of what it printed.
    """
    with _engine_lock():
        engine = running_engine()
        if engine is not None and name not in ("", _read_state().get("kind")):
            _stop_daemon()
            engine = None
        if engine is None:
            _end_leftovers()
            kind = _fetch_programs(ENGINE_SPECS[name or PREFERRED_SPEC], fallback=not name)
            _write_client(kind)
            mirror = "" if _docker_hub_answers() else _start_mirror(kind)
            _start_daemon(kind, mirror)
            engine = connect_engine(_client_environment(), private=True, mirror=mirror)
        if engine.mirror:
            stand_ins.ensure_stand_ins(
                [engine.docker], engine.environment, engine.mirror, engine_folder() / "mirror", print_status
            )
        return engine


def stop_engine() -> None:
    """Stop the private engine and take away what it left on the host: processes, bridges, firewall chains."""
    with _engine_lock():
        if not _engine_processes() and not (engine_folder() / "before.json").exists():
            print_status("no private engine runs")
        else:
            _stop_daemon()
            print_status("private engine: stopped")


def _stop_daemon() -> None:
    pid = _daemon_pid()
    if pid:
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), TIMEOUT)
    _end_leftovers()


def remove_engine() -> None:
    """Stop the private engine and delete all its files, base images and recorded state included."""
    if engine_folder().exists():
        stop_engine()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(engine_folder())
        for name in ("history", "ledger", "locks", "proofs"):
            shutil.rmtree(cache_folder() / name, ignore_errors=True)
        for name in ("engine.lock", "history.lock", "ledger.lock"):
            (cache_folder() / name).unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            cache_folder().rmdir()
    print_status("private engine: removed")


def _client_environment() -> dict[str, str]:
    path = f"{engine_folder()}/client:{os.environ.get('PATH', os.defpath)}"
    kind = ENGINE_SPECS.get(_read_state().get("kind", PREFERRED_SPEC), ENGINE_SPECS[PREFERRED_SPEC])
    address = {
        "DOCKER_HOST": f"unix://{engine_folder()}/docker.sock",
        "DOCKER_CONFIG": str(engine_folder() / "client"),
        "PATH": path,
    }
    return {**address, **kind.client}


def _write_client(kind: EngineSpec) -> None:
    """Debian's client and its plugins run on the host as they are: they ask for an older libc than Debian 12 has."""
    client = engine_folder() / "client"
    client.mkdir(parents=True, exist_ok=True)
    usr = _programs_folder(kind) / "usr"
    (client / "docker").unlink(missing_ok=True)
    (client / "docker").symlink_to(usr / "bin/docker")
    (client / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": [f"{usr}/libexec/docker/cli-plugins"]}))


def _programs_folder(kind: EngineSpec) -> Path:
    return engine_folder() / kind.root


def _fetch_programs(kind: EngineSpec, *, fallback: bool) -> EngineSpec:
    """Make the folder of the engine's programs, unless it is there, and return the kind of engine that it has.

    :param fallback: take the second kind where the packages of `kind` cannot be had.
    """
    if _programs_folder(kind).is_dir():
        return kind
    if not shutil.which("mmdebstrap"):
        print_status("installing mmdebstrap (Debian's packages), which makes the engine's folder of programs")
        _install_packages("mmdebstrap", "debian-archive-keyring")
    print_status(f"fetching {kind.name} from Debian {kind.suite} into {_programs_folder(kind)}")
    fresh = engine_folder() / "root.new"
    shutil.rmtree(fresh, ignore_errors=True)
    # A mirror may be frozen, and its Release file past its date. Signatures are still checked.
    options = ["--variant=minbase", "--aptopt=Acquire::Check-Valid-Until false", f"--include={kind.include}"]
    command = ["mmdebstrap", *options, kind.suite, str(fresh)]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode == 0:
        fresh.rename(_programs_folder(kind))
        return kind
    said = "\n".join(done.stderr.strip().splitlines()[-15:])
    if not fallback or kind.name == FALLBACK_SPEC:
        raise EngineError(f"mmdebstrap failed on Debian {kind.suite}:\n{said}")
    print_status(f"Debian {kind.suite} cannot be had: {said.splitlines()[-1] if said else 'no reason given'}")
    return _fetch_programs(ENGINE_SPECS[FALLBACK_SPEC], fallback=False)


def _install_packages(*packages: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    for line in (["apt-get", "update"], command):
        done = subprocess.run(line, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        raise EngineError(f"{' '.join(command)} failed:\n{done.stderr.strip()[-2000:]}")


def _docker_hub_answers() -> bool:
    """Ask Docker Hub for a small image's manifest, without an engine."""
    command = [str(engine_folder() / "client/docker"), "manifest", "inspect", "busybox:1.37"]
    env = {**os.environ, **_client_environment(), "DOCKER_HOST": "unix:///nonexistent"}
    try:
        return (
            subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=15).returncode == 0
        )
    except subprocess.TimeoutExpired:
        return False


def _start_mirror(kind: EngineSpec) -> str:
    """Start the local registry that stands in for Docker Hub, and return its ``host:port``.

    :raises EngineError: it does not answer; the message has the end of its log.
    """
    for _ in range(PORT_TRIES):
        mirror = _free_port()
        pid = _spawn_program(kind, ["docker-registry", "serve", str(_registry_settings(mirror))], "registry")
        if _registry_answers(pid, f"http://{mirror}/v2/"):
            return mirror
        if not _has_ended(pid):
            break
    raise EngineError(f"the local registry does not answer:\n{_log_tail('registry')}")


def _registry_answers(pid: int, address: str) -> bool:
    """Wait until the registry answers, and say whether it does. One whose port was taken has ended: it is another's."""
    return wait_until(lambda: _has_ended(pid) or _http_answers(address), TIMEOUT) and not _has_ended(pid)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _registry_settings(mirror: str) -> Path:
    storage = engine_folder() / "mirror/registry"
    storage.mkdir(parents=True, exist_ok=True)
    settings = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": mirror},
    }
    place = engine_folder() / "mirror/registry.json"
    place.write_text(json.dumps(settings))
    return place


def _start_daemon(kind: EngineSpec, mirror: str) -> None:
    before = engine_folder() / "before.json"
    if not before.exists():
        before.write_text(json.dumps(host_network.read_network(lambda *command: _run_inside(kind, *command))))
    (engine_folder() / "state.json").write_text(json.dumps({"mirror": mirror, "kind": kind.name}))
    pid = _spawn_program(kind, specs.daemon_command(kind, engine_folder(), mirror), "daemon", over_etc=kind.podman)
    (engine_folder() / "daemon.pid").write_text(str(pid))
    wait_until(lambda: _daemon_answers() or _has_ended(pid), TIMEOUT)
    if not _daemon_answers():
        said = _log_tail("daemon")
        _stop_daemon()  # left to itself it would answer later, with a socket that is not the owner's alone
        raise EngineError(f"{kind.name} does not answer; its log ends:\n{said}")
    (engine_folder() / "docker.sock").chmod(0o600)


def _spawn_program(kind: EngineSpec, command: Sequence[str], name: str, *, over_etc: bool = False) -> int:
    """Start a program of the engine that outlives this one, with its log in a file, and return its process ID."""
    with (engine_folder() / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            _namespace_command(kind, command, over_etc=over_etc),
            env={**os.environ, "PATH": specs.PATH},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = 0  # nobody here waits for it, and Python need not warn that it goes on
    return process.pid


def _run_inside(kind: EngineSpec, *command: str) -> str:
    """Run a program of the engine's folder and return what it printed; "" when it fails."""
    env = {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}
    done = subprocess.run(
        _namespace_command(kind, command), env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    return done.stdout if done.returncode == 0 else ""


def _namespace_command(kind: EngineSpec, command: Sequence[str], *, over_etc: bool = False) -> list[str]:
    """Return the command that runs `command` in a mount namespace of the engine. Its process ID stays the same."""
    script = f"{_OVER_ETC} && {_ENTER}" if over_etc else _ENTER
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, str(_programs_folder(kind)), *command]


def _end_leftovers() -> None:
    """End what is left of the private engine and clean the host's network of it."""
    for pid in _engine_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not wait_until(lambda: not _engine_processes(), 10.0):
        raise EngineError(f"these processes of the private engine do not end: {_engine_processes()}")
    before = engine_folder() / "before.json"
    if before.exists():
        kind = ENGINE_SPECS[_read_state().get("kind", PREFERRED_SPEC)]
        if _programs_folder(kind).is_dir():
            host_network.restore_network(json.loads(before.read_text()), lambda *command: _run_inside(kind, *command))
        before.unlink()
    for name in ("docker.sock", "daemon.pid", "dockerd.pid", "state.json"):
        (engine_folder() / name).unlink(missing_ok=True)


def _engine_processes() -> list[int]:
    """Return the processes of the private engine: its programs, and whatever they started, containers included."""
    places = [place for folder in ("*bin", "lib/podman") for place in engine_folder().glob(f"root-*/usr/{folder}/*")]
    programs = {_file_identity(place) for place in places if place.name in PROGRAMS}
    parents = {}
    found = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
                if _file_identity(folder / "exe") in programs:
                    found.add(int(folder.name))
    fresh = found
    while fresh:
        fresh = {pid for pid, parent in parents.items() if parent in fresh} - found
        found = found | fresh
    return sorted(found)


def _file_identity(path: Path) -> tuple[int, int]:
    found = path.stat()
    return found.st_dev, found.st_ino


def _has_ended(pid: int) -> bool:
    """Say whether the process has ended. One that awaits its parent has."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _daemon_pid() -> int:
    with contextlib.suppress(OSError, ValueError):
        pid = int((engine_folder() / "daemon.pid").read_text())
        return pid if pid in _engine_processes() else 0
    return 0


def _daemon_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        with contextlib.suppress(OSError):
            probe.connect(str(engine_folder() / "docker.sock"))
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return probe.recv(64).startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))
    return False


def _http_answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=2) as answer:
            return bool(answer.status == 200)
    except (OSError, urllib.error.URLError):
        return False


def _log_tail(name: str) -> str:
    return "\n".join((engine_folder() / f"{name}.log").read_text(errors="replace").splitlines()[-15:])


def _read_state() -> dict[str, str]:
    with contextlib.suppress(OSError, ValueError):
        state: dict[str, str] = json.loads((engine_folder() / "state.json").read_text())
        return state
    return {}


@contextlib.contextmanager
def _engine_lock() -> Iterator[None]:
    engine_folder().mkdir(parents=True, exist_ok=True)
    engine_folder().chmod(0o700)
    with file_lock(cache_folder() / "engine.lock"):
        yield
