"""Claims of the example network-modes."""

from __future__ import annotations

import functools
import json
import secrets
from ipaddress import IPv6Network, ip_address
from types import SimpleNamespace

import pytest

from drydock.fixtures import until

#: An address that nobody has: there is a way to it, or there is none.
ELSEWHERE = "198.51.100.1"
GATEWAY = ["--add-host", "host.docker.internal:host-gateway"]


@pytest.fixture
def start(docker, build, name):
    """Start a server and return its container's name as soon as it answers: ``start("web", "--network", "none")``."""

    def call(suffix, *options, command=()):
        docker("run", "--detach", "--name", name(suffix), *options, build(), *command)
        if not command:
            until(
                lambda: docker("exec", name(suffix), "ask", "127.0.0.1", check=False).returncode == 0,
                "an answer of the server",
            )
        return name(suffix)

    return call


@pytest.fixture
def network(docker, name):
    """Make a network of this test's own: ``network("net", "--internal")``."""

    def call(suffix, *options):
        docker("network", "create", *options, name(suffix))
        return name(suffix)

    return call


@pytest.fixture
def look(docker):
    """Return what a container sees of the network: its interfaces, its ways out and its name servers."""

    def call(container):
        lines = docker("exec", container, "look").stdout.splitlines()
        return {label.strip(): words.split() for label, _, words in (line.partition(":") for line in lines)}

    return call


@pytest.fixture
def ask(docker):
    """Ask for places from within a container, and return what was said of each."""

    def call(container, *places):
        said = docker("exec", container, "ask", *places, check=False).stdout.splitlines()
        return [line.rpartition(": ")[2] for line in said]

    return call


@pytest.fixture
def inspect(docker):
    """Return what ``docker inspect`` says of a container."""
    return lambda container: json.loads(docker("inspect", container).stdout)[0]


@pytest.fixture
def gateway(docker):
    """The address of the engine's host on a network: ``gateway("bridge")``."""

    def call(network):
        return json.loads(docker("network", "inspect", network).stdout)[0]["IPAM"]["Config"][0]["Gateway"]

    return call


@pytest.fixture
def on_host(docker, start):
    """Start a server on the host's network, at an address and a free port, and return the port."""

    def call(suffix, address):
        server = start(suffix, "--network", "host", command=["serve", address, "0"])
        return until(lambda: docker("logs", server).stdout.strip(), "its first line")

    return call


def test_none_has_the_loopback_only(start, look, ask):
    """With --network none a container has the interface lo and no way out; it can talk to itself."""
    alone = start("alone", "--network", "none")

    assert look(alone)["interfaces"] == ["lo"]
    assert look(alone)["way out"] == ["none"]
    assert ask(alone, ELSEWHERE) == ["Network is unreachable"]


@pytest.fixture
def ignored(docker, build, name):
    """Start a server with -p on a network, and return what docker run warns of, and what is published."""

    def call(network):
        published = ["--name", name("ignored"), "--network", network, "-p", "127.0.0.1::8000"]
        warned = docker("run", "--detach", *published, build()).stderr
        return warned, docker("port", name("ignored")).stdout

    return call


def test_none_publishes_nothing(ignored, only_docker):
    """With --network none, -p is accepted and does nothing: no port is published, and no message says so."""
    only_docker("Podman refuses the combination")

    assert ignored("none") == ("", "")


def test_host_has_no_network_of_its_own(start, docker, inspect):
    """With --network host two containers share one network namespace; a container on the default bridge has another."""
    spaces = [
        docker(
            "exec", start(each, "--network", "host", command=["sleep", "60"]), "readlink", "/proc/self/ns/net"
        ).stdout
        for each in ("one", "two")
    ]
    own = docker("exec", start("own"), "readlink", "/proc/self/ns/net").stdout

    assert spaces[0] == spaces[1]
    assert own not in spaces


def test_host_has_the_hosts_name(docker, build):
    """With --network host a container has the host's name as well."""
    named = docker("info", "--format", "{{.Name}}").stdout

    assert docker("run", "--rm", "--network", "host", build(), "hostname").stdout == named


def test_host_discards_published_ports(docker, build, name, inspect, only_docker):
    """With --network host, -p is discarded, with a warning."""
    only_docker("Podman's socket gives no warning")
    run = ["run", "--detach", "--name", name("host"), "--network", "host", "-p", "8000", build(), "sleep", "60"]
    warned = docker(*run).stderr

    assert "Published ports are discarded when using host network mode" in warned
    assert inspect(name("host"))["NetworkSettings"]["Ports"] == {}


def test_host_shares_the_ports(docker, build, on_host):
    """With --network host two servers cannot have one port: the second finds the address in use."""
    port = on_host("first", "127.0.0.1")
    second = docker("run", "--rm", "--network", "host", build(), "serve", "127.0.0.1", port, check=False)

    assert second.returncode == 1
    assert "Address already in use" in second.stderr


def test_internal_has_names_and_no_way_out(network, start, look, ask):
    """On an internal network neighbours find each other by name, and no route leads anywhere else."""
    net = network("net", "--internal")
    one, other = start("one", "--network", net), start("other", "--network", net, "--hostname", "other")

    assert look(one)["way out"] == ["none"]
    assert ask(one, other) == ["I am other"]
    assert ask(one, ELSEWHERE) == ["Network is unreachable"]


def test_internal_reaches_its_gateway(network, gateway, on_host, start, ask, only_docker):
    """An internal network is not cut off from its host, which answers at the address of the network's gateway."""
    only_docker("Podman's host has its own rules")
    net = network("net", "--internal")
    port = on_host("program", gateway(net))

    [answer] = ask(start("one", "--network", net), f"{gateway(net)}:{port}")
    assert answer.startswith("I am ")


def test_internal_publishes_nothing(network, ignored, only_docker):
    """On an internal network, -p is accepted and does nothing: no port is published, and no message says so."""
    only_docker("Podman publishes there")

    assert ignored(network("net", "--internal")) == ("", "")


def test_joined_container_shares_all(start, look, ask, docker, only_docker):
    """With --network container: two containers have one network namespace, with one address and one 127.0.0.1."""
    web = start("web", "--hostname", "web")
    sidecar = start("sidecar", "--network", f"container:{web}", command=["sleep", "60"])
    spaces = {docker("exec", each, "readlink", "/proc/self/ns/net").stdout for each in (web, sidecar)}

    assert len(spaces) == 1
    assert look(sidecar) == look(web)
    assert ask(sidecar, "127.0.0.1") == ["I am web"]


def test_joined_container_cannot_publish(start, docker, build, only_docker):
    """With --network container:, -p is refused with status 125: the port would be the other container's."""
    only_docker("Podman has a message of its own")
    web = start("web")
    refused = docker("run", "--rm", "--network", f"container:{web}", "-p", "8000", build(), "look", check=False)

    assert refused.returncode == 125
    assert "port publishing and the container type network mode" in refused.stderr


def test_joined_container_is_left_behind(start, look, docker, only_docker):
    """When the joined container is restarted, the other keeps running with lo alone, until it is restarted too."""
    only_docker("Podman keeps both in one network")
    web = start("web")
    sidecar = start("sidecar", "--network", f"container:{web}", command=["sleep", "60"])
    docker("restart", "--time", "2", web)
    left = look(sidecar)["interfaces"]
    docker("restart", "--time", "0", sidecar)

    assert left == ["lo"]
    assert look(sidecar)["interfaces"] == ["eth0", "lo"]


def test_localhost_is_not_the_host(on_host, start, ask):
    """A server on the host's 127.0.0.1 is reached from a container in host mode, not from one on the default bridge."""
    port = on_host("program", "127.0.0.1")
    near = start("near", "--network", "host", command=["sleep", "60"])

    assert ask(near, f"127.0.0.1:{port}")[0].startswith("I am ")
    assert ask(start("web"), f"127.0.0.1:{port}") == ["Connection refused"]


def test_host_gateway_is_the_host(on_host, gateway, start, ask, only_docker):
    """With --add-host and host-gateway a container finds the host by a name, and on Linux not without it."""
    only_docker("Podman adds the name by itself")
    port = on_host("program", gateway("bridge"))
    place = f"host.docker.internal:{port}"

    assert ask(start("named", *GATEWAY), place)[0].startswith("I am ")
    assert ask(start("nameless"), place) == ["no such name"]


def test_host_gateway_does_not_reach_localhost(on_host, start, ask, only_docker):
    """A server of the host that listens on 127.0.0.1 is refused even through host-gateway: it listens elsewhere."""
    only_docker("Podman adds the name by itself")
    port = on_host("program", "127.0.0.1")

    assert ask(start("web", *GATEWAY), f"host.docker.internal:{port}") == ["Connection refused"]


def test_ipv6_is_asked_for(network, docker, build):
    """Containers have an IPv6 address beside the other one on a network that was made with --ipv6."""
    subnet = IPv6Network(((0xFD << 40 | secrets.randbits(40)) << 80, 64))
    nets = [network("four"), network("six", "--ipv6", "--subnet", str(subnet))]
    found = [docker("run", "--rm", "--network", net, build(), "hostname", "-I").stdout.split() for net in nets]

    assert [len(addresses) for addresses in found] == [1, 2]
    assert ip_address(found[1][1]) in subnet


# For the table.

NONE, DEFAULT, OWN, INTERNAL, JOINED = "`none`", "default bridge", "your own", "internal", "`container:`"
MODES = [NONE, DEFAULT, OWN, INTERNAL, "`host`", JOINED]


@pytest.fixture
def modes(network, start):
    """By mode: the options for it, the network in which to look for neighbours, and a neighbour there."""
    own, internal = network("own"), network("internal", "--internal")
    neighbours = {net: start(f"at-{net[-4:]}", "--network", net) for net in ("bridge", own, internal)}
    places = ["none", "bridge", own, internal, "host", f"container:{neighbours[own]}"]
    homes = ["bridge", "bridge", own, internal, "bridge", own]
    return {mode: (place, home, neighbours[home]) for mode, place, home in zip(MODES, places, homes, strict=True)}


@pytest.fixture
def host(docker, start, ask, on_host, gateway):
    """The engine's host: asks, and answers at the addresses of the networks' gateways."""
    container = start("host", "--network", "host", command=["sleep", "60"])
    ports = functools.cache(lambda net: on_host(f"host-{net[-4:]}", gateway(net)))
    return SimpleNamespace(
        container=container,
        reaches=lambda place: _yes(*ask(container, place)),
        place=lambda net: f"{gateway(net)}:{ports(net)}",
    )


@pytest.fixture
def address(inspect):
    """Return the address of a container on a network, or None."""
    return lambda container, net: inspect(container)["NetworkSettings"]["Networks"].get(net, {}).get("IPAddress")


@pytest.fixture
def looker(docker, build, name):
    """Start a server in a mode, with -p where that is allowed: its name, its port, and what became of -p."""

    def call(place):
        container = name(f"in-{place[:4]}-{place[-4:]}")
        run = ["run", "--detach", "--name", container, "--network", place]
        serve = [build(), "serve", "0.0.0.0", "0"]
        done = docker(*run, "-p", "127.0.0.1::8000", *serve, check=False)
        became = "ignored, with a warning" if "discarded" in done.stderr else "ignored"
        if done.returncode:
            became = "refused"
            docker(*run, *serve)
        elif docker("port", container).stdout:
            became = "published"
        return container, until(lambda: docker("logs", container).stdout.strip(), "its first line"), became

    return call


@pytest.fixture
def interfaces(docker, look, host):
    """Say which interfaces a container has, or whose."""

    def space(container):
        return docker("exec", container, "readlink", "/proc/self/ns/net").stdout

    def call(container, neighbour):
        shared = {space(host.container): "the host's", space(neighbour): "the other container's"}
        return shared.get(space(container)) or ", ".join(look(container)["interfaces"])

    return call


@pytest.fixture
def probe(looker, interfaces, ask, look, address, host):
    """Try everything in one mode, and return what came of it."""

    def call(place, home, neighbour):
        container, port, became = looker(place)
        here = address(container, home) or (address(neighbour, home) if ":" in place else "127.0.0.1")
        asked = ask(container, neighbour, address(neighbour, home), host.place("bridge"), host.place(home))
        by_name, by_address, to_host, to_gateway = map(_yes, asked)
        return {
            "interfaces": interfaces(container, neighbour),
            "a way out": "no" if look(container)["way out"] == ["none"] else "yes",
            "finds neighbours by name": by_name,
            "reaches their addresses": by_address,
            "reaches the host": "only at its gateway" if (to_host, to_gateway) == ("no", "yes") else to_host,
            "the host reaches it": host.reaches(f"{here}:{port}"),
            "`-p` is": became,
        }

    return call


def _yes(said):
    return "yes" if said.startswith("I am ") else "no"


def test_what_works_where(modes, probe, table, only_docker):
    """Names resolve on your own or an internal network and with container:; bridge and your own publish ports."""
    only_docker("Podman's modes differ in detail")
    found = {mode: probe(*options) for mode, options in modes.items()}
    questions = found[NONE]
    table("modes", "grid", [{"row": q, "column": mode, "cell": found[mode][q]} for q in questions for mode in found])
    named = [mode for mode in found if found[mode]["finds neighbours by name"] == "yes"]
    published = [mode for mode in found if found[mode]["`-p` is"] == "published"]

    assert named == [OWN, INTERNAL, JOINED]
    assert published == [DEFAULT, OWN]
    assert list(found[NONE].values()) == ["lo", *["no"] * 5, "ignored"]
    assert found[INTERNAL]["reaches the host"] == "only at its gateway"
    assert found[INTERNAL]["the host reaches it"] == "yes"


# Compose.


def test_compose_starts_what_has_no_profile(docker_services, docker, docker_compose_project_name):
    """docker compose up does not start a service that has a profile."""
    ours = f"label=com.docker.compose.project={docker_compose_project_name}"
    started = docker("ps", "--all", "--filter", ours, "--format", "{{.Names}}").stdout.split()

    assert sorted(started) == [f"{docker_compose_project_name}-{service}-1" for service in ("vault", "web")]


def test_compose_host(docker_services, docker, build, folder, docker_compose_project_name):
    """In a Compose file network_mode: host gives the same network namespace as docker run --network host."""
    project = ["--project-directory", str(folder), "--project-name", docker_compose_project_name]
    space = ["readlink", "/proc/self/ns/net"]
    # Compose says above it what it builds.
    by_compose = docker("compose", *project, "run", "--rm", "host", *space).stdout.splitlines()[-1]

    assert by_compose == docker("run", "--rm", "--network", "host", build(), *space).stdout.strip()
