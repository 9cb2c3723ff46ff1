"""Claims of the example python-multistage."""

from __future__ import annotations

import json
import re
import shlex
import time

import pytest
import requests

from drydock import builds
from drydock.fixtures import until
from drydock.layers import rows as stacks

BASE = "python:3.13-slim"
WHERE = ["python", "-c", "import mandel; print(mandel.__file__)"]
INSTALL = "RUN pip --python /opt/venv install --no-cache-dir -r requirements.txt"
INSTALL_NAIVE = "RUN pip install --root-user-action=ignore -r requirements.txt"


@pytest.fixture(scope="module")
def base(docker):
    """The base image, under a name: a build uses it without giving it one."""
    docker("pull", "--quiet", BASE, timeout=300)
    return BASE


@pytest.fixture
def web(container, build):
    """Start the app and return its address."""
    started = container(build(), ports=[8000])
    url = f"http://127.0.0.1:{started.get_exposed_port(8000)}"
    until(lambda: answers(f"{url}/health"), f"{url}/health")
    return url


@pytest.fixture
def copy(example, tmp_path):
    """A copy of the example for one test, which may change it."""
    return example.copy_to(tmp_path)


@pytest.fixture
def rebuild(docker, copy, name):
    """Edit a file of the copy as it was never edited before, build, and return what the build said."""

    def call(edited="look.py", dockerfile="Dockerfile"):
        with (copy / edited).open("a") as file:
            file.write(f"# edited at {time.time_ns()}\n")
        options = ["--progress=plain", "--file", str(copy / dockerfile), "--tag", name("edited")]
        return docker("build", *options, str(copy), timeout=300).stderr

    return call


@pytest.fixture
def inside(docker):
    """Run a line of shell as root in a new container, and return what it prints: ``inside(image, "id")``."""

    def call(image, line):
        return docker("run", "--rm", "--user", "0", image, "sh", "-c", line).stdout.strip()

    return call


def answers(url: str) -> bool:
    """Say whether there is an answer."""
    try:
        return requests.get(url, timeout=5).ok
    except requests.ConnectionError:
        return False


def became(said: str, instruction: str) -> str:
    """Return what a build with plain progress says became of a step: CACHED or DONE."""
    [step] = set(re.findall(rf"^(#\d+) \[.*\] {re.escape(instruction)}$", said, re.MULTILINE))
    [end] = re.findall(rf"^{step} (CACHED|DONE)", said, re.MULTILINE)
    return end


def size(docker, image: str) -> int:
    """Return the bytes of all layers of an image."""
    lines = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}", image).stdout.split()
    return sum(map(int, lines))


def health(docker, container: str) -> str:
    """Return what a container's health check says of it."""
    return docker("inspect", "--format", "{{.State.Health.Status}}", container).stdout.strip()


# The app.


def test_serves(web):
    """The app answers with its picture through a port published on 127.0.0.1, and says that it is well."""
    page = requests.get(web, timeout=5)

    assert page.status_code == 200
    assert "#" * 20 in page.text
    assert requests.get(f"{web}/health", timeout=5).text == "ok\n"


def test_looks_closer(web):
    """Another place gives another picture; a question that makes no sense, and an unknown page, give an error."""
    closer = requests.get(f"{web}/?x=-0.745&y=0.11&zoom=40", timeout=5)

    assert closer.status_code == 200
    assert closer.text != requests.get(web, timeout=5).text
    assert requests.get(f"{web}/?zoom=much", timeout=5).status_code == 400
    assert requests.get(f"{web}/?zoom=0", timeout=5).status_code == 400
    assert requests.get(f"{web}/elsewhere", timeout=5).status_code == 404


def test_user(web, docker, build):
    """The program is process 1 and user 10001, and cannot write to its own files."""
    denied = docker("run", "--rm", build(), "touch", "app.py", "look.py", check=False)

    assert requests.get(web, timeout=5).text.splitlines()[-1] == "drawn by process 1, user 10001"
    assert denied.returncode == 1
    assert denied.stderr.count("Permission denied") == 2


def test_naive_is_root(docker, build):
    """Without a line USER the program runs as root."""
    assert docker("run", "--rm", build("Dockerfile.naive"), "id", "-u").stdout == "0\n"


def test_stops(docker, build, name):
    """Asked to stop, the program ends by itself with exit status 0."""
    docker("run", "--detach", "--name", name("web"), build())
    until(lambda: docker("exec", name("web"), *probe(docker, build()), check=False).returncode == 0, "an answer")
    docker("stop", name("web"))

    assert docker("inspect", "--format", "{{.State.ExitCode}}", name("web")).stdout == "0\n"
    assert docker("logs", name("web")).stdout == "stopping\n"


# Its health.


def probe(docker, image: str) -> list[str]:
    """Return the command of an image's health check."""
    form = "{{json .Config.Healthcheck.Test}}"
    return json.loads(docker("image", "inspect", "--format", form, image).stdout)[1:]


def test_healthy(docker, build, name):
    """The container becomes healthy: its own Python asks the page, and no curl is needed."""
    docker("run", "--detach", "--name", name("web"), build())
    until(lambda: health(docker, name("web")) == "healthy", "healthy")

    assert probe(docker, build())[0] == "python"
    assert docker("exec", name("web"), "sh", "-c", "command -v curl", check=False).returncode != 0


def test_probe_fails(docker, build):
    """The health check ends with exit status 1 where nothing listens."""
    done = docker("run", "--rm", build(), *probe(docker, build()), check=False)

    assert done.returncode == 1
    assert "Connection refused" in done.stderr


def test_probe_gives_up(docker, build):
    """Where a program takes connections and never answers, the health check gives up by itself: timed out."""
    deaf = "import socket as s, time; l = s.create_server(('127.0.0.1', 8000)); "
    check = shlex.join(probe(docker, build()))
    line = f'python -c "{deaf}time.sleep(60)" & until python -c "{CONNECT}" 2> /dev/null; do :; done; {check}'
    done = docker("run", "--rm", "--init", build(), "sh", "-c", line, check=False, timeout=60)

    assert done.returncode == 1
    assert done.stderr.strip().splitlines()[-1] == "TimeoutError: timed out"


CONNECT = "import socket; socket.create_connection(('127.0.0.1', 8000)).close()"


# What is installed, and where.


def test_import(docker, build):
    """The program finds its package in the virtual environment, as user 10001 and as user 4711."""
    expected = "/opt/venv/lib/python3.13/site-packages/mandel/__init__.py\n"

    assert docker("run", "--rm", build(), *WHERE).stdout == expected
    assert docker("run", "--rm", "--user", "4711:4711", build(), *WHERE).stdout == expected


def test_command(docker, build):
    """A command that the package brings along is on the PATH."""
    assert docker("run", "--rm", build(), "mandel").stdout.count("\n") == 16


def test_link_to_python(inside, build):
    """The virtual environment holds no Python of its own: its python is a link to the one of the image."""
    assert inside(build(), "readlink /opt/venv/bin/python") == "/usr/local/bin/python"


def test_scripts_name_their_place(inside, build):
    """A command in a virtual environment begins with the path at which the environment was made."""
    assert inside(build(), "head -n 1 /opt/venv/bin/mandel") == "#!/opt/venv/bin/python"


def test_without_pip(inside, base, build, measure):
    """A virtual environment with a pip of its own is more than 5 MB larger than this one, which does without."""
    count = "find {} -type f -exec stat -c %s '{{}}' + | awk '{{ sum += $1 }} END {{ print sum }}'"
    with_pip = int(inside(base, f"python -m venv /venv && {count.format('/venv')}"))
    venv = int(inside(build(), count.format("/opt/venv")))

    measure("venv", venv, "bytes", high=1_000_000)
    measure("venv-pip", with_pip - venv, "bytes", low=5_000_000)


# What stays behind.


def test_the_compiler_stays_behind(docker, build):
    """The stage that installs has the compiler; the image that is shipped has not."""
    assert docker("run", "--rm", build(target="build"), "gcc", "--version").stdout.startswith("gcc ")
    assert docker("run", "--rm", build("Dockerfile.naive"), "gcc", "--version").stdout.startswith("gcc ")
    assert docker("run", "--rm", build(), "sh", "-c", "command -v gcc", check=False).returncode != 0


def test_packages(inside, base, build, measure):
    """The image holds no Debian package beyond those of its base; with the compiler it would be at least 20 more."""
    here, below, workshop = (
        int(inside(image, "dpkg-query --list | grep -c ^ii")) for image in (build(), base, build(target="build"))
    )

    assert here == below
    measure("packages", here, "count", low=1)
    measure("packages-compiler", workshop - here, "count", low=20)


def test_no_leftovers(inside, build):
    """pip left no cache in the stage where it ran; the image has no package list of apt and no package source."""
    looked = inside(build(), "ls -d /var/lib/apt/lists/*Packages* /src 2> /dev/null || true")
    where_pip_ran = inside(build(target="build"), "ls -d /src /root/.cache/pip 2> /dev/null || true")

    assert looked == ""
    assert where_pip_ran == "/src"


def test_slim(inside, base):
    """python:3.13-slim has no curl, wget, ps, adduser, gcc, or git."""
    line = 'for each in curl wget ps adduser gcc git python; do command -v "$each" || true; done'

    assert inside(base, line) == "/usr/local/bin/python"


def test_sizes(docker, base, build, table, measure):
    """The image of one stage is more than twice as large; that of two adds less than 1 MB to its base."""
    images = {"one stage": build("Dockerfile.naive"), "two stages": build(), "their base": base}
    bytes_of = {label: size(docker, image) for label, image in images.items()}
    table("sizes", "sizes", [{"image": label, "bytes": taken} for label, taken in bytes_of.items()])
    naive, ship, below = bytes_of.values()

    measure("naive-size", naive, "bytes", low=2 * ship)
    measure("size", ship, "bytes", low=below)
    measure("added", ship - below, "bytes", high=1_000_000)
    measure("naive-added", naive - below, "bytes", low=100_000_000)


def test_layers(engine, build, table):
    """The image adds three layers to its base: the virtual environment, an empty folder, and the program."""
    found = stacks(engine, {"python-multistage": build()}, BASE)
    table("layers", "layers", found)
    own = [row["instruction"] for row in found if row["layer"] and not row["base"]]

    assert own == ["COPY /opt/venv /opt/venv", "WORKDIR /app", "COPY app.py look.py ./"]


# Rebuilds.


def test_an_edit_installs_nothing(rebuild, build):
    """After an edit of the program only the last COPY runs again: all other steps come from the cache."""
    build()

    assert builds.ran(rebuild()) == ["COPY app.py look.py ./"]


def test_an_edit_of_the_package_installs(rebuild):
    """After an edit of the package it is installed again, and the compiler is not."""
    said = rebuild("mandel/mandel/__init__.py")

    assert became(said, INSTALL) == "DONE"
    assert became(said, "RUN python -m venv --without-pip /opt/venv") == "CACHED"


def test_naive_installs_again(rebuild, build, measure, repeat):
    """With everything copied before the install, an edit installs again, and takes longer to build."""

    def seconds(dockerfile, install, outcome):
        began = time.monotonic()
        assert became(rebuild(dockerfile=dockerfile), install) == outcome
        return time.monotonic() - began

    def both():
        return seconds("Dockerfile", INSTALL, "CACHED"), seconds("Dockerfile.naive", INSTALL_NAIVE, "DONE")

    build()
    build("Dockerfile.naive")
    good, naive = zip(*repeat(both), strict=True)

    measure("rebuild", good, "seconds", high=20)
    measure("naive-rebuild", naive, "seconds", low=0.5)
    measure("speedup", min(naive) / max(good), "ratio", low=1)


def test_a_container_keeps_its_image(docker, rebuild, name):
    """A running container stays on the image that it was started from after another is built under that name."""
    rebuild()
    docker("run", "--detach", "--name", name("web"), name("edited"))
    form = ["--format", "{{.Image}}", name("web")]
    before = docker("inspect", *form).stdout
    rebuild()

    assert docker("inspect", *form).stdout == before
    assert docker("image", "inspect", "--format", "{{.Id}}", name("edited")).stdout != before


# How it breaks.


def test_no_compiler(docker, folder):
    """On the slim image alone the package cannot be installed, since there is no compiler."""
    done = docker("build", "--file", str(folder / "Dockerfile.no-compiler"), str(folder), check=False, timeout=300)
    said = done.stdout + done.stderr

    assert done.returncode != 0
    assert re.search(r"error: \[Errno 2\] No such file or directory: '.*gcc'", said)
    assert "Failed building wheel for mandel" in said


def test_home(docker, build):
    """What pip install --user has put into a user's home is found by that user; user 4711 cannot import it."""
    image = build("Dockerfile.home")
    other = docker("run", "--rm", "--user", "4711:4711", image, check=False)  # the program itself

    assert docker("run", "--rm", image, *WHERE).stdout.startswith("/home/appuser/.local/")
    assert other.returncode == 1
    assert "ModuleNotFoundError: No module named 'mandel'" in other.stderr


def test_home_is_roots(docker, build):
    """A home that only a COPY has made belongs to root, so its user cannot write there."""
    done = docker("run", "--rm", build("Dockerfile.home"), "touch", "/home/appuser/note", check=False)

    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_moved(docker, build):
    """In a virtual environment that was moved, Python still finds its package, but the package's command fails."""
    image = build("Dockerfile.moved")
    script = docker("run", "--rm", image, check=False)

    assert docker("run", "--rm", image, *WHERE).stdout.startswith("/app/venv/lib/")
    assert script.returncode != 0
    assert re.search(r"/app/venv/bin/mandel\W.*no such file or directory", script.stderr + script.stdout, re.IGNORECASE)


def test_no_python(docker, build, only_docker):
    """On a base without Python the link leads nowhere: executable file not found, exit status 127."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    image = build("Dockerfile.no-python")
    done = docker("run", "--rm", image, check=False)
    look = "command -v mandel; readlink /opt/venv/bin/python; readlink --canonicalize-existing /opt/venv/bin/python"

    assert docker("run", "--rm", image, "sh", "-c", look, check=False).stdout == (
        "/opt/venv/bin/mandel\n/usr/local/bin/python\n"
    )
    assert done.returncode == 127
    assert re.search(r"\"?python\"?.*not found in \$PATH", done.stderr)


# As a stack.


def test_stack(docker, docker_services, docker_compose_project_name):
    """With Compose the app works read-only, without capabilities or new privileges, published on 127.0.0.1 only."""
    port = docker_services.port_for("web", 8000)
    [found] = json.loads(docker("inspect", f"{docker_compose_project_name}-web-1").stdout)
    host = found["HostConfig"]

    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).text.endswith("drawn by process 1, user 10001\n")
    assert [bound["HostIp"] for bound in found["NetworkSettings"]["Ports"]["8000/tcp"]] == ["127.0.0.1"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in host["SecurityOpt"]
