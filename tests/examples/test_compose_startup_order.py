"""Claims of the example compose-startup-order."""

from __future__ import annotations

import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path

import pytest

from drydock.fixtures import until

REFUSED = "Connection refused"
USERS = ("migrate", "app")
#: How many failures in a row make the database unhealthy.
RETRIES = 3
NO_TABLE = 'relation "beats" does not exist'


@dataclass
class Stack:
    """The example as a project, with some of its other Compose files laid over the first."""

    docker: Callable
    folder: Path
    project: str
    over: tuple[str, ...] = ("images.yaml",)

    def with_files(self, *over: str, name: str = "") -> Stack:
        """Return the same project with further files, or another one with a `name` of its own."""
        return replace(self, project=self.project + name, over=(*self.over, *over))

    def __call__(self, *args: str, check: bool = True):
        """Run ``docker compose ARGS``."""
        files = [f"--file={self.folder / name}" for name in ("compose.yaml", *self.over)]
        return self.docker("compose", *files, "--project-name", self.project, *args, check=check, timeout=300)

    def of(self, service: str) -> dict:
        """Return what ``docker inspect`` says of the container of `service`."""
        return json.loads(self.docker("inspect", f"{self.project}-{service}-1").stdout)[0]

    def others(self) -> list[dict]:
        """Return what ``docker inspect`` says of migrate and app."""
        return [self.of(service) for service in USERS]

    def state(self, service: str) -> tuple[str, int]:
        """Return the state of a service's container, and its exit status."""
        state = self.of(service)["State"]
        return state["Status"], state["ExitCode"]

    def health(self) -> str:
        """Return what the health check says of the database."""
        return self.of("db")["State"]["Health"]["Status"]

    def log(self, service: str) -> str:
        """Return what the container of `service` has printed."""
        return self.docker("logs", f"{self.project}-{service}-1").stdout

    def isready(self, *options: str) -> int:
        """Return the exit status of ``pg_isready`` in the container of the database."""
        return self("exec", "-T", "db", "pg_isready", "--quiet", *options, check=False).returncode

    def let_go(self) -> None:
        """End a first start that was held, and wait until the database is healthy."""
        self("exec", "-T", "db", "touch", "/tmp/go")
        until(lambda: self.health() == "healthy", "a healthy database")

    def moments(self, then: list[dict] | None = None) -> dict[str, float]:
        """Return when what happened, in seconds from the start of the database.

        :param then: what `others` said earlier; a container that is started again forgets its first start.
        """
        db, migrate, app = (found["State"] for found in (self.of("db"), *(then or self.others())))
        probes = [probe["End"] for probe in db["Health"]["Log"] if probe["ExitCode"] == 0]
        found = {
            "db is healthy": min(probes, key=moment),
            "migrate is started": migrate["StartedAt"],
            "migrate has ended": migrate["FinishedAt"],
            "app is started": app["StartedAt"],
        }
        return {what: (moment(when) - moment(db["StartedAt"])).total_seconds() for what, when in found.items()}


def moment(text: str) -> datetime:
    """Return a time that the engine tells."""
    return datetime.fromisoformat(text)


def never_started(stack: Stack, service: str) -> bool:
    """Say whether there is a container of `service` that has never run."""
    return stack.of(service)["State"]["StartedAt"].startswith("0001")


@pytest.fixture(scope="module")
def stack_of(docker, folder, prefix, build) -> Callable[..., Stack]:
    """Name a stack of this file's own: ``stack_of("slow", "compose.slow.yaml")``. All use one image, to save time."""
    (folder / "images.yaml").write_text(json.dumps({"services": {each: {"image": build()} for each in USERS}}))
    secret = folder / "db-password.txt"
    secret.write_text("a-password-of-this-test\n")
    secret.chmod(0o644)
    return lambda name, *over: Stack(docker, folder, f"{prefix}-{name}", ("images.yaml", *over))


# The good stack.


def start(stack: Stack) -> dict[str, float]:
    """Start a stack on an empty volume, and return when what happened."""
    stack("up", "--detach")
    return stack.moments()


@pytest.fixture(scope="module")
def good(stack_of) -> Stack:
    """The stack as it should be, not started."""
    return stack_of("good")


@pytest.fixture(scope="module")
def moments(good) -> dict[str, float]:
    """When what happened as the good stack was started."""
    return start(good)


def test_waits_for_healthy(moments):
    """With service_healthy, Compose starts migrate only after a health check of db has succeeded."""
    assert moments["migrate is started"] > moments["db is healthy"]


def test_waits_for_completed(moments, good):
    """With service_completed_successfully, Compose starts app only after migrate has ended with exit status 0."""
    assert good.state("migrate") == ("exited", 0)
    assert moments["app is started"] > moments["migrate has ended"]


def test_first_try(moments, good):
    """Started in that order, migrate and app reach the database at the first try, and app finds its table."""
    until(lambda: "connected, rows so far: 0" in good.log("app"), "the first rows")

    assert good.log("migrate") == "running 001-beats.sql\nnothing left to do\n"
    assert "no database" not in good.log("app")


def test_who_starts_when(moments, good, repeat, table, measure):
    """On an empty volume app starts after db is healthy and migrate has ended, in that order."""
    first = [moments]

    def once() -> dict[str, float]:
        if first:
            return first.pop()
        stack = good.with_files(name="-timed")
        found = start(stack)
        stack("down", "--volumes", "--timeout", "0")
        return found

    runs = repeat(once)
    table("order", "durations", *([{"label": what, "seconds": run[what]} for what in run] for run in runs))
    measure("app-start", [run["app is started"] for run in runs], "seconds", low=0.5, high=60)
    assert all(list(run.values()) == sorted(run.values()) for run in runs)


def test_up_again(moments, good):
    """The next up runs migrate once more, which finds nothing left to do, and leaves db and app running as they are."""
    before = {service: good.of(service)["State"]["StartedAt"] for service in ("db", "migrate", "app")}
    good("up", "--detach")
    after = {service: good.of(service)["State"]["StartedAt"] for service in ("db", "migrate", "app")}

    assert [service for service in before if before[service] != after[service]] == ["migrate"]
    assert good.state("migrate") == ("exited", 0)
    assert good.log("migrate").endswith("nothing left to do\nnothing left to do\n")


# Afterwards.


def connections(stack: Stack) -> int:
    """Return how often app has found its database."""
    return stack.log("app").count("connected")


def test_finds_the_database_again(moments, good):
    """An app that tries again finds a database that was restarted, without being restarted itself."""
    until(lambda: connections(good) > 0, "a connection")
    started, count = good.of("app")["State"]["StartedAt"], connections(good)
    good("restart", "db")
    until(lambda: connections(good) > count, "a new connection")

    assert "lost the database" in good.log("app")
    assert good.of("app")["State"]["StartedAt"] == started


def waits(good: Stack, *args: str) -> bool:
    """Say whether ``docker compose ARGS`` waited for the database's health check."""
    lines = [line.split() for line in good(*args).stderr.splitlines()]
    return ["Container", f"{good.project}-db-1", "Healthy"] in lines


@pytest.fixture(scope="module")
def asked(moments, good) -> dict[str, bool]:
    """Whether the database was waited for, by what started app after a stop."""
    found = {}
    for command in ("start", "run --rm app true", "up --detach"):
        good("stop")
        found[command] = waits(good, *command.split())
    found["restart"] = waits(good, "restart")
    return found


def test_compose_asks(asked):
    """After a stop, docker compose up, start and run bring db back, and wait until it is healthy, before app."""
    assert asked["up --detach"]
    assert asked["start"]
    assert asked["run --rm app true"]


def test_restart_does_not_ask(asked):
    """Even docker compose restart does not ask depends_on: it waits for no health check."""
    assert not asked["restart"]


@pytest.fixture(scope="module")
def alone(moments, good) -> str:
    """The state of the database after a stop and a docker start of app."""
    good("stop")
    tries, count = good.log("app").count("no database"), connections(good)
    good.docker("start", f"{good.project}-app-1")
    until(lambda: good.log("app").count("no database") > tries, "a vain try")
    state = good.state("db")[0]
    good.docker("start", f"{good.project}-db-1")
    until(lambda: connections(good) > count, "a new connection")
    return state


def test_docker_start_does_not_ask(alone, good):
    """A docker start of app starts app and nothing else; when db is started too, app finds it by itself."""
    assert alone == "exited"
    assert good.state("app")[0] == "running"


def test_restart_policy_does_not_ask(asked, alone, good, tmp_path, table, only_docker):
    """After a crash the restart policy starts app again and again while db is away: it does not ask depends_on."""
    only_docker("Podman counts its restarts, and waits between them, in another way")
    weary = tmp_path / "weary.yaml"
    weary.write_text('services: {app: {environment: {PATIENCE: "0"}}}\n')
    stack = good.with_files(str(weary))
    stack("up", "--detach", "--no-deps", "app")
    until(lambda: connections(stack) > 0, "a connection")
    stack("stop", "db")
    until(lambda: stack.of("app")["RestartCount"] > 1, "two restarts")
    db = stack.state("db")[0]
    answers = {
        "`docker compose up`": asked["up --detach"],
        "`docker compose start`": asked["start"],
        "`docker compose run`": asked["run --rm app true"],
        "`docker compose restart`": asked["restart"],
        "`docker start`": alone == "running",
        "a restart policy": db == "running",
    }
    column = "waits until `db` is healthy"
    table("asks", "grid", [{"row": who, "column": column, "cell": "yes" if answers[who] else "no"} for who in answers])

    assert db == "exited"


@dataclass
class Update:
    """What was seen of an update whose migration fails.

    :ivar before: the ID of the container of app, and its state.
    :ivar after: the same after the update.
    """

    stack: Stack
    status: int
    message: str
    before: tuple[str, str]
    after: tuple[str, str]


@pytest.fixture(scope="module")
def failed(moments, good, tmp_path_factory) -> Update:
    """What was seen of an update of app with a migration that fails."""
    release = tmp_path_factory.mktemp("update") / "release.yaml"
    release.write_text("services: {app: {environment: {RELEASE: new}}}\n")
    good("up", "--detach")
    before = good.of("app")["Id"], good.state("app")[0]
    stack = good.with_files("compose.typo.yaml", str(release))
    done = stack("up", "--detach", check=False)
    return Update(stack, done.returncode, done.stderr, before, (stack.of("app")["Id"], stack.state("app")[0]))


def test_failed_migration(failed):
    """When a migration fails, up fails and tells its exit status, and app is not started, while db runs on."""
    assert failed.status == 1
    assert 'service "migrate" didn\'t complete successfully: exit 1' in failed.message
    assert 'relation "prizes" does not exist' in failed.stack.log("migrate")
    assert failed.stack.state("db")[0] == "running"
    assert never_started(failed.stack, "app")


def test_failed_update(failed):
    """An update removes the app of before ahead of the migration: when that fails, neither the old nor the new runs."""
    assert failed.before[1] == "running"
    assert failed.after[1] == "created"
    assert failed.before[0] != failed.after[0]


def test_all_or_nothing(failed):
    """A migration in one transaction leaves nothing behind when it fails, not even what its first line had made."""
    query = "SELECT (SELECT count(*) FROM migrations), to_regclass('prices') IS NULL"
    found = failed.stack("exec", "-T", "db", "psql", "--username", "app", "-tAc", query).stdout

    assert found == "1|t\n"


# depends_on as a list.


@pytest.fixture(scope="module")
def listed(stack_of) -> Stack:
    """A stack with a list for depends_on and a first start that is held, not started."""
    return stack_of("list", "compose.slow.yaml", "compose.list.yaml")


@dataclass
class Seen:
    """What was seen of a stack.

    :ivar up: how docker compose up ended.
    :ivar health: of the database while its first start was held.
    :ivar tcp: what pg_isready said over TCP when migrate had ended.
    :ivar migrate: how migrate ended, and what it had printed.
    :ivar app: what app had printed then; None when it was never started.
    :ivar moments: when what happened.
    """

    up: int
    message: str
    health: str
    tcp: int
    migrate: tuple[str, int, str]
    app: str | None
    moments: dict[str, float] = field(default_factory=dict)


def start_listed(stack: Stack) -> Seen:
    """Start it, let the database become ready once migrate has failed, and return what was seen."""
    done = stack("up", "--detach")
    until(lambda: stack.state("migrate")[0] == "exited", "the end of migrate")
    until(lambda: "no database" in stack.log("app"), "a vain try of app")
    migrate = (*stack.state("migrate"), stack.log("migrate"))
    tcp = stack.isready("--host", "127.0.0.1")
    seen = Seen(done.returncode, done.stderr, stack.health(), tcp, migrate, stack.log("app"))
    then = stack.others()
    stack.let_go()
    return replace(seen, moments=stack.moments(then))


@pytest.fixture(scope="module")
def seen_listed(listed) -> Seen:
    """What was seen of the stack with a list."""
    return start_listed(listed)


def test_list_means_started(listed):
    """A list for depends_on is short for the condition service_started."""
    config = json.loads(listed("config", "--format", "json").stdout)
    depends = config["services"]["app"]["depends_on"]

    assert {service: depends[service]["condition"] for service in depends} == {
        "db": "service_started",
        "migrate": "service_started",
    }


def test_list_does_not_wait(seen_listed):
    """With a list, Compose starts migrate and app while the database is still being made, and up succeeds."""
    assert (seen_listed.up, seen_listed.health) == (0, "starting")
    assert seen_listed.moments["migrate is started"] < seen_listed.moments["db is healthy"]
    assert seen_listed.moments["app is started"] < seen_listed.moments["db is healthy"]


def test_list_refused(seen_listed):
    """A migration that is started with the database is refused its connection, and fails."""
    state, status, log = seen_listed.migrate

    assert (state, status) == ("exited", 1)
    assert REFUSED in log


def test_list_app_tries_again(seen_listed, listed):
    """An app that tries again gets over the refusals and reaches the database, but without a migration no table."""
    assert REFUSED in seen_listed.app
    until(lambda: NO_TABLE in listed.log("app"), "the missing table")
    listed("up", "--detach", "migrate")
    until(lambda: "connected" in listed.log("app"), "the table")


def test_list_who_starts_when(seen_listed, repeat, table, measure, listed):
    """With a list, app is started before the database is healthy."""
    first = [seen_listed]

    def once() -> dict[str, float]:
        if first:
            return first.pop().moments
        stack = listed.with_files(name="-timed")
        found = start_listed(stack).moments
        stack("down", "--volumes", "--timeout", "0")
        return found

    runs = repeat(once)
    order = ["migrate is started", "app is started", "migrate has ended", "db is healthy"]
    table("list", "durations", *([{"label": what, "seconds": run[what]} for what in order] for run in runs))
    measure("list-app-start", [run["app is started"] for run in runs], "seconds", high=30)
    assert all(run["app is started"] < run["db is healthy"] for run in runs)


def test_a_name_is_enough(moments, good):
    """A started container has a name: nginx accepts a configuration with it, and without it ends with an error."""
    proxy = ("compose.proxy.yaml",)
    check = ("run", "--rm", "--no-deps", "-T", "proxy", "nginx", "-t")
    good("up", "--detach")
    running = good.with_files(*proxy)(*check, check=False)
    good("stop", "app")
    stopped = good.with_files(*proxy)(*check, check=False)
    # Without --no-deps, Compose starts first what depends_on names.
    started = good.with_files(*proxy)(*(word for word in check if word != "--no-deps"), check=False)

    assert (running.returncode, started.returncode) == (0, 0)
    assert stopped.returncode == 1
    assert 'host not found in upstream "app"' in stopped.stderr + stopped.stdout


def test_an_init_answers_for_it(moments, good):
    """Under an init, the SIGTERM of docker compose stop ends app, with exit status 143."""
    good("up", "--detach")
    good("stop", "app")

    assert good.state("app") == ("exited", 143)


# The health check.


@pytest.fixture(scope="module")
def socket(stack_of) -> Stack:
    """A stack whose health check asks over the socket, and whose first start is held, not started."""
    return stack_of("socket", "compose.slow.yaml", "compose.socket.yaml")


@pytest.fixture(scope="module")
def seen_socket(socket) -> Seen:
    """What was seen of that stack."""
    done = socket("up", "--detach", check=False)
    app = None if never_started(socket, "app") else socket.log("app")
    migrate = (*socket.state("migrate"), socket.log("migrate"))
    return Seen(done.returncode, done.stderr, socket.health(), socket.isready("--host", "127.0.0.1"), migrate, app)


def test_pg_isready(seen_socket, socket):
    """While a new database is made, pg_isready succeeds over the socket and finds nobody over TCP."""
    assert socket.isready() == 0
    assert seen_socket.tcp == 2


def test_socket_is_too_early(seen_socket):
    """Asked over the socket the database is healthy too early: migrate is refused its connection, and up fails."""
    assert seen_socket.health == "healthy"
    assert seen_socket.migrate[:2] == ("exited", 1)
    assert REFUSED in seen_socket.migrate[2]
    assert (seen_socket.up, seen_socket.app) == (1, None)
    assert "didn't complete successfully: exit 1" in seen_socket.message


def test_second_try(seen_socket, socket):
    """The same command succeeds at the second try, when the database has been made: nothing was mended."""
    socket("exec", "-T", "db", "touch", "/tmp/go")
    until(lambda: socket.isready("--host", "127.0.0.1") == 0, "the database over TCP")
    done = socket("up", "--detach", check=False)

    assert done.returncode == 0
    assert socket.state("migrate") == ("exited", 0)


@pytest.fixture(scope="module")
def seen_tcp(stack_of) -> Seen:
    """What was seen of the good stack with a first start that is held."""
    stack = stack_of("slow", "compose.slow.yaml")
    with ThreadPoolExecutor(max_workers=1) as pool:
        up = pool.submit(stack, "up", "--detach", check=False)
        until(lambda: stack.docker("ps", "-q", "--filter", f"name={stack.project}-db").stdout, "a container")
        until(lambda: failures(stack) > RETRIES, "more failures than retries")
        health, held = stack.health(), [never_started(stack, each) for each in USERS]
        stack("exec", "-T", "db", "touch", "/tmp/go")
        done = up.result(timeout=120)
    tcp = stack.isready("--host", "127.0.0.1")
    migrate = (*stack.state("migrate"), stack.log("migrate"))
    assert held == [True, True]
    return Seen(done.returncode, done.stderr, health, tcp, migrate, stack.log("app"), stack.moments())


def failures(stack: Stack) -> int:
    """Return how many of the last health checks failed."""
    return sum(probe["ExitCode"] != 0 for probe in stack.of("db")["State"]["Health"]["Log"] or ())


def test_tcp_waits(seen_tcp):
    """Asked over TCP the database is not healthy before it has been made, and migrate then succeeds."""
    assert seen_tcp.health == "starting"
    assert (seen_tcp.up, seen_tcp.migrate[:2]) == (0, ("exited", 0))
    assert seen_tcp.moments["migrate is started"] > seen_tcp.moments["db is healthy"]


def test_start_period(seen_tcp, stack_of):
    """In the start period failures do not count: more of them than retries, and the database is still starting."""
    config = json.loads(stack_of("slow", "compose.slow.yaml")("config", "--format", "json").stdout)

    assert config["services"]["db"]["healthcheck"]["retries"] == RETRIES
    assert seen_tcp.health == "starting"


def test_no_start_period(stack_of):
    """Without a start period, a first start that outlasts the retries makes the database unhealthy, and up fails."""
    hasty = stack_of("hasty", "compose.slow.yaml", "compose.hasty.yaml")
    done = hasty("up", "--detach", check=False)
    db = hasty.of("db")["State"]
    probes = [(moment(each["Start"]) - moment(db["StartedAt"])).total_seconds() for each in db["Health"]["Log"]]

    assert probes[RETRIES - 1] < 10  # as short as its interval is; the start period would have been a minute
    assert done.returncode == 1
    assert "is unhealthy" in done.stderr
    assert db["Health"]["FailingStreak"] >= RETRIES
    assert never_started(hasty, "migrate")
    assert never_started(hasty, "app")


def test_what_each_waits_for(seen_listed, seen_socket, seen_tcp, table):
    """Of a list, a check over the socket and a check over TCP, only the last lets migrate succeed on a new database."""
    cases = {
        "a list": seen_listed,
        "`service_healthy`, asked over the socket": seen_socket,
        "`service_healthy`, asked over TCP": seen_tcp,
    }
    rows = []
    for row, seen in cases.items():
        cells = {
            "`migrate` is started": "when it has been made" if seen.tcp == 0 else "while the database is made",
            "and ends with": f"exit status {seen.migrate[1]}" + (", refused" if REFUSED in seen.migrate[2] else ""),
            "`app` is started": "never" if seen.app is None else "at once" if seen.tcp else "after `migrate`",
        }
        rows += [{"row": row, "column": column, "cell": cell} for column, cell in cells.items()]
    table("waits", "grid", rows)

    assert [seen.migrate[1] for seen in cases.values()] == [1, 1, 0]
