"""Claims of the example base-images-compared."""

from __future__ import annotations

import re

import pytest

BASES = (
    "scratch",
    "gcr.io/distroless/static-debian13:nonroot",
    "busybox:1.37",
    "debian:trixie-slim",
    "python:3.13-slim",
    "node:24-slim",
    "golang:1.27",
)
DISTROLESS, BUSYBOX, DEBIAN = BASES[1:4]
#: The columns of the table, in its order.
COLUMNS = {
    "size": "Unpacked",
    "files": "Files",
    "packages": "Packages",
    "shell": "Shell",
    "package manager": "Package manager",
    "C library": "C library",
    "user": "User",
}


@pytest.fixture(scope="module")
def survey(build, docker):
    """Return what the program finds on a base: ``survey("scratch")["shell"]``."""
    seen = {}

    def call(base: str) -> dict[str, str]:
        if base not in seen:
            said = docker("run", "--rm", build("Dockerfile", "--build-arg", f"BASE={base}", timeout=600)).stdout
            seen[base] = dict(re.split(r"  +", line, maxsplit=1) for line in said.splitlines())
        return seen[base]

    return call


def test_compared(survey, table):
    """Each of the seven bases differs from each other one in at least one column of the table."""
    found = {base: survey(base) for base in BASES}
    shown = {
        base: {heading: each[key].replace("-", "none") for key, heading in COLUMNS.items()}
        for base, each in found.items()
    }
    rows = [
        {"row": f"`{base}`", "column": heading, "cell": cell}
        for base, row in shown.items()
        for heading, cell in row.items()
    ]
    table("bases", "grid", rows)

    assert len({tuple(row.values()) for row in shown.values()}) == len(BASES)


def test_scratch_is_empty(survey):
    """On scratch there is nothing: no file, no shell, no C library, no certificates, no /tmp, and no list of users."""
    found = dict(survey("scratch"))

    assert found.pop("files") == "0"
    assert found.pop("size") == "0.0 MB"
    assert (found.pop("user"), found.pop("packages")) == ("0", "0")
    assert set(found.values()) == {"-"}


def test_distroless_has_what_programs_ask_for(survey):
    """distroless/static has certificates, time zones, a list of users and /tmp, and neither shell nor C library."""
    found = survey(DISTROLESS)

    assert "-" not in (found["authorities"], found["time zones"], found["list of users"], found["/tmp"])
    assert (found["shell"], found["package manager"], found["C library"]) == ("-", "-", "-")


def test_distroless_is_not_root(survey):
    """The tag nonroot of distroless sets the user 65532; the other bases here run as root unless told otherwise."""
    assert survey(DISTROLESS)["user"] == "65532"
    assert {survey(base)["user"] for base in BASES if base != DISTROLESS} == {"0"}


def test_no_shell(build, docker):
    """On distroless, which has no shell, a container that starts sh fails with exit status 127."""
    image = build("Dockerfile", "--build-arg", f"BASE={DISTROLESS}", timeout=600)
    failed = docker("run", "--rm", "--entrypoint", "sh", image, check=False)

    assert failed.returncode == 127
    assert "executable file not found" in failed.stderr


def test_busybox_has_a_shell_and_no_packages(survey):
    """busybox has a shell, but no package manager and no list of packages."""
    found = survey(BUSYBOX)

    assert found["shell"] == "/bin/sh"
    assert (found["package manager"], found["packages"]) == ("-", "0")


def test_language_images_are_debian(survey):
    """The language images are Debian 12 or 13, with apt and at least as many packages as Debian slim."""
    debian = survey(DEBIAN)

    for base in BASES[4:]:
        found = survey(base)
        assert re.fullmatch(r"Debian GNU/Linux 1[23] \(\w+\)", found["system"])
        assert found["package manager"] == debian["package manager"] == "/usr/bin/apt"
        assert int(found["packages"]) >= int(debian["packages"])


def test_node_is_on_the_release_before(survey):
    """node:24-slim is Debian 12, while debian:trixie-slim and python:3.13-slim are Debian 13."""
    systems = [survey(base)["system"] for base in ("node:24-slim", DEBIAN, "python:3.13-slim")]

    assert [re.findall(r"\d+", system) for system in systems] == [["12"], ["13"], ["13"]]


def test_distroless_lists_its_packages(survey, docker, build, name):
    """distroless lists at least three Debian packages in /var/lib/dpkg/status.d, tzdata among them."""
    image = build("Dockerfile", "--build-arg", f"BASE={DISTROLESS}", timeout=600)
    docker("create", "--name", name("listed"), image)
    listed = docker("cp", f"{name('listed')}:/var/lib/dpkg/status.d/tzdata", "-").stdout

    assert int(survey(DISTROLESS)["packages"]) >= 3
    assert "Package: tzdata\n" in listed


def test_sizes(survey, measure):
    """Unpacked, distroless/static and busybox are under a tenth of Debian slim, and the Go image at least twice it."""
    sizes = {base: float(survey(base)["size"].removesuffix(" MB")) * 1e6 for base in BASES}
    measure("distroless", sizes[DISTROLESS], "bytes", high=10_000_000)
    measure("debian", sizes[DEBIAN], "bytes", high=150_000_000)
    measure("golang", sizes["golang:1.27"], "bytes", low=2 * sizes[DEBIAN])

    assert sizes[DISTROLESS] < sizes[DEBIAN] / 10
    assert sizes[BUSYBOX] < sizes[DEBIAN] / 10


def test_compose_runs_both(docker, folder, prefix):
    """Each service of the Compose file puts the program on the base that it names."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    told = {
        service: docker(*compose, "run", "--build", "--rm", service, timeout=600).stdout
        for service in ("slim", "distroless")
    }
    docker(*compose, "down", "--rmi", "local")

    assert re.search(r"^system  +Debian", told["slim"], re.MULTILINE)
    assert re.search(r"^shell  +/\S*sh$", told["slim"], re.MULTILINE)
    assert re.search(r"^shell  +-", told["distroless"], re.MULTILINE)
    assert re.search(r"^user  +65532", told["distroless"], re.MULTILINE)
