"""Claims of the example port-publishing."""

from __future__ import annotations

import contextlib
import json
import socket

import pytest

from drydock.fixtures import until

#: How the answers of the program `ask` are told in the table.
TOLD = {
    "Ahoy": "answers",
    "Connection refused": "refused",
    # What comes first, the end of the connection or its reset, is chance.
    "Connection reset by peer": "no answer",
    "Remote end closed connection without response": "no answer",
}


@pytest.fixture
def serve(docker, build, name):
    """Start a server, published by the given options, and return its container's name as soon as it is healthy."""

    def call(suffix, *options, image="Dockerfile"):
        docker("run", "--detach", "--name", name(suffix), *options, build(image))
        until(
            lambda: docker("exec", name(suffix), "ask", "127.0.0.1", check=False).returncode == 0,
            "an answer of the server",
        )
        return name(suffix)

    return call


@pytest.fixture
def inspect(docker):
    """Return what ``docker inspect`` says of a container."""
    return lambda container: json.loads(docker("inspect", container).stdout)[0]


@pytest.fixture
def published(inspect):
    """Return what is published of a container: by its own port, the addresses and ports of this machine."""

    def call(container):
        ports = inspect(container)["NetworkSettings"]["Ports"]
        return {
            port: [(one["HostIp"], int(one["HostPort"])) for one in found] for port, found in ports.items() if found
        }

    return call


@pytest.fixture
def host(docker, build, name):
    """Ask for places from the network of the engine's host: ``host("127.0.0.1:32768")``."""
    docker("run", "--detach", "--name", name("host"), "--network", "host", build(), "sleep", "60")
    return lambda place: _told(docker("exec", name("host"), "ask", place, check=False).stdout)


def _told(line):
    said = line.strip().rpartition(": ")[2]
    return TOLD.get(said, said)


@pytest.fixture
def address(inspect):
    """Return the address of a container on its network."""
    return lambda container: next(iter(inspect(container)["NetworkSettings"]["Networks"].values()))["IPAddress"]


@pytest.fixture
def gateway(inspect, docker, build, name):
    """An address of the engine's host other than 127.0.0.1: the host's own on the default network."""
    docker("run", "--detach", "--name", name("gateway"), build(), "sleep", "60")
    return next(iter(inspect(name("gateway"))["NetworkSettings"]["Networks"].values()))["Gateway"]


def test_expose_publishes_nothing(serve, inspect, published, docker):
    """EXPOSE publishes nothing: a container started without -p has no published port, though its image exposes 8000."""
    web = serve("web")

    assert list(inspect(web)["Config"]["ExposedPorts"]) == ["8000/tcp"]
    assert published(web) == {}
    assert docker("port", web).stdout == ""


def test_publish_all_takes_what_is_exposed(serve, published):
    """With -P the port that the image exposes, and no other, is published, at a port above 1023 and on 0.0.0.0."""
    ports = published(serve("web", "-P"))

    assert list(ports) == ["8000/tcp"]
    assert ports["8000/tcp"][0][0] == "0.0.0.0"
    assert ports["8000/tcp"][0][1] > 1023


def test_unpublished_port_answers_its_host(serve, address, host):
    """A port that nobody published answers all the same on the container's own address, if the engine's host asks."""
    assert host(f"{address(serve('web'))}:8000") == "answers"


def test_no_address_means_all_addresses(serve, published, host, gateway):
    """Without an address in front, -p publishes on 0.0.0.0: 127.0.0.1 answers, and another address of the host too."""
    [(address, port), *_] = published(serve("web", "-p", "8000"))["8000/tcp"]

    assert address == "0.0.0.0"
    assert host(f"127.0.0.1:{port}") == "answers"
    assert host(f"{gateway}:{port}") == "answers"


def test_loopback_is_this_machine_only(serve, published, host, gateway):
    """With 127.0.0.1 in front, the port answers on that address, and is refused on another address of the host."""
    [(address, port)] = published(serve("web", "-p", "127.0.0.1::8000"))["8000/tcp"]

    assert address == "127.0.0.1"
    assert host(f"127.0.0.1:{port}") == "answers"
    assert host(f"{gateway}:{port}") == "refused"


def test_network_can_say_the_address(docker, name, serve, published, only_docker):
    """A network can be made so that -p without an address publishes on 127.0.0.1."""
    only_docker("the option is of Docker's bridge")
    docker("network", "create", "--opt", "com.docker.network.bridge.host_binding_ipv4=127.0.0.1", name("net"))
    [(address, _)] = published(serve("web", "--network", name("net"), "-p", "8000"))["8000/tcp"]

    assert address == "127.0.0.1"


def test_free_port_is_chosen_at_each_start(serve, published, docker):
    """A port that the engine chose is chosen again when the container restarts, and is another one then."""
    web = serve("web", "-p", "127.0.0.1::8000")
    before = published(web)
    docker("restart", "--time", "2", web)

    assert published(web)["8000/tcp"] != before["8000/tcp"]


def test_udp_has_to_be_said(docker, build, name):
    """A port is a TCP port unless /udp is written behind it."""
    docker("create", "--name", name("both"), "-p", "127.0.0.1::8000", "-p", "127.0.0.1::8000/udp", build())
    bound = json.loads(docker("inspect", name("both")).stdout)[0]["HostConfig"]["PortBindings"]

    assert sorted(bound) == ["8000/tcp", "8000/udp"]


def test_server_on_localhost_is_out_of_reach(serve, published, docker, inspect):
    """A server that listens on 127.0.0.1 in its container is healthy, and does not answer at its published port."""
    deaf = serve("deaf", "-p", "127.0.0.1::8000", image="Dockerfile.localhost")
    until(lambda: inspect(deaf)["State"]["Health"]["Status"] == "healthy", "healthy")
    [(address, port)] = published(deaf)["8000/tcp"]
    answer = b""
    with contextlib.suppress(ConnectionError), socket.create_connection((address, port), 5) as connection:
        connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
        answer = connection.recv(100)

    assert answer == b""


def test_taken_port(serve, published, docker, build, name):
    """A published port cannot be published twice: the second run ends with status 125 and names the port."""
    [(_, port)] = published(serve("first", "-p", "127.0.0.1::8000"))["8000/tcp"]
    run = ["run", "--detach", "--name", name("second"), "-p", f"127.0.0.1:{port}:8000", build()]
    refused = docker(*run, check=False)

    assert refused.returncode == 125
    assert str(port) in refused.stderr


def test_taken_port_leaves_a_container(serve, published, docker, build, name, only_docker):
    """The run that finds its port taken leaves a container that never started, and that keeps the name."""
    only_docker("Podman's socket may leave no container behind")
    [(_, port)] = published(serve("first", "-p", "127.0.0.1::8000"))["8000/tcp"]
    run = ["run", "--detach", "--name", name("second")]
    docker(*run, "-p", f"127.0.0.1:{port}:8000", build(), check=False)
    state = docker("inspect", "--format", "{{.State.Status}}", name("second")).stdout.strip()
    again = docker(*run, "-p", "127.0.0.1::8000", build(), check=False)

    assert state == "created"
    assert (again.returncode, "is already in use by container" in again.stderr) == (125, True)


def test_port_of_a_program(docker, build, name):
    """A port that a program of this machine has taken cannot be published either."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        run = ["run", "--detach", "--name", name("web"), "-p", f"127.0.0.1:{port}:8000", build()]
        refused = docker(*run, check=False)

    assert refused.returncode != 0
    assert "address already in use" in refused.stderr


@pytest.fixture
def scaled(docker, folder, name, monkeypatch):
    """Start three containers of web by one of the Compose files; return the result and how many of them run."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        monkeypatch.setenv("PORT", str(free.getsockname()[1]))

    def call(file):
        project = name(file.replace(".", "-"))
        compose = ["compose", "--file", str(folder / file), "--project-name", project]
        done = docker(*compose, "up", "--detach", "--build", "--scale", "web=3", check=False, timeout=300)
        mine = ["--filter", f"label=com.docker.compose.project={project}", "--filter", "status=running"]
        return done, len(docker("ps", *mine, "--quiet").stdout.split())

    return call


def test_scale_needs_free_ports(scaled, only_docker):
    """With a certain port of this machine docker compose up --scale web=3 fails; with any free one, three run."""
    only_docker("Podman has a message of its own")
    fixed, running = scaled("compose.fixed.yaml")
    free, all_of_them = scaled("compose.yaml")

    assert fixed.returncode != 0
    assert "port is already allocated" in fixed.stderr
    assert running < 3
    assert (free.returncode, all_of_them) == (0, 3)


# What the engine does to the network of its host.


@pytest.fixture
def iptables(docker, build, only_docker):
    """Run iptables in the network of the engine's host."""
    only_docker("Podman keeps its rules elsewhere")
    tool = build("Dockerfile.rules")
    return lambda *args: docker("run", "--rm", "--network", "host", "--cap-add", "NET_ADMIN", tool, *args).stdout


def test_publishing_redirects(serve, published, address, iptables):
    """Publishing writes a rule by which the host sends what arrives at the port on to the container."""
    web = serve("web", "-p", "8000")
    [(_, port), *_] = published(web)["8000/tcp"]
    [rule] = [line for line in iptables().splitlines() if f"--dport {port} " in line]

    assert rule.endswith(f"-j DNAT --to-destination {address(web)}:8000")


@pytest.fixture
def program(docker, build, name, gateway, host):
    """Start a server on the host itself, as any program of it, and return its port."""
    with socket.create_server((gateway, 0)) as free:
        port = free.getsockname()[1]
    docker("run", "--detach", "--name", name("program"), "--network", "host", build(), "serve", gateway, str(port))
    until(lambda: host(f"{gateway}:{port}") == "answers", "an answer from the gateway")
    return port


@pytest.fixture
def closed(engine, iptables):
    """Write a rule that drops what comes to this machine for these ports; it is taken away at the test's end."""
    if not engine.private:
        pytest.skip("it writes to the firewall of the host, and only a private engine's host may be touched")
    with contextlib.ExitStack() as stack:

        def call(*ports):
            rule = ["INPUT", "-p", "tcp", "-m", "multiport", "--dports", ",".join(map(str, ports)), "-j", "DROP"]
            iptables("-w", "-I", *rule)
            stack.callback(iptables, "-w", "-D", *rule)

        yield call


def test_closed_for_programs_open_for_containers(serve, published, program, closed, host, gateway):
    """A firewall rule that closes a port for this machine's programs does not close a published port."""
    [(_, port), *_] = published(serve("web", "-p", "8000"))["8000/tcp"]
    before = host(f"{gateway}:{program}")
    closed(program, port)

    assert (before, host(f"{gateway}:{program}")) == ("answers", "timed out")
    assert host(f"{gateway}:{port}") == "answers"


# For the table.

OPEN, LOCAL, DEAF, NONE = "`-p 8000`", "`-p 127.0.0.1::8000`", "`-p 8000`, server on 127.0.0.1", "no `-p`"
WAYS = {NONE: [], LOCAL: ["-p", "127.0.0.1::8000"], OPEN: ["-p", "8000"], DEAF: ["-p", "8000"]}


@pytest.fixture
def reach(serve, published, address, docker, host, gateway):
    """Ask each server from this machine, at three addresses, and from a neighbour on its network."""
    found = {}
    neighbour = serve("neighbour")
    for number, (way, options) in enumerate(WAYS.items()):
        web = serve(f"way-{number}", *options, image="Dockerfile.localhost" if way == DEAF else "Dockerfile")
        inside = address(web)
        [(_, port), *_] = published(web).get("8000/tcp", [("", None)])
        found[way] = {
            "this machine, at 127.0.0.1": host(f"127.0.0.1:{port}") if port else "no port",
            "this machine, at its other addresses": host(f"{gateway}:{port}") if port else "no port",
            "this machine, at the container's address": host(inside),
            "a neighbour, at the container's address": _told(
                docker("exec", neighbour, "ask", inside, check=False).stdout
            ),
        }
    return found


def test_who_reaches_it(reach, table):
    """Whether 127.0.0.1 stands in front, and where the server listens inside, decides which addresses answer."""
    table("reach", "grid", [{"row": w, "column": c, "cell": cell} for w in reach for c, cell in reach[w].items()])

    assert list(reach[NONE].values()) == ["no port", "no port", "answers", "answers"]
    assert list(reach[LOCAL].values()) == ["answers", "refused", "answers", "answers"]
    assert list(reach[OPEN].values()) == ["answers", "answers", "answers", "answers"]
    assert list(reach[DEAF].values()) == ["no answer", "refused", "refused", "refused"]
