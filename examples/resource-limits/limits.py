"""Tells what this container may use, next to what the machine has."""

import os
import resource
import shutil
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")
MIB = 2**20


# region: memory
def memory() -> int | None:
    """Return the limit on memory in bytes, or None where there is none."""
    for name in ("memory.max", "memory/memory.limit_in_bytes"):  # cgroup version 2, then 1
        if (CGROUP / name).exists():
            value = (CGROUP / name).read_text().strip()
            # No limit is "max" in version 2, and a number beyond any machine in 1.
            return None if value == "max" or int(value) > 2**60 else int(value)
    return None


# endregion: memory


def cpus() -> float | None:
    """Return how many CPUs' worth of time this container may use, or None."""
    if (CGROUP / "cpu.max").exists():
        quota, period = (CGROUP / "cpu.max").read_text().split()
    elif (CGROUP / "cpu/cpu.cfs_quota_us").exists():
        quota, period = ((CGROUP / f"cpu/cpu.cfs_{n}_us").read_text() for n in ("quota", "period"))
    else:
        return None
    return None if quota.strip() in ("max", "-1") else int(quota) / int(period)


def processes() -> int | None:
    """Return how many processes and threads there may be in this container, or None."""
    for name in ("pids.max", "pids/pids.max"):
        if (CGROUP / name).exists():
            value = (CGROUP / name).read_text().strip()
            return None if value == "max" else int(value)
    return None


def host_memory() -> int:
    """Return how many bytes of memory the machine has, which is what most programs look at."""
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def row(what: str, limit: object, unit: str = "", seen: object = "") -> None:
    shown = "no limit" if limit is None else f"{limit}{unit}"
    print(f"{what:<12}{shown:<12}{seen}{unit if seen else ''}".rstrip())


if __name__ == "__main__":
    limit = memory()
    row("", "may use", seen="sees")
    row("memory", limit and limit // MIB, " MiB", host_memory() // MIB)
    row("CPUs", cpus(), seen=os.cpu_count())
    row("processes", processes())
    row("/dev/shm", shutil.disk_usage("/dev/shm").total // MIB, " MiB")
    row("open files", resource.getrlimit(resource.RLIMIT_NOFILE)[0])
