"""The private engine: a Docker Engine from Debian's packages, for a machine on which no other engine answers.

mmdebstrap unpacks its programs into a folder. In a mount namespace, that folder's ``usr`` covers the host's: dockerd
finds its libraries, host paths keep their names, and bind mounts work. Programs from another folder come first. On the
host, the engine changes only what every Docker Engine changes, bridges and firewall chains, and :func:`stop_engine`
removes these. All files are in the user's cache directory.
"""

from __future__ import annotations

import contextlib
import dataclasses
import json
import os
import platform
import shutil
import signal
import socket
import subprocess
import sys
import sysconfig
import urllib.request
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from drydock import store
from drydock.engine.client import Engine, connect_engine
from drydock.engine.private import host_network, programs, specs, stand_ins
from drydock.engine.private.specs import ENGINE_SPECS, FALLBACK_SPEC, PREFERRED_SPEC, EngineSpec
from drydock.errors import EngineError, MalformedError
from drydock.host import cache_folder, file_lock, print_status, scale_limit, wait_until

#: Seconds for the daemon to answer after its start: reading a build cache of tens of gigabytes takes over a minute.
#: Also for it to end after SIGTERM: it stops every container first.
TIMEOUT = 180.0
#: Seconds for killed processes to end.
KILL_TIMEOUT = 10.0
#: How many ports the mirror tries: another program may take a port between its choice and its use.
PORT_TRIES = 5
#: Longest path of a Unix socket on Linux.
MAX_SOCKET_PATH = 107
#: Lines of a log, or of a failed command's stderr, in a message.
TAIL_LINES = 15
#: Programs of the private engine. Others are never signalled.
PROGRAMS = (
    *("dockerd", "containerd", "containerd-shim-runc-v2", "docker-proxy", "docker-registry", "runc"),
    *("podman", "conmon", "netavark", "aardvark-dns"),
)

# $0 is the programs folder. "slave" lets later mounts of the host in, and none out.
_ENTER = 'mount --bind "$0/usr" /usr && mount --bind "$0/etc/alternatives" /etc/alternatives && exec "$@"'
# Podman's settings are in /etc, so an overlay goes there first. Podman's networks are in /run/containers, which has to
# be empty: with the networks of a killed engine, its name server doesn't start.
_OVERLAY_ETC = (
    'mount -t overlay -o lowerdir=/etc,upperdir="$0/../etc",workdir="$0/../etc.work" overlay /etc'
    " && mkdir -p /run/containers && mount -t tmpfs tmpfs /run/containers"
)


def engine_folder() -> Path:
    """Return the private engine's folder; it may not exist yet."""
    return cache_folder() / "engine"


def why_unavailable() -> str:
    """Return the reason why a private engine can't start on this machine, or ""."""
    if sys.platform != "linux":
        return f"a private engine needs Linux, and this is {platform.system()}"
    if os.geteuid() != 0:
        return "a private engine needs root, and you are not root"
    if not shutil.which("apt-get"):
        return "a private engine needs Debian's packages, and there is no apt-get"
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


def start_engine(name: str = "", folder: str = "", *, varied: bool = False) -> Engine:
    """Start the private engine and build its stand-ins, unless this is done. A lock keeps out other processes.

    :param name: a key of `ENGINE_SPECS`; another private engine that runs is stopped first. "" takes any that runs.
    :param folder: start the programs of this folder, with Debian's for those that it lacks; see
        :func:`~drydock.engine.private.programs.copy_programs`.
    :param varied: use variations of the stand-ins as base images; see ``base-images/variations.Dockerfile``.
    :raises EngineError: a step failed, or there are no stand-ins to vary; the message has the end of its output.
    """
    with _engine_lock():
        spec = _folder_spec(folder) if folder else ENGINE_SPECS[name or PREFERRED_SPEC]
        spec = specs.vary_bases(spec) if varied else spec
        engine = running_engine()
        if engine is not None and (name or folder or varied or _last_spec().varied) and _last_spec() != spec:
            _stop_daemon()
            engine = None
        if engine is None:
            _end_leftovers()
            spec = _ensure_programs(spec, fallback=not (name or folder))
            _write_client(spec)
            mirror = "" if _docker_hub_answers() else _start_mirror(spec)
            _start_daemon(spec, mirror)
            engine = connect_engine(_client_environment(), private=True, mirror=mirror, timeout=TIMEOUT)
        if engine.mirror:
            spec = _last_spec()
            stand_ins.ensure_stand_ins(engine, _file(spec.mirror_folder), varied=spec.varied)
        elif varied:
            raise EngineError("--vary-bases changes stand-ins, and there are none where Docker Hub answers")
        return engine


def varies_bases() -> bool:
    """Return whether the base images of the private engine that runs are variations of the stand-ins."""
    return _last_spec().varied


def stop_engine() -> None:
    """Stop the private engine and remove its traces on the host: processes, bridges, firewall chains."""
    with _engine_lock():
        if not _list_processes() and not _file("before.json").exists():
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
    """Stop the private engine and delete Drydock's cache folder: its files, its images, and the history of tests."""
    if cache_folder().exists():
        stop_engine()
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(cache_folder())
    print_status("private engine: removed")


def _file(name: str) -> Path:
    return engine_folder() / name


def _folder_spec(folder: str) -> EngineSpec:
    """Return the spec of the engine whose programs are in `folder`. It is named after the version of its dockerd."""
    copied = programs.copy_programs(Path(folder), engine_folder())
    spec = specs.find_spec("", str(copied))
    assert spec is not None
    _ensure_programs(spec, fallback=False)
    done = _run_captured(_namespace_command(spec, [str(copied / programs.DAEMON), "--version"]))
    version = programs.read_version(done.stdout + done.stderr, Path(folder))
    return dataclasses.replace(spec, name=f"docker-{version}")


def _client_environment() -> dict[str, str]:
    spec = _started_spec() or ENGINE_SPECS[PREFERRED_SPEC]
    return {
        "DOCKER_HOST": f"unix://{_file('docker.sock')}",
        "DOCKER_CONFIG": str(_file("client")),
        "PATH": f"{_file('client')}:{os.environ.get('PATH', os.defpath)}",
        **spec.client_variables,
    }


def _write_client(spec: EngineSpec) -> None:
    """Link the client, and list the folders of its plugins: Debian's run outside the mount namespace too."""
    client = _file("client")
    plugins = client / "cli-plugins"
    shutil.rmtree(plugins, ignore_errors=True)
    plugins.mkdir(parents=True)
    if spec.compose:
        _copy_compose(plugins)
    usr = _programs_folder(spec) / "usr"
    docker = Path(spec.programs, "docker")
    (client / "docker").unlink(missing_ok=True)
    (client / "docker").symlink_to(docker if spec.programs and docker.exists() else usr / "bin/docker")
    folders = [*filter(None, [spec.programs]), str(plugins), f"{usr}/libexec/docker/cli-plugins"]
    (client / "config.json").write_text(json.dumps({"cliPluginsExtraDirs": folders}))


def _copy_compose(plugins: Path) -> None:
    """Copy Compose 5, which a package of requirements.txt installs beside this Python's other commands."""
    compose = Path(sysconfig.get_path("scripts"), "docker-compose")
    if not compose.exists():
        raise EngineError(f"Compose 5 is not at {compose}; run this through nox, or: pip install -r requirements.txt")
    shutil.copy2(compose, plugins)


def _programs_folder(spec: EngineSpec) -> Path:
    return _file(spec.folder)


def _ensure_programs(spec: EngineSpec, *, fallback: bool) -> EngineSpec:
    """Make the programs folder of `spec`, unless it exists. Return the spec whose folder it is.

    :param fallback: use `FALLBACK_SPEC` if the packages of `spec` aren't available.
    """
    if _programs_folder(spec).is_dir():
        return spec
    if not shutil.which("mmdebstrap"):
        print_status("installing mmdebstrap (Debian's packages), which unpacks the engine's programs")
        _install_packages("mmdebstrap", "debian-archive-keyring")
    print_status(f"fetching {spec.name} from Debian {spec.suite} into {_programs_folder(spec)}")
    candidate = _file("root.new")
    shutil.rmtree(candidate, ignore_errors=True)
    # A snapshot of Debian's mirror can be past its expiry date. Signatures are still checked.
    options = ["--variant=minbase", "--aptopt=Acquire::Check-Valid-Until false", f"--include={spec.all_packages}"]
    done = _run_captured(["mmdebstrap", *options, spec.suite, str(candidate)])
    if done.returncode == 0:
        candidate.rename(_programs_folder(spec))
        return spec
    stderr = _last_lines(done.stderr)
    if not fallback or spec.name == FALLBACK_SPEC:
        raise EngineError(f"mmdebstrap can't unpack Debian {spec.suite}; its output ends:\n{stderr}")
    print_status(f"Debian {spec.suite} isn't available: {stderr.splitlines()[-1] if stderr else 'no reason given'}")
    return _ensure_programs(ENGINE_SPECS[FALLBACK_SPEC], fallback=False)


def _install_packages(*packages: str) -> None:
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    _run_captured(["apt-get", "update"], env)  # the installation shows whether its failure matters
    command = ["apt-get", "install", "--yes", "--no-install-recommends", *packages]
    done = _run_captured(command, env)
    if done.returncode:
        raise EngineError(f"{' '.join(command)} failed; its output ends:\n{_last_lines(done.stderr)}")


def _run_captured(command: Sequence[str], env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True)


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-TAIL_LINES:])


def _docker_hub_answers() -> bool:
    """Return whether Docker Hub serves a small image's manifest. This needs no engine."""
    command = [str(_file("client") / "docker"), "manifest", "inspect", "busybox:1.37"]
    env = {**os.environ, **_client_environment(), "DOCKER_HOST": "unix:///nonexistent"}
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=scale_limit(15))
    except subprocess.TimeoutExpired:
        return False
    return done.returncode == 0


def _start_mirror(spec: EngineSpec) -> str:
    """Start the local registry that replaces Docker Hub, and return its ``host:port``.

    :raises EngineError: it doesn't answer; the message has the end of its log.
    """
    for _ in range(PORT_TRIES):
        mirror = _free_port()
        pid = _spawn_program(spec, ["docker-registry", "serve", str(_registry_settings(spec, mirror))], "registry")
        if _registry_answers(pid, f"http://{mirror}/v2/"):
            return mirror
        if not _has_ended(pid):
            break
    raise EngineError(f"the local registry doesn't answer; its log ends:\n{_log_tail('registry')}")


def _registry_answers(pid: int, address: str) -> bool:
    """Wait for the registry, and return whether it answers. If it has ended, another program answers on its port."""
    return wait_until(lambda: _has_ended(pid) or _http_answers(address), TIMEOUT) and not _has_ended(pid)


def _free_port() -> str:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _registry_settings(spec: EngineSpec, mirror: str) -> Path:
    storage = _file(spec.mirror_folder) / "registry"
    storage.mkdir(parents=True, exist_ok=True)
    settings = {
        "version": "0.1",
        "log": {"level": "warn"},
        "storage": {"filesystem": {"rootdirectory": str(storage)}, "delete": {"enabled": True}},
        "http": {"addr": mirror},
    }
    path = _file(spec.mirror_folder) / "registry.json"
    path.write_text(json.dumps(settings))
    return path


def _start_daemon(spec: EngineSpec, mirror: str) -> None:
    if not _file("before.json").exists():
        network = host_network.read_network(lambda *command: _run_inside(spec, *command))
        store.save_json(_file("before.json"), network)
    state = {"mirror": mirror, "kind": spec.name, "programs": spec.programs}
    store.save_json(_file("state.json"), state)
    pid = _spawn_program(spec, specs.daemon_command(spec, engine_folder(), mirror), "daemon", overlay_etc=spec.podman)
    _file("daemon.pid").write_text(str(pid))
    wait_until(lambda: _daemon_answers() or _has_ended(pid), TIMEOUT)
    if not _daemon_answers():
        log = _log_tail("daemon")
        _stop_daemon()  # or it could answer later, on a socket that other users can open
        raise EngineError(f"{spec.name} doesn't answer; its log ends:\n{log}")
    _file("docker.sock").chmod(0o600)


def _spawn_program(spec: EngineSpec, command: Sequence[str], name: str, *, overlay_etc: bool = False) -> int:
    """Start a program that outlives this process, with its log in a file, and return its process ID."""
    with _file(f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            _namespace_command(spec, command, overlay_etc=overlay_etc),
            env={**os.environ, "PATH": spec.path},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    process.returncode = 0  # it outlives this process: mark it as reaped, or Popen raises a ResourceWarning
    return process.pid


def _run_inside(spec: EngineSpec, *command: str) -> str:
    """Run a program of the programs folder and return its output, or "" if it fails."""
    done = _run_captured(_namespace_command(spec, command), {**os.environ, "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"})
    return done.stdout if done.returncode == 0 else ""


def _namespace_command(spec: EngineSpec, command: Sequence[str], *, overlay_etc: bool = False) -> list[str]:
    """Return a command that runs `command` in a mount namespace with the engine's programs, under one process ID."""
    script = f"{_OVERLAY_ETC} && {_ENTER}" if overlay_etc else _ENTER
    return ["unshare", "--mount", "--propagation", "slave", "sh", "-c", script, str(_programs_folder(spec)), *command]


def _end_leftovers() -> None:
    """Kill the remaining processes of the private engine, and restore the host's network."""
    spec = _last_spec()
    for pid in _list_processes():
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    if not wait_until(lambda: not _list_processes(), KILL_TIMEOUT):
        raise EngineError(f"these processes of the private engine survive SIGKILL: {_list_processes()}")
    before = _file("before.json")
    if before.exists():
        if _programs_folder(spec).is_dir():
            network = store.load_json(dict[str, Any], before, before, "delete it and restart the machine")
            host_network.restore_network(network, lambda *command: _run_inside(spec, *command))
        before.unlink()
    for name in ("docker.sock", "daemon.pid", "dockerd.pid", "state.json"):
        _file(name).unlink(missing_ok=True)


def _last_spec() -> EngineSpec:
    """Return the spec of the engine that runs, or that ran last without being stopped.

    :raises EngineError: another checkout started an engine that this one doesn't have.
    """
    spec = _started_spec()
    if spec is None:
        name = _read_state().get("kind")
        raise EngineError(
            f"{_file('state.json')}: another checkout started the private engine {name!r}, which this one doesn't "
            "have; stop it from that checkout, or update this one and stop it here: nox -s engine -- stop"
        )
    return spec


def _started_spec() -> EngineSpec | None:
    """Return the spec that the state file names, the preferred one without a file, or None for an unknown one."""
    state = _read_state()
    return specs.find_spec(state.get("kind", PREFERRED_SPEC), state.get("programs", ""))


def _list_processes() -> list[int]:
    """Return the process IDs of the private engine's programs and of all their descendants, containers included."""
    folders = ("root-*/usr/*bin", "root-*/usr/lib/podman", "programs-*")
    paths = [path for folder in folders for path in engine_folder().glob(f"{folder}/*")]
    identities = {_file_identity(path) for path in paths if path.name in PROGRAMS}
    parents = {}
    family = set()
    for folder in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            state, parent = (folder / "stat").read_text().rpartition(")")[2].split()[:2]
            if state != "Z":
                parents[int(folder.name)] = int(parent)
                if _file_identity(folder / "exe") in identities:
                    family.add(int(folder.name))
    generation = family
    while generation:
        generation = {pid for pid, parent in parents.items() if parent in generation} - family
        family = family | generation
    return sorted(family)


def _file_identity(path: Path) -> tuple[int, int]:
    status = path.stat()
    return status.st_dev, status.st_ino


def _has_ended(pid: int) -> bool:
    """Return whether the process has ended. A zombie has."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    return True


def _daemon_pid() -> int:
    """Return the daemon's process ID, or 0. The recorded one counts only if it is a process of the engine."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(_file("daemon.pid").read_text())
        return pid if pid in _list_processes() else 0
    return 0


def _daemon_answers() -> bool:
    with socket.socket(socket.AF_UNIX) as probe:
        probe.settimeout(5)
        with contextlib.suppress(OSError):
            probe.connect(str(_file("docker.sock")))
            probe.sendall(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
            return probe.recv(64).startswith((b"HTTP/1.0 200", b"HTTP/1.1 200"))
    return False


def _http_answers(address: str) -> bool:
    with contextlib.suppress(OSError), urllib.request.urlopen(address, timeout=2) as answer:
        return bool(answer.status == 200)
    return False


def _log_tail(name: str) -> str:
    return _last_lines(_file(f"{name}.log").read_text(errors="replace"))


def _read_state() -> dict[str, str]:
    """Return the mirror and the name of the engine that was started last; empty if no engine was, or it was stopped."""
    with contextlib.suppress(MalformedError):
        return store.load_json(dict[str, str], _file("state.json"), _file("state.json"))
    return {}


@contextlib.contextmanager
def _engine_lock() -> Iterator[None]:
    engine_folder().mkdir(parents=True, exist_ok=True)
    engine_folder().chmod(0o700)
    with file_lock(cache_folder() / "engine.lock"):
        yield
