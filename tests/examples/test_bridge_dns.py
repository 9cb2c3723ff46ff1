"""Claims of the example bridge-dns."""

from __future__ import annotations

import json
import socket

import pytest

from drydock.fixtures import until


@pytest.fixture
def network(docker, name):
    """Make a network of this test's own: ``network("net")``."""

    def call(suffix):
        docker("network", "create", name(suffix))
        return name(suffix)

    return call


@pytest.fixture
def start(docker, build, name):
    """Start a server and return its container's name as soon as it answers: ``start("api", "--network", net)``."""

    def call(suffix, *options):
        docker("run", "--detach", "--name", name(suffix), *options, build())
        until(
            lambda: docker("exec", name(suffix), "ask", "127.0.0.1", check=False).returncode == 0,
            "an answer of the server",
        )
        return name(suffix)

    return call


@pytest.fixture
def ask(docker):
    """Ask for places from within a container, and return what was said of each."""

    def call(container, *places):
        said = docker("exec", container, "ask", *places, check=False).stdout.splitlines()
        return [line.rpartition(": ")[2] for line in said]

    return call


@pytest.fixture
def address(docker):
    """Return the address of a container on a network, or on its only one."""

    def call(container, network=None):
        [found] = json.loads(docker("inspect", container).stdout)
        networks = found["NetworkSettings"]["Networks"]
        return (networks[network] if network else next(iter(networks.values())))["IPAddress"]

    return call


def test_default_bridge_knows_no_names(start, ask, address):
    """On the default bridge a container reaches another by its address, and not by its name."""
    one, other = start("one"), start("other")
    by_name = ask(one, other)
    [by_address] = ask(one, address(other))

    assert by_name == ["no such name"]
    assert by_address.startswith("I am ")


def test_own_network_knows_names(network, start, ask, docker, address):
    """On a network that you create, a container's name stands for its address there."""
    net = network("net")
    one, other = start("one", "--network", net), start("other", "--network", net, "--env", "NAME=other")
    looked_up = docker("exec", one, "getent", "hosts", other).stdout.split()

    assert looked_up[0] == address(other)
    assert ask(one, other) == ["I am other"]


def test_resolver_is_the_engines(network, docker, build, only_docker):
    """On a network of your own the name server is 127.0.0.11, which is Docker's; on the default bridge it is not."""
    only_docker("Podman's own name server has an address of the network")
    net = network("net")
    asked = ["grep", "nameserver", "/etc/resolv.conf"]
    own = docker("run", "--rm", "--network", net, build(), *asked).stdout
    default = docker("run", "--rm", build(), *asked, check=False).stdout

    assert own == "nameserver 127.0.0.11\n"
    assert "127.0.0.11" not in default


def test_other_names(network, start, ask, docker, only_docker):
    """Beside its name, a container is found under its hostname, and under the first twelve digits of its ID."""
    only_docker("Podman has its own rules for further names")
    net = network("net")
    one, other = start("one", "--network", net), start("other", "--network", net, "--hostname", "ahoy")
    [found] = json.loads(docker("inspect", other).stdout)

    assert ask(one, "ahoy", found["Id"][:12]) == ["I am ahoy", "I am ahoy"]


def test_alias_is_a_second_name(network, start, ask, docker):
    """An alias is one more name of a container, on the one network that it was given for."""
    front, back = network("front"), network("back")
    api = start("api", "--network", front, "--network-alias", "alias", "--env", "NAME=api")
    docker("network", "connect", back, api)

    assert ask(start("one", "--network", front), api, "alias") == ["I am api", "I am api"]
    assert ask(start("two", "--network", back), api, "alias") == ["I am api", "no such name"]


def test_alias_of_two(network, start, docker, address):
    """A name that two containers share stands for the addresses of both."""
    net = network("net")
    pair = [start(each, "--network", net, "--network-alias", "db") for each in ("one", "two")]
    found = docker("exec", pair[0], "ask", "db").stdout

    assert all(address(each) in found for each in pair)


def test_connect_and_disconnect(network, start, ask, docker):
    """A running container can join a network and leave it, and knows the names there for just that long."""
    net = network("net")
    api, guest = start("api", "--network", net, "--env", "NAME=api"), start("guest")
    before = ask(guest, api)
    docker("network", "connect", net, guest)
    joined = ask(guest, api)
    docker("network", "disconnect", net, guest)

    assert (before, joined, ask(guest, api)) == (["no such name"], ["I am api"], ["no such name"])


def test_one_interface_per_network(network, start, docker):
    """Each network that a container is on is one more interface in it, beside the loopback."""
    one = start("one")
    before = docker("exec", one, "ls", "/sys/class/net").stdout.split()
    docker("network", "connect", network("net"), one)

    assert before == ["eth0", "lo"]
    assert docker("exec", one, "ls", "/sys/class/net").stdout.split() == ["eth0", "eth1", "lo"]


def test_name_follows_the_address(network, start, ask, docker, address):
    """A container that is started again may get another address; its name leads to the new one."""
    net = network("net")
    one = start("one", "--network", net)
    moving = start("moving", "--network", net, "--env", "NAME=moving")
    former = address(moving)
    docker("stop", "--time", "2", moving)
    start("newcomer", "--network", net)
    docker("start", moving)
    until(lambda: ask(one, moving) == ["I am moving"], "the name for its new place")

    assert address(moving) != former


def test_used_network_stays(network, start, docker):
    """A network that a running container is on cannot be removed."""
    net = network("net")
    start("one", "--network", net)
    refused = docker("network", "rm", net, check=False)

    assert refused.returncode != 0
    assert net in docker("network", "ls", "--format", "{{.Name}}").stdout.split()


def test_networks_do_not_overlap(network, docker, name):
    """A network is made with a range of addresses of its own; a second one with that range is refused."""
    [found] = json.loads(docker("network", "inspect", network("net")).stdout)
    subnet = found["IPAM"]["Config"][0]["Subnet"]
    refused = docker("network", "create", "--subnet", subnet, name("other"), check=False)

    assert refused.returncode != 0
    assert name("other") not in docker("network", "ls", "--format", "{{.Name}}").stdout.split()


# The stack.


@pytest.fixture(scope="module")
def compose(docker, folder, docker_services, docker_compose_project_name):
    """Run ``docker compose ARGS`` on the stack, which runs."""

    def call(*args, check=True):
        project = ["--project-directory", str(folder), "--project-name", docker_compose_project_name]
        return docker("compose", *project, *args, check=check)

    return call


@pytest.fixture(scope="module")
def servers(docker, compose, docker_compose_project_name):
    """The names of the stack's containers, by service."""
    return {service: f"{docker_compose_project_name}-{service}-1" for service in ("web", "api", "db")}


def test_names_end_at_the_network(servers, ask):
    """Api, which is on both networks, finds web and db; these two find api and do not find each other."""
    asked = {service: ask(container, "web", "api", "db") for service, container in servers.items()}
    nobody = "no such name"

    assert asked["api"] == ["I am web", "I am api", "I am db"]
    assert asked["web"] == ["I am web", "I am api", nobody]
    assert asked["db"] == [nobody, "I am api", "I am db"]


def test_addresses_end_at_the_network(servers, ask, address, only_docker):
    """A container on another network doesn't answer at its address either: the request times out."""
    only_docker("Podman separates networks only when it is told to")

    assert ask(servers["api"], address(servers["db"])) == ["I am db"]
    assert ask(servers["web"], address(servers["db"])) == ["timed out"]


def test_service_alias(servers, ask):
    """An alias in the Compose file is a second name of the service, beside the service's own."""
    assert ask(servers["api"], "db", "database") == ["I am db", "I am db"]


def test_neighbours_use_the_containers_port(compose, servers, ask):
    """Neighbours reach web at port 8000, on which it listens, and not at the port that is published for people."""
    published = compose("port", "web", "8000").stdout.strip().rpartition(":")[2]

    assert ask(servers["api"], "web:8000", f"web:{published}") == ["I am web", "Connection refused"]


def test_services_have_own_network_spaces(docker, servers):
    """Each of the three services has its own network namespace."""
    spaces = {docker("exec", server, "readlink", "/proc/self/ns/net").stdout for server in servers.values()}

    assert len(spaces) == 3


def test_sidecar_shares_the_network_space(docker, compose, servers):
    """With network_mode: service:api a container is in the network namespace of api, and shares its 127.0.0.1."""
    look = ["readlink", "/proc/self/ns/net"]
    compose("build", "sidecar")
    sidecar = compose("run", "--rm", "sidecar", *look).stdout
    asked = compose("run", "--rm", "sidecar", "ask", "127.0.0.1", "db").stdout

    assert sidecar == docker("exec", servers["api"], *look).stdout
    assert "127.0.0.1: I am api" in asked
    assert "I am db" in asked


def test_localhost_is_the_containers_own(servers, ask):
    """In each of the three containers, 127.0.0.1 is that container."""
    assert [ask(server, "127.0.0.1") for server in servers.values()] == [["I am web"], ["I am api"], ["I am db"]]


# For the picture.

NETWORKS = {"web": "front", "api": "front, back", "db": "back"}


def _pair(source, network, target, **found):
    pair = {"from": source, "to": target, "network": network, "alias": target, "port": 8000, "published": ""}
    return pair | {"resolves": None, "connects": None} | found


def _from_here(target, compose):
    host, _, port = compose("port", target, "8000", check=False).stdout.strip().rpartition(":")
    if not host:
        return _pair("this machine", "", target, alias="")
    with socket.create_connection((host, int(port)), 5):
        return _pair("this machine", "", target, alias="", published=host, connects=True)


@pytest.fixture
def probes(compose, servers, start, ask):
    """Have this machine, then each service, then a container on the default bridge ask for all others."""
    rows = [_from_here(target, compose) for target in servers]
    askers = [(source, NETWORKS[source], servers[source]) for source in servers]
    for source, network, container in [*askers, ("elsewhere", "bridge", start("elsewhere"))]:
        targets = [target for target in servers if target != source]
        for target, said in zip(targets, ask(container, *targets), strict=True):
            found = {"resolves": said != "no such name", "connects": said == f"I am {target}"}
            rows.append(_pair(source, network, target, **found))
    return rows


def test_who_reaches_whom(probes, table, measure):
    """On two networks, a name is found and answers just where both containers are on one network."""
    table("network", "network", probes)
    measure("pairs", len([row for row in probes if row["resolves"] is not None]), "count", low=9, high=9)
    resolved = [(row["from"], row["to"]) for row in probes if row["resolves"]]
    reached = [(row["from"], row["to"]) for row in probes if row["connects"]]

    assert resolved == [("web", "api"), ("api", "web"), ("api", "db"), ("db", "api")]
    assert reached == [("this machine", "web"), *resolved]
