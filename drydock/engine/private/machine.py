"""A virtual machine for the examples about cgroups and processes: systemd, cgroup v2, and Debian trixie's kernel.

In it, the private engine starts and pytest runs, as on any computer with Debian. Folders of the host have the same
paths there, so evidence is written to the checkout. QEMU emulates the CPU, which needs no KVM, but is ten times slower.
``python -m drydock.engine.private.machine ARGUMENT ...`` runs pytest with the arguments; ``-- --machine`` of nox's
sessions calls it.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from drydock import ROOT, host
from drydock.engine.private import daemon, stand_ins
from drydock.engine.private.specs import ENGINE_SPECS, PREFERRED_SPEC, find_spec
from drydock.errors import DrydockError, EngineError

#: The examples to run if the arguments name none.
EXAMPLES = ("shared-kernel", "resource-limits", "runtime-stack", "vm-vs-container")
QEMU = "qemu-system-x86_64"
SUITE = "trixie"
PACKAGES = (
    *("systemd", "systemd-sysv", "dbus", "linux-image-amd64", "initramfs-tools", "zstd", "kmod", "procps"),
    *("iproute2", "iptables", "ca-certificates", "python3", "python3-venv"),
)
#: Sizes in GiB: memory of the machine, its disk, and how much of the disk is usually in use.
MEMORY, DISK, USED = 4, 32, 12
#: Seconds for the machine to start the tests, and the factor for the time limits of the tests.
BOOT_TIMEOUT, SLOWDOWN = 1200.0, "20"
#: The private engine's folder in the machine.
CACHE = "var/cache/drydock/engine"
UNIT = """\
[Unit]
Description=The tests of Drydock
SuccessAction=poweroff
FailureAction=poweroff
[Service]
Type=oneshot
ExecStart=/bin/sh -c 'mkdir /run/job && mount -t 9p -o trans=virtio,version=9p2000.L share0 /run/job && sh /run/job/run'
StandardOutput=tty
StandardError=tty
TTYPath=/dev/ttyS1
[Install]
WantedBy=multi-user.target
"""
#: Runs in the new root filesystem.
SETUP = """\
python3 -m venv /opt/drydock
/opt/drydock/bin/pip install --quiet --no-cache-dir --require-hashes --requirement /opt/requirements.txt
systemctl --quiet enable drydock.service systemd-networkd.service
systemctl --quiet mask getty@tty1.service serial-getty@ttyS0.service
echo nameserver 10.0.2.3 > /etc/resolv.conf
"""


def why_unavailable() -> str:
    """Return the reason why the machine can't start on this computer, and the way out, or ""."""
    obstacle = daemon.why_unavailable()
    if obstacle:
        return obstacle
    if platform.machine() != "x86_64":
        return f"its kernel and stand-ins are for amd64, and this computer is {platform.machine()}"
    if not shutil.which(QEMU):
        return f"there is no {QEMU}; run: apt-get install qemu-system-x86"
    lines = Path("/proc/meminfo").read_text().splitlines()
    memory = next(int(line.split()[1]) / 2**20 for line in lines if line.startswith("MemAvailable:"))
    if memory < MEMORY:
        return f"it needs {MEMORY} GiB of memory, and {memory:.1f} GiB are available; end other programs"
    folder = next(path for path in _machine_folder().parents if path.exists())
    free = shutil.disk_usage(folder).free / 2**30
    if free < USED and not list(_machine_folder().glob("*.disk")):
        return f"it needs {USED} GiB of disk, and {free:.1f} GiB are free at {folder}; free some, or set XDG_CACHE_HOME"
    return ""


def run_tests(arguments: Sequence[str]) -> int:
    """Run pytest with `arguments` in the machine, and return its exit status. What it prints comes through at once.

    :param arguments: ``--engine`` and ``--engine-programs`` choose the private engine in the machine.
    :raises EngineError: the machine can't start, doesn't boot, or ends without a result.
    """
    parser = argparse.ArgumentParser("the virtual machine", add_help=False, allow_abbrev=False)
    parser.add_argument("--engine", choices=tuple(ENGINE_SPECS))
    parser.add_argument("--engine-programs")
    options, others = parser.parse_known_args(arguments)
    obstacle = why_unavailable()
    if obstacle:
        raise EngineError(f"the virtual machine can't start: {obstacle}")
    shares, name, programs = [ROOT], options.engine or PREFERRED_SPEC, ""
    if options.engine_programs:
        programs = str(Path(options.engine_programs).resolve())
        shares, name = [ROOT, Path(programs)], ""
    if not any(argument.startswith("--example") for argument in others):
        others += [f"--example={slug}" for slug in EXAMPLES]
    if not any((ROOT / argument.partition("::")[0]).exists() for argument in others):
        others.append("tests/examples")  # those of the harness would only prove the same again, slowly
    with host.file_lock(_machine_folder() / "lock", wait=False) as held:
        if not held:
            raise EngineError("the virtual machine runs already; wait until it has ended")
        disk = _ensure_disk(name, programs)
        engine = f"--engine-programs={programs}" if programs else f"--engine={name}"
        return _boot_machine(disk, shares, ["--on-engine", engine, *others])


def _machine_folder() -> Path:
    return host.cache_folder() / "machine"


def _ensure_disk(name: str, programs: str) -> Path:
    """Make the machine's disk, unless it is up to date, with the private engine's programs and data in it."""
    spec = find_spec(name, programs)
    recipe = f"{spec} {PACKAGES} {UNIT} {SETUP} {stand_ins.recipe_digest()}".encode()
    digest = hashlib.sha256(recipe + (ROOT / "requirements.txt").read_bytes())
    disk = _machine_folder() / f"{digest.hexdigest()[:12]}.disk"
    if disk.exists():
        return disk
    for old in _machine_folder().glob("*.disk"):
        old.unlink()
    engine = daemon.start_engine(name, programs)
    data = engine.run("info", "--format", "{{.DockerRootDir}}").stdout.strip()
    daemon.stop_engine()  # or its data would change while they are copied
    host.print_status(f"making the virtual machine's disk in {_machine_folder()}")
    root = _machine_folder() / "root"
    shutil.rmtree(root, ignore_errors=True)
    try:
        _make_root(root)
        # What the host's engine has built, an emulated CPU doesn't have to build again.
        patterns = ("root-*", "programs-*", "mirror")
        copied = [data, *(path for pattern in patterns for path in daemon.engine_folder().glob(pattern))]
        (root / CACHE).mkdir(parents=True)
        _run_command("cp", "--archive", "--link", *map(str, copied), str(root / CACHE))
        _run_command("mke2fs", "-q", "-F", "-t", "ext4", "-d", str(root), f"{disk}.new", f"{DISK}G")
        Path(f"{disk}.new").rename(disk)
    finally:
        shutil.rmtree(root, ignore_errors=True)
        Path(f"{disk}.new").unlink(missing_ok=True)
    return disk


def _make_root(root: Path) -> None:
    """Unpack Debian into the folder `root`, and set it up. Its kernel is copied to the machine's folder."""
    options = ["--variant=minbase", "--aptopt=Acquire::Check-Valid-Until false", f"--include={','.join(PACKAGES)}"]
    _run_command("mmdebstrap", *options, SUITE, str(root))
    shutil.copy(stand_ins.AUTHORITIES, root / "etc/ssl/certs")
    shutil.copy(ROOT / "requirements.txt", root / "opt")
    (root / "etc/systemd/system/drydock.service").write_text(UNIT)
    (root / "etc/systemd/network/drydock.network").write_text("[Match]\nName=eth0\n[Network]\nDHCP=yes\n")
    _run_command("chroot", str(root), "sh", "-ec", SETUP)
    for name in ("vmlinuz", "initrd.img"):
        shutil.copy(next((root / "boot").glob(f"{name}-*")), _machine_folder() / name)


def _run_command(*command: str) -> None:
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    if done.returncode:
        raise EngineError(f"{' '.join(command[:3])} ... failed; its output ends:\n{_last_lines(done.stderr)}")


def _last_lines(text: str) -> str:
    return "\n".join(text.strip().splitlines()[-daemon.TAIL_LINES :])


def _boot_machine(disk: Path, shares: Sequence[Path], arguments: Sequence[str]) -> int:
    """Run the tests in the machine, and return their exit status."""
    job = _machine_folder() / "job"
    shutil.rmtree(job, ignore_errors=True)
    job.mkdir()
    (job / "run").write_text(job_script(shares, arguments))
    console = _machine_folder() / "console.log"
    host.print_status(f"booting the virtual machine; its console is in {console}")
    console.unlink(missing_ok=True)
    with console.open("ab") as log:  # QEMU's own messages are put between those of the console
        machine = subprocess.Popen(qemu_command(disk, [job, *shares]), stdin=subprocess.DEVNULL, stderr=log)
    try:
        host.wait_until(lambda: (job / "started").exists() or machine.poll() is not None, BOOT_TIMEOUT)
        if (job / "started").exists():
            machine.wait()
    finally:
        machine.kill()
        machine.wait()
    if not (job / "status").exists():
        lines = _last_lines(console.read_text(errors="replace"))
        raise EngineError(f"the virtual machine ended without a result; its console ends:\n{lines}")
    return int((job / "status").read_text())


def qemu_command(disk: Path, shares: Sequence[Path]) -> list[str]:
    """Return the command that boots the machine from `disk` and prints what the tests print.

    :param shares: folders that the machine can mount. The first one has the script to run.
    """
    folder = disk.parent
    options = ["-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", f"{MEMORY}G"]
    options += ["-nodefaults", "-no-reboot", "-display", "none"]
    options += ["-chardev", f"file,id=console,path={folder}/console.log,append=on", "-serial", "chardev:console"]
    options += ["-serial", "stdio", "-netdev", "user,id=net", "-device", "virtio-net-pci,netdev=net,romfile="]
    options += ["-drive", f"file={disk},if=virtio,format=raw,cache=unsafe", "-device", "virtio-rng-pci"]
    options += ["-kernel", f"{folder}/vmlinuz", "-initrd", f"{folder}/initrd.img"]
    options += ["-append", "root=/dev/vda rw console=ttyS0 net.ifnames=0 quiet"]
    for number, share in enumerate(shares):
        options += ["-virtfs", f"local,path={share},mount_tag=share{number},security_model=none"]
    return [QEMU, *options]


def job_script(shares: Sequence[Path], arguments: Sequence[str]) -> str:
    """Return the script that runs pytest with `arguments` in the machine, in the first of `shares`."""
    variables = {
        "HOME": "/root",
        "XDG_CACHE_HOME": "/var/cache",
        "PYTHONPYCACHEPREFIX": "/var/cache/python",  # not on the host
        "DRYDOCK_VIRTUAL": "yes",
        host.SLOWDOWN: os.environ.get(host.SLOWDOWN) or SLOWDOWN,
    }
    options = "trans=virtio,version=9p2000.L,msize=512000,cache=loose"
    mounts = [
        f"mkdir -p {shlex.quote(str(share))} && mount -t 9p -o {options} share{number} {shlex.quote(str(share))}"
        for number, share in enumerate(shares, start=1)
    ]
    command = ["env", *(f"{name}={value}" for name, value in variables.items()), "/opt/drydock/bin/python", "-m"]
    tests = [f"cd {shlex.quote(str(shares[0]))}", shlex.join([*command, "pytest", *arguments])]
    lines = ["touch /run/job/started", "set -e", *mounts, *tests[:1], "set +e", *tests[1:], "status=$?", "sync"]
    return "\n".join([*lines, "echo $status > /run/job/status", ""])


def main() -> int:
    """Run the tests in the machine, and return their exit status."""
    host.exit_on_signals()
    try:
        return run_tests(sys.argv[1:])
    except DrydockError as error:
        host.print_status(str(error))
        return 1


if __name__ == "__main__":
    sys.exit(main())
