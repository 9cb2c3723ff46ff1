"""Claims of the example healthcheck."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import pytest

from drydock.fixtures import until

COLD = ("python", "app.py", "cold")
#: Too short to matter. A 0 would mean "as in the image".
NO_START_PERIOD = "--health-start-period=1ms"
#: Longer than any test: no probe comes at this interval.
NEVER = "1h"
#: Not to wait longer than it takes to ask.
FAST = "--health-interval=100ms"


@pytest.fixture
def look(docker):
    """Return what docker inspect says of a container."""
    return lambda container: json.loads(docker("inspect", container).stdout)[0]


@pytest.fixture
def start(docker, build, name, only_docker):
    """Start a container, and return its name: ``start(*COLD, options=[...], dockerfile="Dockerfile.curl")``."""
    only_docker("Podman leaves it to systemd to run the probes")

    def call(*command, options=(), dockerfile="Dockerfile", suffix="c", image=None):
        image = image or build(dockerfile)
        docker("run", "--detach", "--stop-timeout=1", "--name", name(suffix), *options, image, *command)
        return name(suffix)

    return call


@pytest.fixture
def becomes(look):
    """Wait until a container's health is as wanted, and return its health: status, streak of failures, log."""

    def call(container, wanted):
        def found():
            health = look(container)["State"]["Health"]
            return health["Status"] == wanted and health

        return until(found, f"{container} {wanted}")

    return call


@pytest.fixture
def log(look):
    """Wait until a container has had `count` probes, and return their results."""

    def call(container, count=1):
        def found():
            probes = look(container)["State"]["Health"]["Log"] or []
            return len(probes) >= count and probes

        return until(found, f"{count} probes of {container}")

    return call


def ill(docker, container):
    """Make the server ill."""
    docker("exec", container, "rm", "/tmp/well")


def well(docker, container):
    """Make the server well."""
    docker("exec", container, "touch", "/tmp/well")


def later(look, container, count):
    """Wait until `count` more probes have begun after those in the log."""
    seen = set()

    def found():
        seen.update(probe["Start"] for probe in look(container)["State"]["Health"]["Log"])
        return len(seen) > count

    until(found, f"{count} more probes of {container}")


# What a health check is.


def test_settings(docker, build):
    """A health check is a setting of the image, with its times in nanoseconds."""
    kept = json.loads(docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", build()).stdout)

    assert kept["Test"] == ["CMD", "python", "probe.py"]
    assert (kept["Interval"], kept["Timeout"], kept["Retries"]) == (10**9, 5 * 10**9, 2)
    assert kept["StartPeriod"] == 60 * 10**9


def test_without_a_check(docker, start, look):
    """Without a health check a server that answers with an error is running, and docker inspect shows no health."""
    container = start(*COLD, options=["--no-healthcheck"])
    until(lambda: docker("logs", container).stdout, "its start")
    probe = docker("exec", container, "python", "probe.py", check=False)
    state = look(container)["State"]

    assert probe.returncode == 1
    assert (state["Status"], state.get("Health")) == ("running", None)


def test_becomes_healthy(start, becomes):
    """With a probe in Python the container becomes healthy: the probe's last exit status is 0."""
    assert becomes(start(), "healthy")["Log"][-1]["ExitCode"] == 0


def test_as_the_user(start, log):
    """A probe runs in the container, as the container's user."""
    container = start(options=["--health-cmd=id -u; hostname", "--hostname=inside"])

    assert log(container)[0]["Output"] == "10001\ninside\n"


def test_one_line_says_why(docker, start, becomes):
    """The engine keeps what a failed probe printed, here one line, and docker logs does not have it."""
    container = start(*COLD, options=[NO_START_PERIOD, FAST])
    last = becomes(container, "unhealthy")["Log"][-1]

    assert last["ExitCode"] == 1
    assert last["Output"] == "http://127.0.0.1:8000/health: HTTP Error 503: Service Unavailable\n"
    assert docker("logs", container).stdout == "listening\n"


def test_five_are_kept(start, log, look):
    """The engine keeps the results of the last five probes."""
    container = start(dockerfile="Dockerfile.wget", options=[FAST, "--health-cmd=true"])
    first = log(container)[0]["Start"]
    later(look, container, 6)
    kept = [probe["Start"] for probe in log(container, 5)]

    assert len(kept) == 5
    assert first not in kept


def test_any_other_status(start, becomes):
    """A probe that ends with another exit status, such as 2, 7, or 255, has failed as well."""
    options = ["--health-interval=200ms", "--health-retries=1", NO_START_PERIOD]
    for status in (2, 7, 255):
        container = start(options=[f"--health-cmd=exit {status}", *options], suffix=f"c{status}")

        assert becomes(container, "unhealthy")["Log"][0]["ExitCode"] == status


def test_hanging_probe(start, becomes):
    """A probe that takes longer than its timeout has failed."""
    first = becomes(start(dockerfile="Dockerfile.hang"), "unhealthy")["Log"][0]

    assert first["ExitCode"] != 0
    assert "exceeded timeout" in first["Output"]


def test_what_a_timeout_ends(docker, start, look):
    """At the timeout the engine kills the probe's own process; what a shell has started for it is left behind."""
    plain = start(dockerfile="Dockerfile.hang", suffix="plain")
    shell = start(dockerfile="Dockerfile.hang", suffix="shell", options=["--health-cmd=sleep 600; true"])

    def hanging(container):
        lines = docker("top", container, "-eo", "pid,args").stdout.splitlines()
        return [line.split()[1:] for line in lines].count(["sleep", "600"])

    until(lambda: hanging(shell) >= 3, "three left behind")
    later(look, plain, 3)
    # One may be under way, and one about to be killed.
    assert hanging(plain) <= 2


# When the probes come.


def test_first_probe(start, log, look):
    """Without a start period the first probe comes no sooner than one interval after the start."""
    container = start(dockerfile="Dockerfile.wget", options=["--health-interval=1s"])
    first = datetime.fromisoformat(log(container)[0]["Start"])
    begun = datetime.fromisoformat(look(container)["State"]["StartedAt"])

    assert (first - begun).total_seconds() >= 0.9


def test_start_interval(start, becomes):
    """In the start period the probes don't wait for the interval: with one of an hour the container becomes healthy."""
    becomes(start(options=[f"--health-interval={NEVER}"]), "healthy")


def test_start_period(docker, start, becomes, log, look):
    """In the start period a failing probe does not count, and the first good one makes the container healthy."""
    container = start(*COLD)
    codes = {probe["ExitCode"] for probe in log(container, 4)}
    health = look(container)["State"]["Health"]
    well(docker, container)

    assert codes == {1}
    assert (health["Status"], health["FailingStreak"]) == ("starting", 0)
    becomes(container, "healthy")


def test_without_start_period(start, becomes):
    """Without a start period the same server, still cold, is unhealthy after as many probes as it has retries."""
    health = becomes(start(*COLD, options=[NO_START_PERIOD, FAST]), "unhealthy")

    assert health["FailingStreak"] >= 2


def test_first_success_ends_it(docker, start, becomes):
    """The first good probe ends the start period: failures after it count, even within its time."""
    container = start(options=[FAST])
    becomes(container, "healthy")
    ill(docker, container)
    becomes(container, "unhealthy")


# What follows.


def test_nobody_restarts(docker, start, becomes, look):
    """An unhealthy container under --restart always is not restarted: it runs on, with 0 restarts."""
    container = start(options=["--restart=always", FAST])
    becomes(container, "healthy")
    ill(docker, container)
    becomes(container, "unhealthy")
    later(look, container, 3)
    found = look(container)

    assert found["State"]["Health"]["Status"] == "unhealthy"
    assert (found["State"]["Status"], found["RestartCount"]) == ("running", 0)


def test_one_success_heals(docker, start, becomes):
    """One good probe makes an unhealthy container healthy again."""
    container = start(*COLD, options=[NO_START_PERIOD, FAST])
    becomes(container, "unhealthy")
    well(docker, container)

    assert [probe["ExitCode"] for probe in becomes(container, "healthy")["Log"]].count(0) == 1


def test_who_is_told(docker, start, becomes):
    """Each change of health is an event, and docker ps can be asked for the unhealthy ones."""
    container = start(*COLD, options=[NO_START_PERIOD, FAST])
    becomes(container, "unhealthy")
    ours = ["--filter", f"name={container}", "--format", "{{.Names}}"]
    found = docker("ps", "--filter", "health=unhealthy", *ours).stdout.split()
    well(docker, container)
    becomes(container, "healthy")
    kept = ["--filter", f"container={container}", "--filter", "event=health_status"]

    def told():
        said = docker("events", "--since=10m", "--until=0s", *kept, "--format={{.Action}}").stdout.splitlines()
        return said == ["health_status: unhealthy", "health_status: healthy"]

    until(told, "two events")
    assert found == [container]


def test_exit_probe(docker, start, becomes, look, table):
    """A restart policy acts when process 1 ends, not when the container is unhealthy; a probe can end process 1."""
    policy = "--restart=always"
    sick, ends = (start(options=[policy, FAST], suffix=each) for each in ("ill", "ends"))
    # At its own interval: it would end a server that has only begun to start.
    exits = start(options=[policy], dockerfile="Dockerfile.exit", suffix="exit")
    cases = {
        "the server is ill": sick,
        "the program ends": ends,
        "the server is ill, and the probe ends it": exits,
    }
    for container in cases.values():
        becomes(container, "healthy")
    ill(docker, sick)
    ill(docker, exits)
    docker("exec", ends, "python", "-c", "import os; os.kill(1, 15)", check=False)
    for container in (ends, exits):
        until(lambda container=container: look(container)["RestartCount"] == 1, f"a restart of {container}")
        becomes(container, "healthy")
    becomes(sick, "unhealthy")
    later(look, sick, 3)
    rows = []
    for what, container in cases.items():
        found = look(container)
        cells = {"state": found["State"]["Status"], "health": found["State"]["Health"]["Status"]}
        cells["restarts"] = str(found["RestartCount"])
        rows += [{"row": what, "column": column, "cell": cell} for column, cell in cells.items()]
    table("restarts", "grid", rows)

    assert [row["cell"] for row in rows if row["column"] == "restarts"] == ["0", "1", "1"]
    assert [row["cell"] for row in rows if row["column"] == "health"] == ["unhealthy", "healthy", "healthy"]


def test_exit_probe_knows_no_start(start, look):
    """A probe that ends process 1 does so in the start period as well: a server that is not yet well is restarted."""
    options = ["--restart=always", "--health-start-period=1h", FAST]
    container = start(*COLD, options=options, dockerfile="Dockerfile.exit")

    until(lambda: look(container)["RestartCount"] >= 1, f"a restart of {container}")


# Probes that cannot work, and none.


def test_curl_is_not_there(docker, start, becomes):
    """On python:3.13-slim a probe with curl fails for want of curl: the server is well, the container is unhealthy."""
    container = start(dockerfile="Dockerfile.curl")
    first = becomes(container, "unhealthy")["Log"][0]
    ask = "import urllib.request as u; print(u.urlopen('http://127.0.0.1:8000/health', timeout=9).status)"

    assert (first["ExitCode"], first["Output"]) == (1, "/bin/sh: 1: curl: not found\n")
    assert docker("exec", container, "python", "-c", ask).stdout == "200\n"


def test_wget(start, becomes):
    """With BusyBox's own wget and the address 127.0.0.1 the container becomes healthy."""
    becomes(start(dockerfile="Dockerfile.wget"), "healthy")


def test_localhost_has_two_addresses(docker, start, becomes):
    """localhost has two addresses in a container; a server on all addresses of IPv4 refuses a connection to ::1."""
    container = start(dockerfile="Dockerfile.wget")
    becomes(container, "healthy")
    lines = [line.split() for line in docker("exec", container, "cat", "/etc/hosts").stdout.splitlines()]
    refused = docker("exec", container, "wget", "-q", "-O", "-", "http://[::1]:8000/health", check=False)

    assert {address for address, *names in lines if "localhost" in names} == {"127.0.0.1", "::1"}
    assert refused.returncode == 1
    assert "Connection refused" in refused.stderr


def test_one_address_only(docker, build, start):
    """BusyBox's wget tries one address of a name and gives up; Python tries the next."""
    hosts = ["--add-host=twice:127.0.0.2", "--add-host=twice:127.0.0.1"]
    server = ("httpd", "-f", "-p", "127.0.0.1:8000", "-h", "/www")
    container = start(*server, dockerfile="Dockerfile.wget", options=hosts)
    wget = ["exec", container, "wget", "-q", "-O", "-"]
    until(lambda: docker(*wget, "http://127.0.0.1:8000/health", check=False).returncode == 0, "the server")
    refused = docker(*wget, "http://twice:8000/health", check=False)
    ask = "import urllib.request as u; print(u.urlopen('http://twice:8000/health', timeout=9).read().decode(), end='')"
    # It has the same network, and with it the same names.
    answered = docker("run", "--rm", "--network", f"container:{container}", build(), "python", "-c", ask)

    assert refused.returncode == 1
    assert "127.0.0.2" in refused.stderr
    assert answered.stdout == "well\n"


def test_inherited(docker, build, start, becomes, look):
    """A health check is inherited from the base image; HEALTHCHECK NONE and --no-healthcheck are rid of it."""
    theirs = build("Dockerfile.none", target="theirs")
    inherited = start("sleep", "60", image=theirs, suffix="inherited")
    none = start(dockerfile="Dockerfile.none", suffix="none")
    option = start("sleep", "60", image=theirs, options=["--no-healthcheck"], suffix="option")

    becomes(inherited, "unhealthy")
    assert [look(each)["State"].get("Health") for each in (none, option)] == [None, None]


# Compose.


def test_stack(docker_services, docker, docker_compose_project_name, look, only_docker, folder, name):
    """A health check in a Compose file replaces the test of the image's, or gives one to an image that has none."""
    only_docker("Podman leaves it to systemd to run the probes")
    web, static = (look(f"{docker_compose_project_name}-{each}-1") for each in ("web", "static"))
    (folder / "over.yaml").write_text('services: {web: {healthcheck: {test: ["CMD", "true"]}}}\n')
    over = ["compose", "--project-directory", str(folder), "--project-name", name("over")]
    over += [f"--file={folder / file}" for file in ("compose.yaml", "over.yaml")]
    docker(*over, "create", "web")
    replaced = look(f"{name('over')}-web-1")["Config"]["Healthcheck"]["Test"]
    docker(*over, "down", "--rmi", "local")
    published = docker("port", f"{docker_compose_project_name}-web-1", "8000").stdout
    image = docker("image", "inspect", "--format", "{{json .Config.Healthcheck}}", "busybox:1.37").stdout

    assert image.strip() == "null"
    assert (web["Config"]["Healthcheck"]["Test"], replaced) == (["CMD", "python", "probe.py"], ["CMD", "true"])
    assert published.startswith("127.0.0.1:")
    checked = static["Config"]["Healthcheck"]
    assert (checked["Test"][:2], checked["Retries"]) == (["CMD", "wget"], 2)
    assert [each["State"]["Health"]["Status"] for each in (web, static)] == ["healthy", "healthy"]


def test_stack_stops(docker, folder, name, look, only_docker):
    """With init: true, BusyBox's httpd ends by the request to stop, with exit status 143."""
    only_docker("Podman leaves it to systemd to run the probes")
    project = ["compose", "--file", str(folder / "compose.yaml"), "--project-name", name("stop")]
    docker(*project, "up", "--detach", "static")
    docker(*project, "stop", "--timeout", "30")
    state = look(f"{name('stop')}-static-1")["State"]
    docker(*project, "down", "--timeout", "0")

    assert state["ExitCode"] == 143


@pytest.fixture
def waited(docker, folder, name, only_docker):
    """Run docker compose up --wait for some services at once, each in a project of its own."""
    only_docker("Podman leaves it to systemd to run the probes")

    def call(cases):
        def one(case):
            service, *options = case
            project = ["compose", "--file", str(folder / "compose.wait.yaml"), "--project-name", name(service)]
            done = docker(*project, "up", "--wait", *options, service, check=False)
            docker(*project, "down", "--timeout", "0", "--rmi", "local", check=False)
            return done

        with ThreadPoolExecutor(max_workers=3) as pool:
            return list(pool.map(one, cases))

    return call


def test_wait(waited, build, table):
    """docker compose up --wait ends with 0 if a service is healthy or has no check, with 1 if unhealthy or ended."""
    build()
    cases = {
        "it becomes healthy": ("healthy",),
        "it has no health check, and runs": ("unchecked",),
        "it becomes unhealthy": ("ill",),
        "it has ended, well": ("job",),
    }
    done = dict(zip(cases, waited(cases.values()), strict=True))
    rows = []
    for what, each in done.items():
        said = each.stderr.strip().splitlines()[-1]
        rows.append({"row": what, "column": "exit status", "cell": str(each.returncode)})
        rows.append({"row": what, "column": "last words", "cell": words(said)})
    table("wait", "grid", rows)

    # A service that is still starting when --wait-timeout is over is left out: how that ends is chance in Compose 2.40.
    assert [each.returncode for each in done.values()] == [0, 0, 1, 1]


def words(line):
    """Return a line of Compose without the name of the container, which is this test's own."""
    return " ".join(word for word in line.split() if "healthcheck-t" not in word).removeprefix("container ").strip()


def test_wait_for_a_disabled_check(waited, build):
    """Where a health check is switched off in the Compose file, --wait ends with 1 and complains that there is none."""
    build()
    [done] = waited([("disabled",)])
    if done.returncode == 0:
        pytest.skip("this Compose takes a health check that is switched off for none: docker/compose#13522 is mended")

    assert done.returncode == 1
    assert "has no healthcheck configured" in done.stderr
