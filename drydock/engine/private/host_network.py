"""What a Docker Engine changes in the host's network, and its undoing: bridges, firewall chains, forwarding."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

#: Runs a command of the engine's own programs and returns what it printed; "" when it failed.
Run = Callable[..., str]

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|veth[0-9a-f]{7}")
#: How a rule of an engine is known: by its chains, by its bridges, or as the guard of a port published on loopback.
RULE = re.compile(rf"\bDOCKER|{BRIDGE.pattern}|-d (?:127\.0\.0\.1/32|::1/128) ! -i lo .* -j DROP")
FIREWALLS = ("iptables", "ip6tables")
TABLES = ("raw", "mangle", "nat", "filter")


def read_network(run: Run) -> dict[str, Any]:
    """Return the state of the host's network as far as an engine touches it, before the engine starts."""
    return {
        "links": _list_links(run),
        "forwarding": FORWARDING.read_text().strip(),
        "rules": {f"{wall} {table}": _list_rules(run, wall, table) for wall in FIREWALLS for table in TABLES},
    }


def restore_network(before: dict[str, Any], run: Run) -> None:
    """Take away the bridges and firewall rules that came since `before` and are an engine's.

    Rules of others, made since or earlier, stay.
    """
    for wall in FIREWALLS:
        for table in TABLES:
            _restore_table(run, wall, table, before["rules"][f"{wall} {table}"])
    for link in _list_links(run):
        if BRIDGE.fullmatch(link) and link not in before["links"]:
            run("ip", "link", "delete", link)
    if FORWARDING.read_text().strip() != before["forwarding"]:
        FORWARDING.write_text(before["forwarding"])
    for folder in Path("/sys/fs/cgroup").glob("*/docker"):
        with contextlib.suppress(OSError):
            folder.rmdir()


def _list_links(run: Run) -> list[str]:
    return sorted(line.split(": ")[1].partition("@")[0] for line in run("ip", "-oneline", "link").splitlines())


def _list_rules(run: Run, wall: str, table: str) -> list[str]:
    return run(wall, "-t", table, "-S").splitlines()


def _restore_table(run: Run, wall: str, table: str, before: list[str]) -> None:
    fresh = [rule for rule in _list_rules(run, wall, table) if rule not in before]
    chains = [rule.split()[1] for rule in fresh if rule.startswith("-N DOCKER")]
    for rule in fresh:
        if rule.startswith("-A ") and RULE.search(rule):
            run(wall, "-t", table, "-D", *_split_rule(rule)[1:])
    for chain in chains:
        run(wall, "-t", table, "-F", chain)
    for chain in chains:
        run(wall, "-t", table, "-X", chain)
    for rule in before:
        if rule.startswith("-P ") and any(now.startswith(rule.rsplit(" ", 1)[0] + " ") for now in fresh):
            run(wall, "-t", table, *rule.split())


def _split_rule(rule: str) -> list[str]:
    return [word.strip('"') for word in re.findall(r'"[^"]*"|\S+', rule)]
