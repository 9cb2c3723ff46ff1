"""Measures Drydock's own cost as ratios within one run, because absolute times differ from machine to machine.

The ratios are: the site to the site without evidence, the site to the same pages with pasted blocks, the harness to the
commands that it runs, and one worker to two.
"""

from __future__ import annotations

import json
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from drydock import ROOT
from drydock.model import example as examples
from drydock.site.blocks.lexer import guess_lexer

ROUNDS = 3
DIRECTIVE = re.compile(
    r"^(?P<fence>:::+)\{(?P<kind>example|transcript)\} (?P<slug>[\w-]+)/(?P<path>\S+)\n"
    r"(?P<options>(?::.*\n)*)(?P=fence)$",
    re.MULTILINE,
)
#: Directives that show evidence.
PICTURE = re.compile(r"^(:::+)\{(?:picture|compatibility|claims|totals)\}.*?^\1$", re.MULTILINE | re.DOTALL)


def wall_seconds(action: Callable[[], object]) -> float:
    """Return the wall time of `action`, in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def cpu_seconds(action: Callable[[], object]) -> float:
    """Return the processor time of the programs that `action` runs, in seconds. Other load hardly changes it."""

    def used() -> float:
        times = resource.getrusage(resource.RUSAGE_CHILDREN)
        return times.ru_utime + times.ru_stime

    began = used()
    action()
    return used() - began


def run_command(command: Sequence[str]) -> None:
    """Run a command at the repository's top; show its output only if it fails."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


#: Examples with transcripts of each kind: runs, builds, volumes, ports, signals. All would take half an hour.
REPLAYED = ("hello-container", "cache-order", "named-volume", "port-publishing", "pid1-signals")


def time_harness(folder: Path) -> tuple[float, float]:
    """Return the wall time of replaying some transcripts, and the time of their own commands."""
    results = folder / "results.json"
    picked = [f"--example={slug}" for slug in REPLAYED]
    tests = ["tests/examples/test_transcripts.py", "--on-engine", "-n", "0", f"--results={results}", *picked]
    wall = wall_seconds(lambda: run_command([sys.executable, "-m", "pytest", "-q", *tests]))
    return wall, sum(step["seconds"] for result in json.loads(results.read_text()) for step in result["steps"])


#: Examples whose tests take about the same time, because an example stays on one worker.
SHARED_OUT = ("hello-container", "build-secrets", "layer-leftovers", "non-root-user")


def time_suite(workers: int) -> float:
    """Return the wall time of the tests of some examples with `workers` workers."""
    options = ["--on-engine", "-n", str(workers), "--dist", "loadgroup", *(f"--example={slug}" for slug in SHARED_OUT)]
    return wall_seconds(lambda: run_command([sys.executable, "-m", "pytest", "-q", *options]))


def paste_blocks(text: str) -> str:
    """Return a page with its blocks pasted in as fences."""

    def fence(match: re.Match[str]) -> str:
        example = examples.load_examples()[match["slug"]]
        options = dict(re.findall(r":(\w+): (.*)", match["options"]))
        if match["kind"] == "example":
            lexer = guess_lexer(match["path"], example.read(match["path"]))
            return _fence_block(example.shown(match["path"], options.get("region")), lexer)
        names = [name.strip() for name in options.get("steps", "").split(",") if name.strip()]
        steps = example.transcript(match["path"]).pick(names)
        return _fence_block("\n".join("\n".join([f"$ {step.command}", *step.output]) for step in steps), "console")

    text = DIRECTIVE.sub(fence, text)
    text = re.sub(
        r"^(:::|```)\{example-page\} ([\w-]+)\n\1$", lambda match: _paste_example(match[2]), text, flags=re.MULTILINE
    )
    text = re.sub(
        r"^(:::|```)\{(?:examples|census|compatibility|totals|versions)\}.*?^\1$",
        "",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    return _drop_measures(PICTURE.sub("", text))


def _drop_measures(text: str) -> str:
    return re.sub(r"\{measured\}`[^`]*`", "1", text)


def _fence_block(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````"


def _paste_example(slug: str) -> str:
    """Return the blocks that the page of an example shows."""
    example = examples.load_examples()[slug]
    files = [name for name in example.files if not name.startswith("transcripts/") and name != "README.md"]
    shown = [
        f"## {name}\n\n{_fence_block(example.shown(name), guess_lexer(name, example.read(name)))}" for name in files
    ]
    for name in example.transcripts:
        text = example.read(f"transcripts/{name}.console")
        shown.append(f"## {name}\n\n{_fence_block(text, 'console')}")
    return "\n\n".join(shown)


def write_plain_site(folder: Path) -> Path:
    """Write the pages with pasted blocks, and settings without Drydock's extension, and return their folder.

    Drydock's navigation stays, because the theme's takes longer than all blocks.
    """
    source = folder / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("_build"))
    for page in source.rglob("*.md"):
        page.write_text(paste_blocks(page.read_text(encoding="utf-8")), encoding="utf-8")
    settings, count = re.subn(r'"drydock\.site"', '"drydock.site.outputs.navigation"', _read_settings())
    assert count, "conf.py no longer names the extension drydock.site"
    (folder / "conf.py").write_text(settings, encoding="utf-8")
    return folder


def write_bare_site(folder: Path) -> Path:
    """Write the site without evidence and the directives that show it, and return its folder."""
    ignore = shutil.ignore_patterns("_build")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for page in (folder / "docs").rglob("*.md"):
        page.write_text(_drop_measures(PICTURE.sub("", page.read_text(encoding="utf-8"))), encoding="utf-8")
    (folder / "conf.py").write_text(_read_settings(), encoding="utf-8")
    return folder


def _read_settings() -> str:
    """Return conf.py with the absolute path of the style sheets."""
    return (ROOT / "conf.py").read_text(encoding="utf-8").replace('"docs/_static"', f'"{ROOT}/docs/_static"')


def time_site(conf: Path, docs: Path) -> float:
    """Return the processor time of a full build of the site."""
    with tempfile.TemporaryDirectory() as out:
        options = [f"--conf-dir={conf}", "-q", f"--doctree-dir={out}/doctrees", str(docs), f"{out}/html"]
        return cpu_seconds(lambda: run_command([sys.executable, "-m", "sphinx", *options]))


def print_ratio(title: str, above: Sequence[float], below: Sequence[float], goal: str) -> None:
    """Print the median ratio of paired times, with the spread."""
    pairs = sorted(a / b for a, b in zip(above, below, strict=True))
    absolute = f"{statistics.median(above):.1f} s / {statistics.median(below):.1f} s"
    print(f"{title}: {statistics.median(pairs):.2f} ({pairs[0]:.2f} to {pairs[-1]:.2f}; {absolute}), goal {goal}")


def bench_site(folder: Path) -> None:
    """Print the cost of Drydock's blocks in a build of the site."""
    time_site(ROOT, ROOT / "docs")  # generates the examples' pages and fills the caches
    plain = write_plain_site(folder)
    times = [(time_site(ROOT, ROOT / "docs"), time_site(plain, plain / "docs")) for _ in range(ROUNDS)]
    print_ratio("site / same pages with pasted blocks", *zip(*times, strict=True), goal="at most 1.15")


def bench_harness(folder: Path) -> None:
    """Print the cost of the harness on top of its commands."""
    times = [time_harness(folder) for _ in range(ROUNDS)]
    print_ratio("harness / its commands", *zip(*times, strict=True), goal="at most 1.10")


def bench_workers(folder: Path) -> None:
    """Print the gain of a second worker."""
    time_suite(2)  # fills the engine's build cache
    times = [(time_suite(1), time_suite(2)) for _ in range(ROUNDS)]
    print_ratio("one worker / two workers", *zip(*times, strict=True), goal="as close to 2 as the engine allows")


def bench_evidence(folder: Path) -> None:
    """Print the cost of evidence and pictures in a build of the site."""
    bare = write_bare_site(folder)
    time_site(bare, bare / "docs")
    times = [(time_site(ROOT, ROOT / "docs"), time_site(bare, bare / "docs")) for _ in range(ROUNDS)]
    print_ratio("site / site without evidence", *zip(*times, strict=True), goal="at most 1.25")


BENCHES = {"evidence": bench_evidence, "site": bench_site, "harness": bench_harness, "workers": bench_workers}


def main(names: Sequence[str]) -> None:
    """Print the ratios with these names, or all."""
    for name in names or BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            BENCHES[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
