"""Measures Drydock's own cost, as ratios within one run; absolute times differ from machine to machine.

Prints four ratios: the site over the site without evidence, the site over the same pages with their blocks pasted in
as plain fences, the harness over the commands that it runs, and one worker over two.
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


#: What is drawn from evidence.
PICTURE = re.compile(r"^(:::+)\{(?:picture|compatibility|claims|totals)\}.*?^\1$", re.MULTILINE | re.DOTALL)


def seconds(action: Callable[[], object]) -> float:
    """Return the wall time of `action`, in seconds."""
    began = time.perf_counter()
    action()
    return time.perf_counter() - began


def busy(action: Callable[[], object]) -> float:
    """Return the processor time of the programs that `action` ran, in seconds: what waits for nothing is told by it."""

    def used() -> float:
        times = resource.getrusage(resource.RUSAGE_CHILDREN)
        return times.ru_utime + times.ru_stime

    began = used()
    action()
    return used() - began


def run(command: Sequence[str]) -> None:
    """Run a command of the repository; its output is shown only when it fails."""
    done = subprocess.run(command, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, text=True)
    if done.returncode:
        sys.exit(f"{' '.join(command)}\n{done.stdout[-3000:]}{done.stderr[-3000:]}")


#: Examples whose transcripts are of each kind: runs, builds, volumes, ports, signals. All would take half an hour.
REPLAYED = ("hello-container", "cache-order", "named-volume", "port-publishing", "pid1-signals")


def harness(folder: Path) -> tuple[float, float]:
    """Return the wall time of a replay of some transcripts, and the time that their own commands took."""
    results = folder / "results.json"
    picked = [f"--example={slug}" for slug in REPLAYED]
    tests = ["tests/examples/test_transcripts.py", "--on-engine", "-n", "0", f"--results={results}", *picked]
    wall = seconds(lambda: run([sys.executable, "-m", "pytest", "-q", *tests]))
    return wall, sum(step["seconds"] for result in json.loads(results.read_text()) for step in result["steps"])


#: Examples whose tests take about the same time, for one example stays on one worker.
SHARED_OUT = ("hello-container", "build-secrets", "layer-leftovers", "non-root-user")


def suite(workers: int) -> float:
    """Return the wall time of the tests of some examples with so many workers."""
    options = ["--on-engine", "-n", str(workers), "--dist", "loadgroup", *(f"--example={slug}" for slug in SHARED_OUT)]
    return seconds(lambda: run([sys.executable, "-m", "pytest", "-q", *options]))


def pasted(text: str) -> str:
    """Return a page with its blocks pasted in as fences."""

    def fence(found: re.Match[str]) -> str:
        example = examples.load_examples()[found["slug"]]
        options = dict(re.findall(r":(\w+): (.*)", found["options"]))
        if found["kind"] == "example":
            lexer = guess_lexer(found["path"], example.read(found["path"]))
            return _fenced(example.shown(found["path"], options.get("region")), lexer)
        names = [name.strip() for name in options.get("steps", "").split(",") if name.strip()]
        steps = example.transcript(found["path"]).pick(names)
        return _fenced("\n".join("\n".join([f"$ {step.command}", *step.output]) for step in steps), "console")

    text = DIRECTIVE.sub(fence, text)
    text = re.sub(r"^(:::|```)\{example-page\} ([\w-]+)\n\1$", lambda found: _whole(found[2]), text, flags=re.MULTILINE)
    text = re.sub(
        r"^(:::|```)\{(?:examples|census|compatibility|totals|versions)\}.*?^\1$",
        "",
        text,
        flags=re.MULTILINE | re.DOTALL,
    )
    return _unmeasured(PICTURE.sub("", text))


def _unmeasured(text: str) -> str:
    return re.sub(r"\{measured\}`[^`]*`", "1", text)


def _fenced(text: str, language: str) -> str:
    return f"````{language}\n{text}\n````"


def _whole(slug: str) -> str:
    """Return all blocks that the page of an example shows."""
    example = examples.load_examples()[slug]
    files = [name for name in example.files if not name.startswith("transcripts/") and name != "README.md"]
    shown = [f"## {name}\n\n{_fenced(example.shown(name), guess_lexer(name, example.read(name)))}" for name in files]
    for name in example.transcripts:
        text = example.read(f"transcripts/{name}.console")
        shown.append(f"## {name}\n\n{_fenced(text, 'console')}")
    return "\n\n".join(shown)


def plain_site(folder: Path) -> Path:
    """Write the site's pages with pasted blocks, and settings without Drydock's extension, and return their folder.

    The list of pages is made as the site makes it: the theme's would take longer than all blocks.
    """
    source = folder / "docs"
    shutil.copytree(ROOT / "docs", source, ignore=shutil.ignore_patterns("_build"))
    for page in source.rglob("*.md"):
        page.write_text(pasted(page.read_text(encoding="utf-8")), encoding="utf-8")
    settings, found = re.subn(r'"drydock\.site"', '"drydock.site.outputs.navigation"', _settings())
    assert found, "conf.py no longer names the extension as this expects"
    (folder / "conf.py").write_text(settings, encoding="utf-8")
    return folder


def bare_site(folder: Path) -> Path:
    """Write the site without evidence and what is drawn from it, and return its folder."""
    ignore = shutil.ignore_patterns("_build")
    for name in ("docs", "examples"):
        shutil.copytree(ROOT / name, folder / name, ignore=ignore)
    for page in (folder / "docs").rglob("*.md"):
        page.write_text(_unmeasured(PICTURE.sub("", page.read_text(encoding="utf-8"))), encoding="utf-8")
    (folder / "conf.py").write_text(_settings(), encoding="utf-8")
    return folder


def _settings() -> str:
    """Return conf.py, with the style sheets where they are."""
    return (ROOT / "conf.py").read_text(encoding="utf-8").replace('"docs/_static"', f'"{ROOT}/docs/_static"')


def site(conf: Path, docs: Path) -> float:
    """Return the processor time of a build of the site from nothing, which waits for nothing."""
    with tempfile.TemporaryDirectory() as out:
        options = [f"--conf-dir={conf}", "-q", f"--doctree-dir={out}/doctrees", str(docs), f"{out}/html"]
        return busy(lambda: run([sys.executable, "-m", "sphinx", *options]))


def ratio(title: str, above: Sequence[float], below: Sequence[float], goal: str) -> None:
    """Print the median ratio of paired times, with the spread."""
    pairs = sorted(a / b for a, b in zip(above, below, strict=True))
    absolute = f"{statistics.median(above):.1f} s / {statistics.median(below):.1f} s"
    print(f"{title}: {statistics.median(pairs):.2f} ({pairs[0]:.2f} to {pairs[-1]:.2f}; {absolute}), goal {goal}")


def bench_site(folder: Path) -> None:
    """Print what Drydock's blocks cost the build of the site."""
    site(ROOT, ROOT / "docs")  # writes the examples' pages, and warms the caches
    plain = plain_site(folder)
    times = [(site(ROOT, ROOT / "docs"), site(plain, plain / "docs")) for _ in range(ROUNDS)]
    ratio("site / same pages with pasted blocks", *zip(*times, strict=True), goal="at most 1.15")


def bench_harness(folder: Path) -> None:
    """Print what the harness adds to the commands that it runs."""
    times = [harness(folder) for _ in range(ROUNDS)]
    ratio("harness / its commands", *zip(*times, strict=True), goal="at most 1.10")


def bench_workers(folder: Path) -> None:
    """Print what a second worker gains."""
    suite(2)  # builds what is not in the engine's cache yet
    times = [(suite(1), suite(2)) for _ in range(ROUNDS)]
    ratio("one worker / two workers", *zip(*times, strict=True), goal="as near to 2 as the engine lets it")


def bench_evidence(folder: Path) -> None:
    """Print what evidence, and the pictures drawn from it, cost the build of the site."""
    bare = bare_site(folder)
    site(bare, bare / "docs")
    times = [(site(ROOT, ROOT / "docs"), site(bare, bare / "docs")) for _ in range(ROUNDS)]
    ratio("site / site without evidence", *zip(*times, strict=True), goal="at most 1.25")


BENCHES = {"evidence": bench_evidence, "site": bench_site, "harness": bench_harness, "workers": bench_workers}


def main(names: Sequence[str]) -> None:
    """Print the ratios called `names`, or all."""
    for name in names or BENCHES:
        with tempfile.TemporaryDirectory() as folder:
            BENCHES[name](Path(folder))


if __name__ == "__main__":
    main(sys.argv[1:])
