"""Compiles requirements.txt: three groups, each pinned exactly and with hashes, from pyproject.toml."""

from __future__ import annotations

import re
import subprocess
import sys

from drydock import ROOT

#: Group of pyproject.toml -> the comment above its part.
GROUPS = {
    "site": "the site: nox -s docs, and hosted doc builders",
    "tests": "tests and linters that need no engine",
    "engine": "tests on an engine",
}
HEADER = "# Pinned with hashes. Made by: nox -s lock. Edit the groups in pyproject.toml instead.\n"


def compiled(group: str) -> dict[str, str]:
    """Return the pinned requirements of a group of pyproject.toml: first line -> all its lines, hashes included."""
    command = ["uv", "pip", "compile", "pyproject.toml", f"--group={group}", "--universal", "--generate-hashes"]
    command += ["--no-header", "--no-annotate", "--quiet", "--python-version=3.11"]
    text = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True).stdout
    blocks = re.findall(r"^\S.*(?:\n .*)*", text, re.MULTILINE)
    return {block.partition("\n")[0]: block for block in blocks}


def main() -> int:
    """Write requirements.txt. The last group holds all, so its versions are those of the groups before it."""
    parts, seen = [HEADER], set[str]()
    everything = compiled("engine")
    for group, comment in GROUPS.items():
        fresh = {head: block for head, block in compiled(group).items() if head not in seen}
        strangers = [head for head in fresh if head not in everything]
        if strangers:
            sys.exit(f"the groups of pyproject.toml disagree on {', '.join(strangers)}")
        seen |= set(fresh)
        parts.append(f"# {group}: {comment}\n" + "\n".join(fresh.values()) + "\n")
    (ROOT / "requirements.txt").write_text("\n".join(parts), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
