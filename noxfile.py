"""The tasks of the repository. CI runs these sessions only.

With nox installed: ``nox -s docs``. Without: ``python3 noxfile.py -s docs``, which installs nox first.
"""

from __future__ import annotations

import difflib
import os
import shutil
import sys
import webbrowser
from collections.abc import Iterable
from pathlib import Path

try:
    import nox
except ModuleNotFoundError:
    if __name__ != "__main__":
        raise
    from drydock.tasks import bootstrap

    bootstrap.enter_nox(sys.argv[1:])

from nox.command import CommandFailed

TOP = Path(__file__).resolve().parent
BUILD = TOP / "docs" / "_build"
#: Names of a Chromium's command, those of Debian's packages first.
BROWSERS = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
#: Options of pytest whose value is an argument by itself.
VALUED = ("-k", "-m", "-n", "-o", "-p", "-W", "--engine", "--engine-programs", "--maxfail")
#: Containers wait more than they compute, so one worker more than there are cores.
WORKERS = (os.cpu_count() or 1) + 1

nox.needs_version = ">=2025.5.1"
nox.options.default_venv_backend = "uv|virtualenv"
nox.options.reuse_venv = "yes"
nox.options.error_on_missing_interpreters = True
nox.options.sessions = ["lint", "docs", "tests", "site", "examples"]

# uv would otherwise try to download another interpreter than the one that runs nox.
os.environ.setdefault("UV_PYTHON_DOWNLOADS", "never")


def install(session: nox.Session) -> None:
    """Install the pinned requirements and nothing else."""
    session.install("--require-hashes", "--requirement", "requirements.txt")


def reject_unknown(session: nox.Session, words: Iterable[str], known: Iterable[str]) -> None:
    """End the session if one of the `words` isn't known, and name the nearest one that is."""
    names = sorted(known)
    for word in words:
        if word not in names:
            nearest = difflib.get_close_matches(word, names, n=1, cutoff=0.5)
            # Nox ends the message with a period.
            hint = f"did you mean {nearest[0]}" if nearest else f"known ones: {', '.join(names) or 'none'}"
            session.error(f"unknown argument {word!r}; {hint}")


def select_tests(session: nox.Session, option: str, known: Iterable[str]) -> list[str]:
    """Return the session's arguments for pytest: names from `known` as values of `option`, the rest unchanged."""
    names, arguments = set(known), list[str]()
    for before, word in zip(["", *session.posargs], session.posargs, strict=False):
        if word in names and before not in VALUED:
            word = f"{option}={word}"
        elif not (word.startswith("-") or before in VALUED or (TOP / word.partition("::")[0]).exists()):
            reject_unknown(session, [word], names)
        arguments.append(word)
    return arguments


def build_site(session: nox.Session, builder: str = "html") -> None:
    """Build the site; warnings are errors, and are shown again at the end."""
    warnings = BUILD / f"{builder}-warnings.txt"
    BUILD.mkdir(exist_ok=True)
    warnings.unlink(missing_ok=True)
    try:
        session.run("sphinx-build", f"--builder={builder}", f"--warning-file={warnings}", "-W", *sphinx(builder))
    except CommandFailed:
        session.error(f"the site has faults:\n{warnings.read_text(encoding='utf-8') if warnings.exists() else ''}")


def sphinx(builder: str) -> list[str]:
    """Return the arguments of sphinx-build and sphinx-autobuild."""
    return [
        "--conf-dir=.",  # settings are at the top, prose in docs/
        "--keep-going",  # one build shows all warnings
        "--nitpicky",  # a reference without a target is a warning
        "--show-traceback",
        f"--doctree-dir={BUILD / 'doctrees' / builder}",  # not among the published files
        "docs",
        str(BUILD / builder),
    ]


@nox.session
def lint(session: nox.Session) -> None:
    """Check code, prose, and the examples' files. No engine is needed.

    `-- weekly` also fails if a row of docs/reference/versions.toml hasn't been checked for too long, or the backlog of
    words to avoid can shrink. `-- language` only counts these words; `language FILE ...` lists them, `language shrink`
    shrinks the backlog.
    """
    language, paths = ["python", "tests/language.py"], {"PYTHONPATH": str(TOP)}
    if session.posargs[:1] == ["language"]:
        install(session)
        session.run(*language, *session.posargs[1:], env=paths)
        return
    reject_unknown(session, session.posargs, ["weekly", "language"])
    install(session)
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")
    session.run("mypy")
    session.run("codespell")
    session.run(*language, "check", *(f"--{word}" for word in session.posargs), env=paths)
    session.run("python", "-m", "drydock.tasks.lint", *(f"--{word}" for word in session.posargs))


@nox.session
def docs(session: nox.Session) -> None:
    """Build the site; warnings are errors. `-- open`, `preview`, `links`, `floor`.

    `open` shows the site in the browser; `preview` serves it, and rebuilds it on every change until Ctrl-C; `links`
    checks the links to other sites; `floor` sets the floor of blocks to those of the site.
    """
    reject_unknown(session, session.posargs, ["open", "preview", "links", "floor"])
    install(session)
    if "preview" in session.posargs:
        watched = [f"--watch={name}" for name in ("examples", "evidence", "drydock", "conf.py")]
        generated = ["--ignore=docs/_build/*", "--ignore=docs/examples/*"]
        session.run("sphinx-autobuild", "--port=0", "--open-browser", *watched, *generated, *sphinx("html"))
        return
    if "links" in session.posargs:
        build_site(session, "linkcheck")
        return
    if "floor" in session.posargs:
        session.run("sphinx-build", *sphinx("html"))  # without -W, because the floor may be too high
        session.run("python", "-m", "drydock.tasks.floor", str(BUILD / "html"))
    build_site(session)
    page = (BUILD / "html" / "index.html").as_uri()
    session.log(f"the site is at {page}")
    if "open" in session.posargs:
        webbrowser.open(page)


@nox.session
def tests(session: nox.Session) -> None:
    """Test Drydock's code without an engine. Arguments go to pytest, such as `--hypothesis-profile=fuzz tests/fuzz`."""
    install(session)
    session.run("pytest", "-n", str(WORKERS), *session.posargs)


@nox.session
def site(session: nox.Session) -> None:
    """Test the built site in Chromium: pages, copy buttons, search, size. Screenshots are in docs/_build/pictures."""
    browser = find_browser(session)
    install(session)
    build_site(session)
    pictures = BUILD / "pictures"
    pictures.mkdir(exist_ok=True)
    options = [f"--site={BUILD / 'html'}", f"--pictures={pictures}", f"--browser={browser}"]
    files = [] if any("/" in word for word in session.posargs) else ["tests/site"]
    session.run("pytest", "-n", str(os.cpu_count() or 1), *options, *files, *session.posargs)


def find_browser(session: nox.Session) -> str:
    """Return the command of a Chromium. Root gets it on Debian; not every release has the first package, the faster."""
    browser = None
    for package in ("", *BROWSERS[:2]):
        if not browser and package and os.geteuid() == 0 and shutil.which("apt-get"):
            env = {"DEBIAN_FRONTEND": "noninteractive"}
            for command in (["update", "-qq"], ["install", "-qq", "--yes", "--no-install-recommends", package]):
                session.run("apt-get", *command, external=True, env=env, success_codes=range(256))
        browser = browser or next(filter(None, map(shutil.which, BROWSERS)), None)
    if browser is None:
        session.error("the tests of the site need Chromium; run: sudo apt-get install chromium")
    return browser


@nox.session
def examples(session: nox.Session) -> None:
    """Build, run, and test examples on an engine. `-- SLUG ...`, `--all`, `--keep`, `--engine=NAME`, pytest's options.

    Without SLUG or `--all`, and outside CI, it skips what passed on this engine within a day and hasn't changed since.
    """
    whole = "--all" in session.posargs or "CI" in os.environ
    run_on_engine(session, "--all", *([] if whole else ["--unproven"]))


@nox.session(default=False)
def record(session: nox.Session) -> None:
    """Run examples, and rewrite their transcripts and evidence. `-- SLUG ...`, `--every-engine`, `--machine`.

    `--machine` runs them in a virtual machine with systemd and cgroup v2, by default those about cgroups and processes.
    """
    engines: list[str] = []
    if "--every-engine" in session.posargs:
        from drydock.engine.private.specs import ENGINE_SPECS

        engines = [f"--engine={name}" for name in reversed(ENGINE_SPECS)]  # the default one last: it keeps running
    for engine in engines or [""]:
        run_on_engine(session, "--every-engine", "--record", *filter(None, [engine]))


def run_on_engine(session: nox.Session, own: str, *options: str) -> None:
    """Run the tests that need an engine, with `options` and the session's arguments but its `own` one."""
    slugs = [folder.name for folder in (TOP / "examples").iterdir() if folder.is_dir()]
    picked = [word for word in select_tests(session, "--example", slugs) if word != own]
    install(session)
    one = sum(word.startswith("--example=") for word in picked) == 1
    # The tests of an example stay on one worker, because they share what they build.
    command = ["pytest", "--on-engine", "-n", "0" if one else str(WORKERS), "--dist", "loadgroup"]
    if "--machine" in picked:
        picked.remove("--machine")
        command = ["python", "-m", "drydock.engine.private.machine"]
    session.run(*command, *options, *picked)


@nox.session(default=False)
def follow(session: nox.Session) -> None:
    """Run the commands of each page and each README in order, in one shell. `-- PAGE ...` selects pages.

    A page is named as in its address, such as `tutorials/first-container`.
    """
    pages = [str(page.relative_to(TOP / "docs").with_suffix("")) for page in (TOP / "docs").rglob("*.md")]
    picked = select_tests(session, "--page", pages)
    install(session)
    build_site(session)
    count = sum(word.startswith("--page=") for word in picked)
    files = ["tests/pages/test_followed.py", *([] if count else ["tests/pages/test_readmes.py"])]
    workers = min(count or WORKERS, WORKERS)
    session.run("pytest", "--on-engine", "-n", str(workers), f"--follow={BUILD / 'html'}", *files, *picked)


@nox.session(default=False)
def exercise(session: nox.Session) -> None:
    """Begin or check an exercise: `-- begin SLUG FOLDER`, `-- check SLUG FOLDER`."""
    reject_unknown(session, session.posargs[:1], ["begin", "check", "--help"])
    install(session)
    session.run("python", "-m", "drydock.tasks.exercise", *session.posargs)


@nox.session(default=False)
def engine(session: nox.Session) -> None:
    """Manage the engine: `-- status`, `start [NAME]`, `start --engine-programs=FOLDER`, `stop`, `remove` its files."""
    reject_unknown(session, session.posargs[:1], ["status", "start", "stop", "remove", "--help"])
    install(session)
    session.run("python", "-m", "drydock.engine", *session.posargs)


@nox.session(default=False)
def mutants(session: nox.Session) -> None:
    """Run mutation tests: a test must fail for each small fault in an example. `-- SLUG ...`, `--all`. Takes hours."""
    install(session)
    command = ["python", "-m", "drydock.mutation.runner", f"--workers={WORKERS}", *session.posargs]
    session.run(*command, interrupt_timeout=60, terminate_timeout=60)  # the tests clean up after Ctrl-C


@nox.session(default=False)
def history(session: nox.Session) -> None:
    """Report flaky, retried, and slow tests of the last runs. `-- repeat N [SLUG ...]` first runs tests N times."""
    reject_unknown(session, session.posargs[:1], ["repeat", "--help"])
    install(session)
    command = ["python", "-m", "drydock.testing.history", *session.posargs]
    session.run(*command, interrupt_timeout=60, terminate_timeout=60)  # the tests clean up after Ctrl-C


@nox.session(default=False)
def bench(session: nox.Session) -> None:
    """Measure Drydock's own overhead as ratios. `-- evidence`, `site`, `harness`, `workers`."""
    reject_unknown(session, session.posargs, ["evidence", "site", "harness", "workers"])
    install(session)
    session.run("python", "tests/bench.py", *session.posargs, env={"PYTHONPATH": str(TOP)})


if __name__ == "__main__":
    nox.main()
