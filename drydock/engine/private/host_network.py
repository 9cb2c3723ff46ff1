"""The changes that a Docker Engine makes to the host's network, and how to undo them: bridges, firewall, forwarding."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

#: Runs one of the engine's programs and returns its output, or "" if it failed.
Run = Callable[..., str]

FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")
BRIDGE = re.compile(r"docker0|docker_gwbridge|br-[0-9a-f]{12}|veth[0-9a-f]{7}")
#: Rules of an engine: they name its chains or bridges, or protect a port that is published on loopback.
RULE = re.compile(rf"\bDOCKER|{BRIDGE.pattern}|-d (?:127\.0\.0\.1/32|::1/128) ! -i lo .* -j DROP")
FIREWALLS = ("iptables", "ip6tables")
TABLES = ("raw", "mangle", "nat", "filter")


def read_network(run: Run) -> dict[str, Any]:
    """Return the links, forwarding, and firewall rules of the host. Call it before the engine starts."""
    return {
        "links": _list_links(run),
        "forwarding": FORWARDING.read_text().strip(),
        "rules": {f"{wall} {table}": _list_rules(run, wall, table) for wall in FIREWALLS for table in TABLES},
    }


def restore_network(before: dict[str, Any], run: Run) -> None:
    """Remove the bridges and firewall rules that an engine added since `before`. Other rules stay."""
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


def _restore_table(run: Run, wall: str, table: str, before: Sequence[str]) -> None:
    added = [rule for rule in _list_rules(run, wall, table) if rule not in before]
    for rule in added:
        if rule.startswith("-A ") and RULE.search(rule):
            run(wall, "-t", table, "-D", *_split_rule(rule)[1:])
    chains = [rule.split()[1] for rule in added if rule.startswith("-N DOCKER")]
    for action in ("-F", "-X"):
        for chain in chains:
            run(wall, "-t", table, action, chain)
    for policy in _changed_policies(before, added):
        run(wall, "-t", table, *policy.split())


def _changed_policies(before: Sequence[str], added: Sequence[str]) -> list[str]:
    """Return the policies (``-P FORWARD ACCEPT``) of `before` whose chains have another one now."""
    changed = {rule.split()[1] for rule in added if rule.startswith("-P ")}
    return [rule for rule in before if rule.startswith("-P ") and rule.split()[1] in changed]


def _split_rule(rule: str) -> list[str]:
    """Split a rule into arguments. A comment in quotation marks is one argument."""
    return [argument.strip('"') for argument in re.findall(r'"[^"]*"|\S+', rule)]
