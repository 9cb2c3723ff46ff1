"""Claims of the example reverse-proxy-scale."""

from __future__ import annotations

import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path
from types import SimpleNamespace

import pytest

from drydock.engine import Engine
from drydock.fixtures import until

#: So many answers that each of a few containers is among them.
MANY = 60
#: A name server's answer is good for two seconds; the rest is for a busy machine.
DEADLINE = 30
NAME_SERVER = "Podman's name server is not at 127.0.0.11"


@dataclass
class Stack:
    """A copy of the example as a project of its own."""

    engine: Engine
    folder: Path
    project: str
    over: tuple[str, ...] = ()

    def __call__(self, *args: str, check: bool = True) -> str:
        """Run ``docker compose ARGS`` and return what it printed, on both streams."""
        files = [f"--file={self.folder / name}" for name in ("compose.yaml", *self.over)]
        done = self.engine.run("compose", *files, "--project-name", self.project, *args, check=check, timeout=300)
        return done.stdout + done.stderr

    def up(self, *options: str) -> str:
        """Start it, wait until it is healthy, and return the address of the proxy."""
        self("up", "--detach", "--wait", "--timeout", "0", *options)
        return f"http://{self('port', 'proxy', '80').strip()}"

    def of(self, service: str) -> list[dict]:
        """Return what ``docker inspect`` says of the containers of `service`."""
        return json.loads(self.engine.run("inspect", *self("ps", "--all", "--quiet", service).split()).stdout)

    def reload(self) -> str:
        """Have nginx read its configuration again."""
        return self("exec", "-T", "proxy", "nginx", "-s", "reload", check=False)


def get(address: str, **headers: str) -> SimpleNamespace:
    """Ask, and return status and text; without an answer the status is 0."""
    request = urllib.request.Request(address, headers={name.replace("_", "-"): v for name, v in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return SimpleNamespace(status=answer.status, text=answer.read().decode())
    except urllib.error.HTTPError as error:
        return SimpleNamespace(status=error.code, text=error.read().decode())
    except (OSError, HTTPException) as error:
        return SimpleNamespace(status=0, text=str(error))


def names(address: str) -> set[str]:
    """Ask many times, and return who answered."""
    return {get(address).text.removeprefix("I am ").strip() for _ in range(MANY)}


def ids(containers: list[dict]) -> set[str]:
    """Return the host names of containers, which are the beginnings of their IDs."""
    return {each["Config"]["Hostname"] for each in containers}


def told(address: str, **headers: str) -> dict[str, str]:
    """Return the headers that web was given."""
    return dict(line.split(": ", 1) for line in get(f"{address}/headers", **headers).text.splitlines()[1:])


@pytest.fixture(scope="module")
def stack_of(engine, example, prefix, tmp_path_factory) -> Callable[..., Stack]:
    """Make a copy of the example and name its project."""
    return lambda name, *over: Stack(
        engine, example.copy_to(tmp_path_factory.mktemp(name)), f"{prefix}-{name}", tuple(over)
    )


@pytest.fixture(scope="module")
def stack(stack_of, only_docker) -> Stack:
    """The stack that most claims share."""
    only_docker(NAME_SERVER)
    return stack_of("stack")


@pytest.fixture(scope="module")
def address(stack) -> str:
    """The stack is up, and the proxy is here."""
    return stack.up("--build")


# One door.


def test_three_answer(stack, address):
    """Asked 60 times, the proxy has all three containers of web answer."""
    assert names(address) == ids(stack.of("web"))
    assert len(ids(stack.of("web"))) == 3


def test_web_is_not_published(stack, address):
    """The proxy is published on this machine alone, and web has no published port."""
    [proxy] = stack.of("proxy")

    assert [each["HostIp"] for each in proxy["NetworkSettings"]["Ports"]["80/tcp"]] == ["127.0.0.1"]
    assert not any(port for web in stack.of("web") for port in web["NetworkSettings"]["Ports"].values())


def test_who_asks(stack, address):
    """Web is asked by the proxy, which tells it in X-Forwarded-For who asked the proxy."""
    [proxy] = stack.of("proxy")
    [network] = proxy["NetworkSettings"]["Networks"].values()
    asked_by = get(f"{address}/headers").text.splitlines()[0]

    assert asked_by == f"asked by {network['IPAddress']}"
    assert told(address)["X-Forwarded-For"] not in (network["IPAddress"], "None")


def test_what_was_asked_for(address):
    """Host and X-Forwarded-Proto reach web as the client's: its own port, and http."""
    found = told(address)

    assert found["Host"] == address.removeprefix("http://")
    assert found["X-Forwarded-Proto"] == "http"


def test_forged(address):
    """What a client writes into X-Forwarded-For itself is replaced by the address that it came from."""
    assert told(address, X_Forwarded_For="192.0.2.1")["X-Forwarded-For"] == told(address)["X-Forwarded-For"]


def test_without_headers(plain):
    """Without proxy_set_header, web is told of nobody, and the host that was asked for is the name in proxy_pass."""
    assert plain.told == {"Host": "web:8000", "X-Forwarded-For": "None", "X-Forwarded-Proto": "None"}


# Containers come and go.


def test_more(stack, address):
    """With docker compose up --scale web=5 the new containers answer too, and nginx was not told."""
    [before] = stack.of("proxy")
    stack.up("--scale", "web=5")
    until(lambda: names(address) == ids(stack.of("web")), "answers of all five", DEADLINE)
    [after] = stack.of("proxy")
    stack.up()

    assert (after["Id"], after["State"]["StartedAt"]) == (before["Id"], before["State"]["StartedAt"])


def test_one_goes(stack, docker, address):
    """While one of three is stopped, none of 60 requests fails; when it is back, it answers again."""
    [gone, *others] = stack.of("web")
    docker("stop", "--time", "0", gone["Id"])
    statuses = {get(address).status for _ in range(MANY)}
    left = names(address)
    docker("start", gone["Id"])

    assert statuses == {200}
    assert left == ids(others)
    until(lambda: names(address) == ids([gone, *others]), "answers of all three", DEADLINE)


def test_all_go(stack, docker, address):
    """With no web at all, nginx goes on and answers 502 or 504; when web is back, so are the answers."""
    webs = [each["Id"] for each in stack.of("web")]
    docker("stop", "--time", "0", *webs)
    lost = until(lambda: (found := get(address)).status >= 500 and found.status, "an error", DEADLINE)
    docker("start", *webs)

    assert lost in (502, 504)
    until(lambda: get(address).status == 200, "an answer", DEADLINE)


def test_another_address(stack, docker, address, name):
    """When web comes back with other addresses, nginx asks these, and was not told."""
    webs, before = [each["Id"] for each in stack.of("web")], addresses(stack)
    docker("stop", "--time", "0", *webs)
    guests = [name(f"guest{number}") for number in range(len(webs))]
    for guest in guests:
        sit_down(docker, guest, stack)
    docker("start", *webs)
    after = addresses(stack)
    until(lambda: names(address) == ids(stack.of("web")), "answers of all three", DEADLINE)
    docker("rm", "--force", *guests)

    assert not before & after


@pytest.fixture(scope="module")
def plain(stack_of, docker, prefix) -> SimpleNamespace:
    """A proxy with a plain name in proxy_pass, whose web gets another address."""
    stack = stack_of("once", "compose.once.yaml")
    address = stack.up("--build")
    seen = SimpleNamespace(first=get(address).status, told=told(address), before=addresses(stack))
    stack.up("--scale", "web=2")
    seen.two, seen.answering = ids(stack.of("web")), names(address)
    stack.up()
    stack("stop", "--timeout", "0", "web")
    guest = f"{prefix}-guest"
    sit_down(docker, guest, stack)
    stack.up()
    seen.after = addresses(stack)
    seen.lost, seen.log = get(address), stack("logs", "--no-log-prefix", "proxy")
    stack.reload()
    seen.reloaded = until(lambda: (found := get(address)).status == 200 and found, "an answer", DEADLINE)
    docker("rm", "--force", guest)
    stack("down", "--timeout", "0")
    return seen


def sit_down(docker: Callable, guest: str, stack: Stack) -> None:
    """Start somebody who takes the first free address of the stack's network, and listens to nobody."""
    network = f"{stack.project}_default"
    docker("run", "--detach", "--init", "--name", guest, "--network", network, "busybox:1.37", "sleep", "600")


def addresses(stack: Stack) -> set[str]:
    """Return the addresses of the containers of web."""
    return {net["IPAddress"] for web in stack.of("web") for net in web["NetworkSettings"]["Networks"].values()}


def test_once_does_not_see_more(plain):
    """With a plain name in proxy_pass, a container that was added gets no request."""
    assert len(plain.two) == 2
    assert len(plain.answering) == 1


def test_once_is_lost(plain):
    """With a plain name in proxy_pass, nginx asks the old address when web has come back with another: 502."""
    assert plain.first == 200
    assert plain.before != plain.after
    assert (plain.lost.status, "502 Bad Gateway" in plain.lost.text) == (502, True)
    assert "connect() failed (111: Connection refused)" in plain.log
    assert f"http://{next(iter(plain.before))}:8000" in plain.log


def test_reload_looks_up(plain):
    """After nginx -s reload, such a proxy has looked up the name again, and answers."""
    assert plain.reloaded.text.startswith("I am ")


# The configuration.


def test_configuration_is_read_only(stack, address):
    """Mounted with :ro, the configuration's folder cannot be written to from inside, not even by root."""
    said = stack("exec", "-T", "--user", "0", "proxy", "touch", "/etc/nginx/conf.d/more.conf", check=False)

    assert "Read-only file system" in said
    assert not (stack.folder / "conf.d" / "more.conf").exists()


def test_reload(stack, address):
    """An edit counts after nginx -s reload, also when the editor replaces the file, and no container is replaced."""
    place = stack.folder / "conf.d" / "default.conf"
    place.with_suffix(".new").write_text(place.read_text().replace("first", "second"))
    place.with_suffix(".new").rename(place)
    before, [old] = get(f"{address}/proxy").text, stack.of("proxy")
    stack.reload()
    until(lambda: get(f"{address}/proxy").text == "second configuration\n", "the second configuration", DEADLINE)
    [new] = stack.of("proxy")

    assert before == "first configuration\n"
    assert (new["Id"], new["State"]["StartedAt"]) == (old["Id"], old["State"]["StartedAt"])


def test_reload_of_an_error(stack, address):
    """A reload of a configuration with an error is refused, and nginx goes on with the one that it has."""
    place = stack.folder / "conf.d" / "default.conf"
    good = place.read_text()
    place.write_text(good.replace("location =", "locatoin ="))
    said = stack.reload()
    place.write_text(good)

    assert 'unknown directive "locatoin"' in said
    assert get(address).status == 200


# The end.


def slowly(stack: Stack, address: str, *end: str) -> SimpleNamespace:
    """Have a slow request under way, end the proxy by ``docker ARGS ID``, and return the answer."""
    [proxy] = stack.of("proxy")
    web = [container["Id"] for container in stack.of("web")]
    begun = slow(stack, web)
    with ThreadPoolExecutor() as pool:
        answer = pool.submit(get, f"{address}/slow")
        # Not by docker compose, which takes half of the request's two seconds on a busy machine.
        until(lambda: slow(stack, web) > begun, "a request under way", DEADLINE)
        stack.engine.run(*end, proxy["Id"])
        return answer.result()


def slow(stack: Stack, web: list[str]) -> int:
    """Return how many slow requests the containers of web have said that they began."""
    return sum(stack.engine.run("logs", each).stdout.count("slow: begun") for each in web)


def test_stop_lets_requests_finish(stack, address):
    """Asked to stop, nginx gets SIGQUIT, which is in its image: the request under way gets its answer."""
    answer = slowly(stack, address, "stop")
    [proxy] = stack.of("proxy")

    assert proxy["Config"]["StopSignal"] == "SIGQUIT"
    assert (answer.status, proxy["State"]["ExitCode"]) == (200, 0)


def test_sigterm_cuts_them_off(stack, address):
    """Sent SIGTERM instead, nginx does not wait: the request under way gets no answer."""
    answer = slowly(stack, stack.up(), "kill", "--signal", "TERM")

    assert answer.status == 0


# TLS.


@pytest.fixture(scope="module")
def secure(stack_of, docker, only_docker) -> SimpleNamespace:
    """A proxy with TLS and a certificate of its own."""
    only_docker(NAME_SERVER)
    stack = stack_of("tls", "compose.tls.yaml")
    certs = stack.folder / "certs"
    certs.mkdir(mode=0o777)
    certs.chmod(0o777)
    request = "req -x509 -nodes -days 2 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -subj /CN=localhost"
    names = "-addext subjectAltName=DNS:localhost -keyout /certs/key.pem -out /certs/cert.pem"
    words = ["openssl", *request.split(), *names.split()]
    docker("run", "--rm", "--volume", f"{certs}:/certs", "nginx:1.30", *words)
    port = stack.up("--build", "--scale", "web=1") and stack("port", "proxy", "443").strip().rpartition(":")[2]
    address = f"https://localhost:{port}/headers"
    trusting = ssl.create_default_context(cafile=str(certs / "cert.pem"))
    with urllib.request.urlopen(address, context=trusting, timeout=20) as answer:
        text = answer.read().decode()
    seen = SimpleNamespace(text=text, unknown=get(address))
    stack("down", "--timeout", "0")
    return seen


def test_tls_ends_here(secure):
    """TLS ends at the proxy: web is asked without it, and learns from X-Forwarded-Proto that it was https."""
    assert "X-Forwarded-Proto: https" in secure.text


def test_tls_is_checked(secure):
    """A client that does not know who signed the certificate refuses it."""
    assert secure.unknown.status == 0
    assert "certificate verify failed" in secure.unknown.text
