"""Claims of the example logging."""

from __future__ import annotations

import json

import pytest

from drydock.fixtures import until

REPORTS = "report 1\nreport 2\nreport 3\n"
LAST = "no more reports\n"
UNREADABLE = "configured logging driver does not support reading"


@pytest.fixture
def started(docker, name):
    """Start a container in the background: ``started(image, "--tty", command=["seq", "5"])``."""

    def call(image, *options, command=()):
        container = name(f"c{len(containers)}")
        containers.append(container)
        docker("run", "--detach", "--name", container, *options, image, *command)
        return container

    containers = []
    return call


@pytest.fixture
def reported(docker, started):
    """Start the program, wait until it has printed its last line, and return the container."""

    def call(image, *options, command=()):
        container = started(image, *options, command=command)
        until(lambda: LAST.strip() in both(docker, container), "the last line, on stderr")
        return container

    return call


@pytest.fixture
def counted(docker, build, started):
    """Let a container print the numbers from 1 to `last`, wait for its end, and return it."""

    def call(last, *options):
        container = started(build(), *options, command=["seq", str(last)])
        docker("wait", container)
        return container

    return call


@pytest.fixture
def collector(docker, build, started):
    """A log server in a container: its name, and the address to send to."""
    container = started(build(), command=["python", "collect.py"])
    until(lambda: "collecting" in docker("logs", container).stdout, "the log server")
    form = "{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}"
    return container, f"udp://{docker('inspect', '--format', form, container).stdout.strip()}:5514"


@pytest.fixture(scope="module")
def compose(docker, folder, prefix):
    """Run docker compose on the example: ``compose("logs", "report")``."""
    options = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*options, "up", "--detach", "--build", timeout=300)
    yield lambda *args: docker(*options, *args)
    docker(*options, "down", "--timeout", "0")


def both(docker, container):
    """Return what docker logs prints on stdout and on stderr."""
    read = docker("logs", container, check=False)
    return read.stdout + read.stderr


def of(docker, container, form):
    """Return what docker inspect says of the container."""
    return docker("inspect", "--format", form, container).stdout.strip()


# What never gets there.


def test_empty_while_it_runs(docker, build, reported):
    """Without a terminal Python keeps back what it prints: after the prints, the log of stdout is still empty."""
    assert docker("logs", reported(build("Dockerfile.buffered"))).stdout == ""


def test_end_writes_the_rest(docker, build, reported):
    """A program that ends properly writes what it had kept back: after docker stop the lines are there."""
    container = reported(build("Dockerfile.buffered"))
    docker("stop", container)

    assert docker("logs", container).stdout == REPORTS


def test_kill_loses_the_rest(docker, build, reported):
    """What a killed program had kept back is lost: after docker kill the log of stdout is empty."""
    container = reported(build("Dockerfile.buffered"))
    docker("kill", container)
    docker("wait", container)

    assert docker("logs", container).stdout == ""


def test_a_full_buffer_goes_out(docker, build, reported):
    """A program that prints much is late, not silent: full buffers are in the log, and the last lines are not."""
    script = "import signal, sys; [print(n) for n in range(20000)]; print('no more reports', file=sys.stderr)"
    container = reported(build("Dockerfile.buffered"), command=["python", "-c", f"{script}; signal.pause()"])
    lines = until(lambda: docker("logs", container).stdout, "the first buffer").splitlines()

    assert lines[0] == "0"
    assert "19999" not in lines


def test_ways(docker, build, reported, table):
    """PYTHONUNBUFFERED, python -u and a terminal each let a line into the log when it is printed."""
    buffered = build("Dockerfile.buffered")
    seen = {
        "nothing said": docker("logs", reported(buffered)).stdout,
        "`PYTHONUNBUFFERED=1`": complete(docker, reported(buffered, "--env", "PYTHONUNBUFFERED=1")),
        "`python -u`": complete(docker, reported(buffered, command=["python", "-u", "report.py"])),
        "`docker run --tty`": complete(docker, reported(buffered, "--tty")),
    }
    count = {way: text.count("report ") for way, text in seen.items()}
    rows = [{"row": way, "column": "lines of stdout in the log", "cell": f"{n} of 3"} for way, n in count.items()]
    table("ways", "grid", rows)

    assert list(count.values()) == [0, 3, 3, 3]


def complete(docker, container):
    """Wait until all three reports are in the log; return its stdout."""
    return until(lambda: (read := docker("logs", container).stdout).count("report ") == 3 and read, "three reports")


def test_not_set_enough(docker, build, reported):
    """PYTHONUNBUFFERED is off where it is empty or zero, such as 0 and 00, and on with 1, x, and false."""
    buffered = build("Dockerfile.buffered")

    def started_with(text):
        return reported(buffered, "--env", f"PYTHONUNBUFFERED={text}")

    assert [docker("logs", started_with(text)).stdout for text in ("", "0", "00")] == ["", "", ""]
    assert [complete(docker, started_with(text)) for text in ("1", "x", "false")] == [REPORTS] * 3


def test_own_file(docker, build, started):
    """What a program writes into a file of its own is in that file, and not in its log."""
    script = "echo hello > /tmp/app.log; echo done; exec sleep 60"
    container = started(build(), "--init", command=["sh", "-c", script])
    until(lambda: "done" in docker("logs", container).stdout, "the line after it")

    assert docker("exec", container, "cat", "/tmp/app.log").stdout == "hello\n"
    assert docker("logs", container).stdout == "done\n"


def test_nginx_links(docker):
    """In the image nginx the files of its logs are links to stdout and stderr."""
    links = docker("run", "--rm", "nginx:1.30", "readlink", "/var/log/nginx/access.log", "/var/log/nginx/error.log")

    assert links.stdout.split() == ["/dev/stdout", "/dev/stderr"]


# Reading.


def test_two_streams(docker, build, reported):
    """docker logs prints a program's stdout on stdout and its stderr on stderr, so a pipe gets the first only."""
    container = reported(build())
    complete(docker, container)
    read = docker("logs", container)

    assert (read.stdout, read.stderr) == (REPORTS, LAST)


def test_tty_is_one_stream(docker, build, reported):
    """With --tty there is one stream: stderr's lines are in stdout, and each line ends in a carriage return too."""
    container = reported(build("Dockerfile.buffered"), "--tty")
    complete(docker, container)

    assert docker("logs", container).stderr == ""
    assert raw(docker, container) == (REPORTS + LAST).replace("\n", "\r\n")


def raw(docker, container):
    """Return the log with its carriage returns, which text mode would take away."""
    return "".join(line["log"] for line in entries(docker, container))


def entries(docker, container):
    """Return the lines of the container's JSON log, read through a mount of the folder that it lies in."""
    folder = of(docker, container, "{{.LogPath}}").rpartition("/")[0]
    read = docker("run", "--rm", "--volume", f"{folder}:/log:ro", "busybox:1.37", "sh", "-c", "cat /log/*-json.log")
    return [json.loads(line) for line in read.stdout.splitlines()]


def test_tail(docker, counted):
    """docker logs --tail 1 prints the last line only, and the flag may stand before the name or after it."""
    container = counted(100)

    assert docker("logs", "--tail", "1", container).stdout == "100\n"
    assert docker("logs", container, "--tail", "1").stdout == "100\n"


def test_since_until(docker, counted):
    """--since and --until take a length of time, counted back from now, or a time as --timestamps prints it."""
    container = counted(100)
    times = [line.split()[0] for line in docker("logs", "--timestamps", container).stdout.splitlines()]
    since = docker("logs", "--since", times[97], container).stdout.split()
    before = docker("logs", "--until", times[1], container).stdout.split()

    assert len(times) == 100
    assert docker("logs", "--since", "1h", container).stdout.count("\n") == 100
    assert docker("logs", "--until", "1h", container).stdout == ""
    assert since[-3:] == ["98", "99", "100"]
    assert len(since) < 10
    assert before[:1] == ["1"]
    assert len(before) < 10


def test_follow_ends(docker, build, started):
    """docker logs --follow prints what is there and what comes, and ends with the container."""
    container = started(build(), command=["sh", "-c", "echo first; sleep 0.5; echo last"])

    assert docker("logs", "--follow", container, timeout=30).stdout == "first\nlast\n"


def test_there_after_the_end(docker, build, started):
    """The log stays when a container ends, and a second start goes on in it."""
    container = started(build(), command=["seq", "2"])
    docker("wait", container)
    docker("start", container)
    docker("wait", container)

    assert docker("logs", container).stdout == "1\n2\n1\n2\n"


# Where it lies.


def test_json_without_a_limit(docker, build, reported, only_docker):
    """Told nothing, the engine keeps a log with the driver json-file, and no option says how large it may become."""
    only_docker("Podman has drivers of its own")

    assert json.loads(of(docker, reported(build()), "{{json .HostConfig.LogConfig}}")) == {
        "Type": "json-file",
        "Config": {},
    }


def test_a_file_of_the_engine(docker, build, reported, only_docker):
    """The log is a file on the engine's machine, with one JSON object per line: the text, its stream, its time."""
    only_docker("Podman has drivers of its own")
    container = reported(build())
    complete(docker, container)
    written = entries(docker, container)

    assert of(docker, container, "{{.LogPath}}").endswith("-json.log")
    assert [set(line) for line in written] == [{"log", "stream", "time"}] * 4
    assert sorted((line["stream"], line["log"]) for line in written) == [
        ("stderr", LAST),
        *(("stdout", f"{line}\n") for line in REPORTS.splitlines()),
    ]


def test_gone_with_the_container(docker, build, reported, only_docker):
    """docker rm removes the log with the container: the file is gone."""
    only_docker("Podman has drivers of its own")
    container = reported(build())
    path = of(docker, container, "{{.LogPath}}")
    folder, _, own = path.rpartition("/")[0].rpartition("/")
    look = ["run", "--rm", "--volume", f"{folder}:/all:ro", "busybox:1.37", "ls", f"/all/{own}"]
    before = docker(*look)
    docker("rm", "--force", container)

    assert "-json.log" in before.stdout
    assert docker(*look, check=False).returncode != 0


def test_max_size(docker, counted, measure, only_docker):
    """With max-size and max-file the oldest lines are thrown away: docker logs has the last ones only."""
    only_docker("Podman has drivers of its own")
    kept = docker("logs", counted(200, "--log-opt", "max-size=1k", "--log-opt", "max-file=2")).stdout.split()

    assert kept == [str(n) for n in range(201 - len(kept), 201)]
    measure("printed", 200, "count", low=200, high=200)
    measure("kept", len(kept), "count", low=10, high=40)


def test_local(docker, counted, only_docker):
    """docker logs reads the driver local as well, and its file is not one that others can find by LogPath."""
    only_docker("Podman has no driver of that name")
    container = counted(5, "--log-driver", "local")

    assert docker("logs", container).stdout == "1\n2\n3\n4\n5\n"
    assert of(docker, container, "{{.LogPath}}") == ""


def test_none(docker, counted, only_docker):
    """With the driver none docker logs fails: the driver does not support reading."""
    only_docker("Podman has drivers of its own")
    read = docker("logs", counted(5, "--log-driver", "none"), check=False)

    assert read.returncode != 0
    assert UNREADABLE in read.stderr


def test_fixed_at_creation(docker, build, name, only_docker):
    """docker update cannot change the driver of a container: it has no flag --log-driver."""
    only_docker("Podman has drivers of its own")
    refused = docker("update", "--log-driver", "local", name("none"), check=False)

    assert refused.returncode != 0
    assert "unknown flag: --log-driver" in refused.stderr


# Sent away.


def test_shipped(docker, build, started, collector, only_docker):
    """With the driver syslog the engine sends each line to a log server: stdout's as priority 30, stderr's as 27."""
    only_docker("Podman has drivers of its own")
    server, address = collector
    options = ["--log-driver", "syslog", "--log-opt", f"syslog-address={address}", "--log-opt", "tag=report"]
    started(build(), *options)
    got = until(lambda: (read := docker("logs", server).stdout).count("report") >= 8 and read, "four messages")

    # 30 is "daemon, information", for stdout; 27 is "daemon, error", for stderr.
    messages = sorted(line.split(">")[0] + ">" + line.split(": ", 1)[1] for line in got.splitlines()[1:])
    assert messages == ["<27>no more reports", "<30>report 1", "<30>report 2", "<30>report 3"]


def test_dual_logging(docker, build, started, collector, only_docker):
    """docker logs shows what is sent away too, from a copy that the engine keeps; without the copy it fails."""
    only_docker("Podman has drivers of its own")
    ship = ["--log-driver", "syslog", "--log-opt", f"syslog-address={collector[1]}"]
    kept = started(build(), *ship)
    without = started(build(), *ship, "--log-opt", "cache-disabled=true")
    refused = docker("logs", without, check=False)

    assert complete(docker, kept) == REPORTS
    assert refused.returncode != 0
    assert UNREADABLE in refused.stderr


# Compose.


def test_compose_logs(docker, compose):
    """docker compose logs shows the logs of all services, each line behind its container's name, or of those named."""
    until(lambda: compose("logs").stdout.count(" | ") == 5, "five lines")

    assert {line.split("|")[0].strip() for line in compose("logs").stdout.splitlines()} == {"collector-1", "report-1"}
    assert compose("logs", "--no-log-prefix", "collector").stdout == "collecting\n"


def test_compose_one_stream(docker, compose):
    """docker compose logs prints stdout and stderr alike on stdout."""
    until(lambda: compose("logs", "report").stdout.count(" | ") == 4, "four lines")

    assert LAST in compose("logs", "--no-log-prefix", "report").stdout


def test_compose_limits(docker, compose, prefix, only_docker):
    """In a Compose file logging: sets driver and limits, and an anchor sets them for several services."""
    only_docker("Podman has no driver local")
    wanted = {"Type": "local", "Config": {"max-file": "3", "max-size": "10m"}}
    found = [
        of(docker, f"{prefix}-stack-{each}-1", "{{json .HostConfig.LogConfig}}") for each in ("report", "collector")
    ]

    assert [json.loads(each) for each in found] == [wanted, wanted]


def test_compose_recreate(docker, compose):
    """A service that is given a new container begins a new log."""
    until(lambda: compose("logs", "report").stdout.count(" | ") == 4, "four lines")
    compose("stop", "report")
    compose("start", "report")
    until(lambda: compose("logs", "report").stdout.count(" | ") == 8, "the lines of both starts")
    compose("up", "--detach", "--force-recreate", "report")
    until(lambda: compose("logs", "report").stdout.count(" | ") >= 4, "the lines of the new container")

    assert compose("logs", "report").stdout.count(" | ") == 4
