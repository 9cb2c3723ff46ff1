"""The fixtures for tests of examples."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, TypeVar

import pytest

from drydock import host
from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.errors import EngineError
from drydock.model import example as examples
from drydock.model.evidence import Measure, Row, Table, median_rows
from drydock.model.example import Example
from drydock.testing.plugin import SESSION, file_slug
from drydock.testing.results import report_facts

#: The number of runs of a recorded timing.
RUNS = 3

Answer = TypeVar("Answer")


def until(ask: Callable[[], Answer], what: str, seconds: float = 30) -> Answer:
    """Call `ask` until its answer is true, and return that: ``until(lambda: docker("logs", c).stdout, "a line")``.

    :param what: the awaited event, for the message.
    :raises pytest.fail.Exception: there was none within `seconds`; the message has the last answer.
    """
    answer = host.wait_until(ask, seconds)
    if not answer:
        pytest.fail(f"not within {host.scale_limit(seconds):g} s: {what}; the last answer was {answer!r}")
    return answer


@pytest.fixture(scope="session")
def engine(pytestconfig: pytest.Config) -> Engine:
    """The engine under test."""
    return pytestconfig.stash[SESSION].engine


@pytest.fixture(scope="session")
def docker(engine: Engine) -> Callable[..., subprocess.CompletedProcess[str]]:
    """Run ``docker ARGS`` on the engine: ``docker("ps", check=True, input=None, timeout=60)``."""

    def call(
        *args: str, check: bool = True, input: str | None = None, timeout: float = 120
    ) -> subprocess.CompletedProcess[str]:
        return engine.run(*args, check=check, text=input, timeout=timeout)

    return call


@pytest.fixture(scope="session")
def only_docker(engine: Engine) -> Callable[[str], None]:
    """Skip a claim that doesn't hold on Podman, with the reason: ``only_docker("Podman has no ...")``."""

    def call(reason: str) -> None:
        if engine.facts["name"] == "Podman":
            pytest.skip(reason)

    return call


@pytest.fixture
def needs(engine: Engine) -> Callable[[str, str, str], None]:
    """Skip a claim that requires a newer engine or plugin: ``needs("buildx", "0.14", "older ones do not ...")``.

    The part is ``version``, ``compose``, or ``buildx``.
    """

    def call(part: str, least: str, reason: str) -> None:
        version = engine.facts[part]
        if _parse_version(version) < _parse_version(least):
            pytest.skip(f"{reason} ({'the engine' if part == 'version' else part} is {version})")

    return call


def _parse_version(text: str) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", text)]


@pytest.fixture(scope="module")
def example(request: pytest.FixtureRequest) -> Example:
    """The example that this test file is named after."""
    return examples.load_examples()[file_slug(request.path)]


@pytest.fixture(scope="module")
def folder(example: Example, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the example's folder, outside the repository."""
    return example.copy_to(tmp_path_factory.mktemp("copy"))


@pytest.fixture(scope="module")
def prefix(request: pytest.FixtureRequest, engine: Engine, pytestconfig: pytest.Config) -> Iterator[str]:
    """The prefix of the names of all resources that this test file makes. At its end, they are removed."""
    slug = file_slug(request.path) if request.path.parent.name == "examples" else "bases"
    worker = os.environ.get("PYTEST_XDIST_WORKER", "")
    prefix = f"{slug}-t{pytestconfig.stash[SESSION].run}" + (f"-{worker}" if slug == "bases" and worker else "")
    failed = request.session.testsfailed
    yield prefix
    if not (pytestconfig.getoption("--keep") and request.session.testsfailed > failed):
        _remove_prefixed(engine, prefix)


@pytest.fixture
def name(request: pytest.FixtureRequest, engine: Engine, prefix: str) -> Iterator[Callable[[str], str]]:
    """Return unique names for resources that this test makes: ``name("web")``. At its end, they are removed."""
    unique = f"{prefix}-{host.new_run_id()[:4]}"
    failed = request.session.testsfailed
    yield lambda suffix: f"{unique}-{suffix}"
    if not (request.config.getoption("--keep") and request.session.testsfailed > failed):
        _remove_prefixed(engine, unique)


def _remove_prefixed(engine: Engine, prefix: str) -> None:
    # A dead engine was reported already; its leftovers are removed at the end or by the next run.
    with contextlib.suppress(EngineError):
        # An image that was pulled has its registry in front of its name.
        existing = resources.list_resources(engine, [f"{prefix}*", f"*/{prefix}*"])
        doomed = [resource for resource in existing if resource.name.rpartition("/")[2].startswith(prefix)]
        resources.remove_resources(engine, doomed)


@pytest.fixture(scope="module")
def build(engine: Engine, prefix: str, folder: Path) -> Callable[..., str]:
    """Build an image of the example and return its tag: ``build("Dockerfile.bad", target="x")``. Each variant is built
    once.
    """
    built: dict[tuple[str, ...], str] = {}

    def call(dockerfile: str = "Dockerfile", *options: str, target: str = "", timeout: float = 300) -> str:
        key = (dockerfile, target, *options)
        if key not in built:
            tag = f"{prefix}:v{len(built)}"
            more = [*(["--target", target] if target else []), *options, "--tag", tag]
            engine.run("build", "--file", str(folder / dockerfile), *more, str(folder), timeout=timeout)
            built[key] = tag
        return built[key]

    return call


@pytest.fixture
def container(name: Callable[[str], str]) -> Iterator[Callable[..., Any]]:
    """Start a container with testcontainers: ``container(image, "arg", ports=[8080], env={...})``.

    Ports are published on 127.0.0.1, at host ports that the engine chooses: ``.get_exposed_port(8080)`` returns one.
    """
    from testcontainers.core.container import DockerContainer

    with contextlib.ExitStack() as stack:

        def call(image: str, *command: str, ports: Sequence[int] = (), wait: Any = None, **options: Any) -> Any:
            started = DockerContainer(image, **options).with_name(name("c"))
            if command:
                started.with_command(list(command))
            for port in ports:
                started.ports[f"{port}/tcp"] = ("127.0.0.1",)  # type: ignore[assignment]
            if wait is not None:
                started.waiting_for(wait)
            return stack.enter_context(started)

        yield call


@pytest.fixture
def measure(request: pytest.FixtureRequest) -> Callable[..., float]:
    """Record a measure and assert its bounds: ``measure("scratch-size", 5_900_000, "bytes", high=6_000_000)``.

    A timing is a list with a value per run (see `repeat`); the measure is their median, with their spread.
    """
    recording = request.config.getoption("--record")

    def call(
        name: str, value: float | Sequence[float], unit: str, *, low: float = 0, high: float | None = None
    ) -> float:
        values = value if isinstance(value, Sequence) else [value]
        if recording and unit == "seconds" and len(values) < RUNS:
            raise TypeError(
                f"{name} is a timing, which is recorded as the median of {RUNS} runs: "
                "use the fixture repeat: measure(name, repeat(lambda: ...), 'seconds')"
            )
        median = Measure.of(values, unit, low, high)
        report_facts(request.node)["measures"][name] = asdict(median)
        assert low <= median.value, f"{name} is {median.value} {unit}, less than {low}"
        assert high is None or median.value <= high, f"{name} is {median.value} {unit}, more than {high}"
        return median.value

    return call


@pytest.fixture
def repeat(request: pytest.FixtureRequest) -> Callable[[Callable[[], Any]], list[Any]]:
    """Call a function that takes a timing, and return its results: once, or :data:`RUNS` times when recording.

    ``measure("start", repeat(lambda: seconds_of_a_start()), "seconds", high=10)``
    """
    runs = RUNS if request.config.getoption("--record") else 1
    return lambda take: [take() for _ in range(runs)]


@pytest.fixture
def table(request: pytest.FixtureRequest) -> Callable[[str, str, list[Row]], None]:
    """Record rows for a picture: ``table("sizes", "sizes", [{"image": "naive", "bytes": 1}])``; see `evidence.KINDS`.

    The rows of several runs, ``table("stops", "lifecycle", *repeat(rows))``, are merged: seconds are medians.
    """

    def call(name: str, kind: str, *runs: list[Row]) -> None:
        report_facts(request.node)["tables"][name] = asdict(Table(kind, median_rows(runs)))

    return call


# Settings of pytest-docker, which starts the Compose stack of an example.


@pytest.fixture(scope="module")
def docker_compose_file(folder: Path) -> str:
    """The Compose file in the copy of the example's folder."""
    return str(folder / "compose.yaml")


@pytest.fixture(scope="module")
def docker_compose_project_name(prefix: str) -> str:
    """A project name that is unique to this run."""
    return f"{prefix}-stack"


@pytest.fixture(scope="module")
def docker_setup() -> list[str]:
    """Start the stack and wait until it is healthy."""
    return ["up --detach --build --wait --wait-timeout 120"]


@pytest.fixture(scope="module")
def docker_cleanup() -> list[str]:
    """Remove the stack without a grace period, with its volumes and images."""
    return ["down --volumes --remove-orphans --timeout 0 --rmi local"]
