"""Every task of the repository. CI runs these sessions only.

With nox installed: ``nox -s docs``. Without: ``python3 noxfile.py -s docs``, which sees to nox first.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sys
import webbrowser
from pathlib import Path

try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    from drydock.tasks import bootstrap

    bootstrap.enter_nox(sys.argv[1:])

from drydock.testing import passed  # below nox: without it, the door above is what this file is for

TOP = Path(__file__).resolve().parent
BUILD = TOP / "docs" / "_build"
#: Runs also what was proven.
ALL = "--all"
#: Names of a Chromium, those of Debian's packages first.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "docs", "tests", "site", "examples"]

# uv would otherwise try to download an interpreter where it does not like the one it finds.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")


def install(session: nox.Session) -> None:
    """Install the pinned requirements, and nothing that was not pinned."""
    session.install("--require-hashes", "--requirement", "requirements.txt")


def sphinx(folder: str = "html") -> list[str]:
    """Return the arguments of sphinx-build, which writes into the `folder`."""
    return [
        "--conf-dir=.",  # settings live at the top, prose in docs/
        "--fail-on-warning",
        "--keep-going",  # one build shows every warning
        "--nitpicky",  # a reference that leads nowhere is a warning
        "--show-traceback",
        f"--doctree-dir={BUILD / 'doctrees'}",  # not among the published files
        "docs",
        str(BUILD / folder),
    ]


@nox.session
def lint(session: nox.Session) -> None:
    """Check code, prose and examples without running them (the engine checks Dockerfiles and Compose files)."""
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("codespell")
    session.run("shellcheck", *scripts())
    session.run("python", "-m", "drydock.tasks.lint")


def scripts() -> list[str]:
    """Return the shell scripts of the repository, by their first line."""
    files = [path for folder in ("examples", "base-images", ".ci") for path in (TOP / folder).rglob("*")]
    first = {path: path.open("rb").readline() for path in files if path.is_file()}
    return [str(path) for path, line in first.items() if re.match(rb"#!.*\b(ba)?sh$", line.strip())]


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; warnings are errors. `-- open` shows it in the browser, `-- floor` raises the floor of blocks."""
    install(session)
    session.run("sphinx-build", *sphinx())
    page = (BUILD / "html" / "index.html").as_uri()
    session.log(f"the site is at {page}")
    if "open" in session.posargs:
        webbrowser.open(page)
    if "floor" in session.posargs:
        floor = TOP / "evidence" / "floor.json"
        census = json.loads((BUILD / "html" / "drydock-census.json").read_text(encoding="utf-8"))
        counts = json.loads(floor.read_text(encoding="utf-8")) | {"blocks": census["blocks"]}
        floor.write_text(json.dumps(counts, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@nox.session(default=False)
def epub(session: nox.Session) -> None:
    """Build the whole site as one e-book; warnings are errors."""
    install(session)
    session.run("sphinx-build", "--builder=epub", *sphinx("epub"))
    session.log(f"the e-book is {BUILD / 'epub' / 'Drydock.epub'}")


@nox.session(default=False)
def card(session: nox.Session) -> None:
    """Render docs/card.svg, which is shown with a link to the site, into docs/_static/card.png."""
    program = browser(session)
    sandbox = ["--no-sandbox"] if os.geteuid() == 0 else []  # root can have none
    options = ["--headless", *sandbox, "--hide-scrollbars", "--force-device-scale-factor=1"]
    picture = TOP / "docs" / "_static" / "card.png"
    shot = ["--window-size=1200,630", f"--screenshot={picture}", (TOP / "docs" / "card.svg").as_uri()]
    session.run(program, *options, *shot, external=True)


@nox.session
def preview(session: nox.Session) -> None:
    """Serve the site and build it again on every change, until Ctrl-C."""
    install(session)
    watched = [f"--watch={name}" for name in ("examples", "evidence", "drydock/site", "conf.py")]
    ignored = ["--ignore=docs/_build/*", "--ignore=docs/examples/*"]
    # A warning is to be read and mended here, not to end the session.
    options = [option for option in sphinx() if option != "--fail-on-warning"]
    session.run(
        "python", "-m", "drydock.site.outputs.preview", "--port=0", "--open-browser", *watched, *ignored, *options
    )


@nox.session
def tests(session: nox.Session) -> None:
    """Test Drydock's own code: harness, model, Sphinx extension. No engine is needed. `-- --all`, as `site` has it."""
    install(session)
    unless_proven(session, "tests", f"{sys.version} {passed.files_digest(sources())}", "pytest", "-n", str(workers()))


def sources() -> list[Path]:
    """Return the files of the repository, without what tools have made of them."""
    kept, made = {".ci", ".github"}, {"_build", "__pycache__"}
    found: list[Path] = []
    for folder, folders, files in os.walk(TOP):
        folders[:] = [name for name in folders if name in kept or not (name in made or name.startswith("."))]
        found += [Path(folder, name) for name in files]
    return [path for path in found if path.is_file()]  # an editor's lock may be a link to nothing


def unless_proven(session: nox.Session, name: str, rests_on: str, *command: str) -> None:
    """Run the tests called `name`, unless they passed within a day, and what they rest on is the same."""
    proof = None if session.posargs or "CI" in os.environ else passed.load_proof(name, rests_on)
    if proof:
        session.log(f"passed {passed.proof_age(proof)} ago, unchanged since; `nox -s {name} -- {ALL}` runs it again")
        return
    picked = [word for word in session.posargs if word != ALL]
    session.run(*command, *picked)
    if not picked:
        passed.save_proof(name, rests_on)


@nox.session(default=False)
def fuzz(session: nox.Session) -> None:
    """Try the properties of `tests/fuzz` on thousands of inputs that no earlier run had; `tests` tries some."""
    install(session)
    session.run("pytest", "-n", str(workers()), "--hypothesis-profile=fuzz", "tests/fuzz", *session.posargs)


@nox.session(default=False)
def faults(session: nox.Session) -> None:
    """Inject faults into runs on the engine, as `examples` does too."""
    install(session)
    session.run("pytest", "--on-engine", "tests/harness/test_faults.py", *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Drive the built site in Chromium: every page, copying, search, weight. Pictures of pages are kept.

    A site that passed within a day and has not changed since is left out: `-- --all` drives it again.
    """
    program = browser(session)
    install(session)
    session.run("sphinx-build", *sphinx())
    version = session.run(program, "--version", external=True, silent=True)
    files = [*(BUILD / "html").rglob("*"), *(TOP / "tests" / "site").glob("*.py"), TOP / "requirements.txt"]
    rests_on = f"{version} {passed.files_digest(path for path in files if path.is_file())}"
    (BUILD / "pictures").mkdir(exist_ok=True)
    kept = [f"--site={BUILD / 'html'}", f"--pictures={BUILD / 'pictures'}", f"--browser={program}"]
    unless_proven(session, "site", rests_on, "pytest", "tests/site", "-n", str(os.cpu_count() or 1), *kept)


def browser(session: nox.Session) -> str:
    """See to a browser: root on Debian gets it, as the private engine gets its packages; others are told how.

    Debian's Chromium without a screen does the same work in less time; not every release has it.
    """
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found:
        return found
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        session.error("the tests of the site need Chromium; run: sudo apt-get install chromium")
    session.log("installing chromium (Debian's package), which the tests of the site drive")
    env = {"DEBIAN_FRONTEND": "noninteractive"}
    session.run("apt-get", "update", "-qq", external=True, env=env)
    command = ["apt-get", "install", "-qq", "--yes", "--no-install-recommends"]
    packages = BROWSERS[:2]
    for package in packages:
        codes = range(256) if package != packages[-1] else [0]
        session.run(*command, package, external=True, env=env, success_codes=codes)
        if shutil.which(package):
            break
    return package


@nox.session
def examples(session: nox.Session) -> None:
    """Build, run and assert every example on a real engine. `-- slug ...` picks, `--all`, `--keep`, `--engine=NAME`.

    What passed on this engine within a day, and has not changed since, is not run again, unless by `--all` or in CI.
    """
    install(session)
    prove(session, *([] if ALL in session.posargs or "CI" in os.environ else ["--unproven"]))


@nox.session(default=False)
def record(session: nox.Session) -> None:
    """Rewrite transcripts and evidence with what a run proves. `-- slug ...` picks."""
    install(session)
    prove(session, "--record")


@nox.session(default=False)
def follow(session: nox.Session) -> None:
    """Follow the pages: type their steps in order, in one terminal, and see that nothing is left. `-- PAGE ...` picks.

    A page is called as in its address: `tutorials/first-container`. What was followed goes to evidence/followed.json.
    Unless pages are picked, what the README of each example has its reader type is typed, too.
    """
    install(session)
    session.run("sphinx-build", *sphinx())
    pages = [word for word in session.posargs if not word.startswith("-")]
    options = [word for word in session.posargs if word not in pages]
    picked = [f"--page={page}" for page in pages]
    count = min(len(pages), workers()) if pages else workers()
    command = ["pytest", "--on-engine", "-n", str(count), f"--follow={BUILD / 'html'}", *picked, *options]
    files = ["test_followed.py", *([] if pages else ["test_readmes.py"])]
    session.run(*command, *(f"tests/pages/{file}" for file in files))


@nox.session(default=False)
def begin(session: nox.Session) -> None:
    """Make a folder of your own with a page's exercise in it: `-- SLUG FOLDER`."""
    install(session)
    session.run("python", "-m", "drydock.tasks.exercise", "begin", *session.posargs)


@nox.session(default=False)
def check(session: nox.Session) -> None:
    """Run an example's claims against a folder of your own, and say which hold: `-- SLUG FOLDER`."""
    install(session)
    session.run("python", "-m", "drydock.tasks.exercise", "check", *session.posargs)


def prove(session: nox.Session, *options: str) -> None:
    """Run the tests that need an engine, for the examples named on the command line or for all."""
    slugs = [word for word in session.posargs if re.fullmatch(r"[\w-]+", word) and not word.startswith("-")]
    rest = [word for word in session.posargs if word not in (*slugs, ALL)]
    picked = [f"--example={slug}" for slug in slugs]
    count = 0 if len(slugs) == 1 else workers()
    # One example stays on one worker: its tests share what they build.
    parallel = ["-n", str(count), "--dist", "loadgroup"]
    session.run("pytest", "--on-engine", *parallel, *options, *picked, *rest)


def workers() -> int:
    """Return how many workers to use: containers wait more than they compute, so one more than there are cores."""
    return (os.cpu_count() or 1) + 1


@nox.session(default=False)
def matrix(session: nox.Session) -> None:
    """Record every example on every kind of private engine, one engine after the other. `-- slug ...` picks."""
    install(session)
    kinds = session.run(
        "python",
        "-c",
        "from drydock.engine.private.specs import ENGINE_SPECS; print(*ENGINE_SPECS)",
        silent=True,
        log=False,
    )
    for kind in reversed((kinds or "").split()):  # the preferred one last: it goes on running
        prove(session, f"--engine={kind}", "--record")


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Put small faults into copies of the examples; each has to turn a test red. `-- slug ...` picks. Takes hours.

    Where nothing has changed since the last time, only what no test noticed is tried again; `--all` tries everything.
    """
    install(session)
    # After Ctrl-C the tests take away what they made.
    command = ["python", "-m", "drydock.mutation.runner", f"--workers={workers()}", *session.posargs]
    session.run(*command, interrupt_timeout=60, terminate_timeout=60)


@nox.session(default=False)
def history(session: nox.Session) -> None:
    """Show the flakes, retried steps, and slowest tests of the last runs; `-- repeat N [slug ...]` compares N new runs.

    `--load` keeps every processor busy meanwhile, `--seed=S` repeats the order of an earlier run.
    """
    install(session)
    # After Ctrl-C the tests remove what they made.
    command = ["python", "-m", "drydock.testing.history", *session.posargs]
    session.run(*command, interrupt_timeout=60, terminate_timeout=60)


@nox.session(venv_backend="none", default=False)
def engine(session: nox.Session) -> None:
    """Look after the engine: `-- status`, `start [NAME]`, `stop`, or `remove` with all its files."""
    session.run(sys.executable, "-m", "drydock.engine", *session.posargs, external=True)


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure, as ratios within one run. `-- site`, `evidence`, `harness`, `workers` pick."""
    install(session)
    session.run("python", "tests/bench.py", *session.posargs, env={"PYTHONPATH": str(TOP)})


@nox.session(default=False)
def lock(session: nox.Session) -> None:
    """Compile requirements.txt from the groups of pyproject.toml."""
    install(session)
    session.run("python", "-m", "drydock.tasks.lock", *session.posargs)


if __name__ == "__main__":
    nox.main()
