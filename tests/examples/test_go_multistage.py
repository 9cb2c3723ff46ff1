"""Claims of the example go-multistage."""

from __future__ import annotations

import hashlib
import json
import re
import tarfile
import time
from datetime import datetime

import pytest
import requests
from testcontainers.core.wait_strategies import LogMessageWaitStrategy

from drydock.fixtures import until
from drydock.layers import rows as stacks

FINAL = ("tiny", "distroless")
LISTENS = "listening on :8080"
STRIPPED = '-ldflags "-s -w" '
HTTP2_LEFT_OUT = "-tags nethttpomithttp2 "


@pytest.fixture
def fetch(docker, name, tmp_path):
    """Copy a file of an image here, without a shell in it: ``fetch(image, "/app")`` returns its bytes."""

    def call(image: str, path: str) -> bytes:
        made = docker("create", image, "/none").stdout.strip()
        docker("rename", made, name(made[:8]))
        docker("cp", f"{made}:{path}", str(tmp_path / made[:8]))
        return (tmp_path / made[:8]).read_bytes()

    return call


@pytest.fixture
def files(docker, name, tmp_path):
    """List what a container of an image sees: path -> entry of the archive that docker export writes."""

    def call(image: str) -> dict[str, tarfile.TarInfo]:
        container, archive = name("files"), tmp_path / "files.tar"
        docker("create", "--name", container, image, "/none")
        docker("export", "--output", str(archive), container)
        docker("rm", container)
        with tarfile.open(archive) as opened:
            return {entry.name: entry for entry in opened}

    return call


def size(docker, image: str) -> int:
    """Return the bytes of all layers of an image."""
    lines = docker("history", "--no-trunc", "--human=false", "--format", "{{.Size}}", image).stdout.split()
    return sum(map(int, lines))


def layers(docker, image: str) -> list[str]:
    """Return the digests of an image's layers, the lowest first."""
    return json.loads(docker("image", "inspect", "--format", "{{json .RootFS.Layers}}", image).stdout)


def health(docker, container: str, wanted: str) -> list[dict]:
    """Wait until a container's health is as wanted; return its log of probes."""

    def found() -> dict:
        return json.loads(docker("inspect", "--format", "{{json .State.Health}}", container).stdout)

    return until(lambda: (now := found())["Status"] == wanted and now, f"{container} {wanted}")["Log"]


@pytest.fixture
def copy(example, tmp_path):
    """A copy of the example for one test, which may change it."""
    return example.copy_to(tmp_path)


def edit(copy) -> None:
    """Edit main.go in a copy as it was never edited before."""
    with (copy / "main.go").open("a") as file:
        file.write(f"// edited at {time.time_ns()}\n")


def became(said: str, instruction: str) -> str:
    """Return what a build with plain progress says became of a step: CACHED or DONE."""
    [step] = re.findall(rf"^(#\d+) \[.*\] {re.escape(instruction)}$", said, re.MULTILINE)
    [end] = re.findall(rf"^{step} (CACHED|DONE)", said, re.MULTILINE)
    return end


# What is shipped.


def test_health_answers_through_the_published_port(container, build):
    """The server on scratch answers /health with status 200 through a port published on 127.0.0.1."""
    web = container(build(), ports=[8080], wait=LogMessageWaitStrategy(LISTENS))
    url = f"http://127.0.0.1:{web.get_exposed_port(8080)}"

    assert requests.get(f"{url}/health", timeout=5).status_code == 200
    assert requests.get(f"{url}/elsewhere", timeout=5).status_code == 404


def test_runs_as_nobody_in_particular(container, build):
    """The program is process 1 and user 65532."""
    web = container(build(), ports=[8080], wait=LogMessageWaitStrategy(LISTENS))
    said = requests.get(f"http://127.0.0.1:{web.get_exposed_port(8080)}/", timeout=5).text

    assert said == "Hello from process 1, user 65532.\n"


def test_becomes_healthy(docker, name, build):
    """The container becomes healthy, on scratch as on distroless: the program checks itself."""
    for target in FINAL:
        docker("run", "--detach", "--name", name(target), build(target=target))

    for target in FINAL:
        assert health(docker, name(target), "healthy")[-1]["ExitCode"] == 0


def test_check_fails_where_nothing_listens(docker, build):
    """The program's own health check ends with exit status 1 where no server listens."""
    done = docker("run", "--rm", build(), "/app", "healthcheck", check=False)

    assert done.returncode == 1
    assert "127.0.0.1:8080: connect: connection refused" in done.stderr


@pytest.fixture
def stopped(docker, build, name):
    """Start the server, stop it when it is healthy, and return its exit status, and its seconds from signal to end."""

    def call():
        web = name("web")
        docker("run", "--detach", "--name", web, build())
        health(docker, web, "healthy")
        docker("stop", web)
        [state] = json.loads(docker("inspect", "--format", "[{{json .State}}]", web).stdout)
        seconds = _from_signal_to_end(docker, web, datetime.fromisoformat(state["FinishedAt"]))
        docker("rm", web)
        return state["ExitCode"], seconds

    return call


def _from_signal_to_end(docker, web, ended):
    until, form = f"--until={int(ended.timestamp()) + 2}", "--format={{.Action}} {{.TimeNano}}"
    found = docker("events", "--since=10m", until, f"--filter=container={web}", form).stdout
    at = {action: int(nano) for action, nano in re.findall(r"^(kill|die) (\d+)$", found, re.MULTILINE)}
    return (at["die"] - at["kill"]) / 1e9


def test_stops_when_asked(stopped, measure, repeat):
    """At docker stop the server ends by itself within a second, with exit status 0."""
    statuses, seconds = zip(*repeat(stopped), strict=True)

    measure("stop-seconds", seconds, "seconds", high=1)
    assert set(statuses) == {0}


def test_one_layer_per_copy(docker, build, measure):
    """The image on scratch has one layer, the copied program; the one on distroless adds one layer to its base."""
    base = layers(docker, "gcr.io/distroless/static-debian13:nonroot")
    distroless = layers(docker, build(target="distroless"))

    measure("scratch-layers", len(layers(docker, build())), "count", low=1, high=1)
    assert distroless[:-1] == base


def test_only_copy_adds_bytes(docker, build):
    """In the history of the image on scratch, only COPY has a size."""
    lines = docker("history", "--human=false", "--format", "{{.Size}} {{.CreatedBy}}", build()).stdout.splitlines()

    assert [line.split()[1] for line in lines if not line.startswith("0 ")] == ["COPY"]


def test_same_bytes_in_both_stages(docker, build, fetch):
    """The program in both final images is, byte for byte, the one that the build stage made."""
    made = docker("run", "--rm", build(target="build"), "sha256sum", "/app").stdout.split()[0]
    shipped = {hashlib.sha256(fetch(build(target=target), "/app")).hexdigest() for target in FINAL}

    assert shipped == {made}


def test_nothing_but_the_program(build, files):
    """In the image on scratch the program is the only file that is not empty."""
    found = files(build())

    assert [path for path, entry in found.items() if entry.isreg() and entry.size] == ["app"]


def test_no_shell_to_run(docker, build):
    """There is no shell to run, on scratch or on distroless: exit status 127."""
    for target in FINAL:
        done = docker("run", "--rm", build(target=target), "sh", check=False)

        assert done.returncode == 127
        assert 'exec: "sh": executable file not found in $PATH' in done.stderr


def test_no_shell_to_enter(docker, build, name):
    """On scratch docker exec finds no shell either, and fails."""
    docker("run", "--detach", "--name", name("web"), build())
    done = docker("exec", name("web"), "sh", check=False)

    assert done.returncode in (126, 127)  # 126 before Docker 28
    assert 'exec: "sh": executable file not found in $PATH' in done.stdout + done.stderr


def test_the_compiler_stays_behind(docker, build):
    """The build stage has the Go compiler; the image that is shipped has not."""
    assert docker("run", "--rm", build(target="build"), "go", "version").stdout.startswith("go version go1.27")
    assert docker("run", "--rm", build(), "go", "version", check=False).returncode == 127


def test_numeric_user(docker, build):
    """Both final images name their user and group in numbers."""
    images = [build(target=target) for target in FINAL]
    users = docker("image", "inspect", "--format", "{{.Config.User}}", *images).stdout.split()

    assert users == ["65532:65532", "65532:65532"]


def test_both_say_the_same(docker, build):
    """The two final images say the same of themselves: their user, port, health check and command."""
    show = ["image", "inspect", "--format", "{{json .Config}}"]
    known = [json.loads(docker(*show, build(target=stage)).stdout) for stage in ("distroless", "tiny")]
    one, other = ([each[what] for what in ("User", "ExposedPorts", "Healthcheck", "Cmd")] for each in known)

    assert one == other
    assert one[1] == {"8080/tcp": {}}


def test_distroless_nonroot_is_numeric(docker, build):
    """The base image distroless/static with the tag nonroot runs as user 65532 without a USER line."""
    build(target="distroless")  # so that the base is there
    base = "gcr.io/distroless/static-debian13:nonroot"

    assert docker("image", "inspect", "--format", "{{.Config.User}}", base).stdout.split(":")[0].strip() == "65532"


def test_what_distroless_adds(build, files, fetch):
    """Distroless has CA certificates, time zones, a /tmp for everyone and a user nonroot; scratch has none of them."""
    wanted = {"etc/ssl/certs/ca-certificates.crt", "usr/share/zoneinfo/Europe/Berlin", "tmp", "etc/passwd"}
    scratch, distroless = files(build()), files(build(target="distroless"))

    assert not wanted & {path.rstrip("/") for path in scratch}
    assert wanted <= {path.rstrip("/") for path in distroless}
    assert distroless["tmp"].mode & 0o1777 == 0o1777
    assert b"nonroot:x:65532:" in fetch(build(target="distroless"), "/etc/passwd")


# How large it is.


def test_small(docker, build, fetch, files, measure):
    """The program and its image on scratch are at most 6 MB each; the files of the one on distroless, at most 10 MB."""
    distroless = sum(entry.size for entry in files(build(target="distroless")).values())
    measure("binary-size", len(fetch(build(), "/app")), "bytes", high=6_000_000)
    measure("scratch-size", size(docker, build()), "bytes", high=6_000_000)
    measure("distroless-size", distroless, "bytes", high=10_000_000)


def test_naive_ships_the_compiler(docker, build, measure):
    """The image of a single stage ships the compiler, and is at least fifty times as large."""
    naive, scratch = size(docker, build("Dockerfile.naive")), size(docker, build())

    measure("naive-size", naive, "bytes", low=300_000_000)
    measure("naive-to-scratch", naive / scratch, "ratio", low=50)
    assert docker("run", "--rm", build("Dockerfile.naive"), "go", "version").stdout.startswith("go version")


def test_what_each_flag_saves(build, fetch, folder, measure):
    """Leaving out the symbols saves more than 2 MB of the program, leaving out HTTP/2 more than 400 kB."""
    text = (folder / "Dockerfile").read_text()
    (folder / "Dockerfile.symbols").write_text(text.replace(STRIPPED, ""))
    (folder / "Dockerfile.http2").write_text(text.replace(HTTP2_LEFT_OUT, ""))
    shipped = len(fetch(build(), "/app"))

    measure("symbols-saved", len(fetch(build("Dockerfile.symbols"), "/app")) - shipped, "bytes", low=2_000_000)
    measure("http2-saved", len(fetch(build("Dockerfile.http2"), "/app")) - shipped, "bytes", low=400_000)


def test_no_folders_of_the_build_stage(build, fetch):
    """With -trimpath the program does not name the folders of its build stage; without it, it does."""
    assert b"/usr/local/go/src/net" not in fetch(build(), "/app")
    assert b"/usr/local/go/src/net" in fetch(build("Dockerfile.naive"), "/app")


# How it is built.


def test_builds_without_network(docker, copy, prefix):
    """The build's commands need no network: everything they use is in the golang image."""
    edit(copy)
    docker("build", "--network=none", "--tag", f"{prefix}:offline", str(copy), timeout=300)


def test_an_edit_leaves_the_dependencies_alone(docker, build, copy, prefix):
    """After an edit of main.go only the steps from the source on run again: go mod download does not."""
    build()
    edit(copy)
    said = docker("build", "--progress=plain", "--tag", f"{prefix}:edited", str(copy), timeout=300).stderr

    assert became(said, "RUN go mod download") == "CACHED"
    assert became(said, "COPY *.go ./") == "DONE"


def test_naive_fetches_again(docker, copy, prefix):
    """With all files copied at once, an edit of main.go makes go mod download run again."""
    upto, _, _ = (copy / "Dockerfile.naive").read_text().partition("RUN go build")
    (copy / "Dockerfile").write_text(upto)
    docker("build", "--tag", f"{prefix}:before", str(copy), timeout=300)
    edit(copy)
    said = docker("build", "--progress=plain", "--tag", f"{prefix}:after", str(copy), timeout=300).stderr

    assert became(said, "RUN go mod download") == "DONE"


def test_missing_gosum(docker, folder):
    """A COPY that names go.sum fails for a module without dependencies: it has no such file."""
    done = docker("build", "--file", str(folder / "Dockerfile.gosum"), str(folder), check=False)

    assert done.returncode == 1
    assert '"/go.sum": not found' in done.stderr


def test_optional_gosum(docker, copy, prefix, fetch):
    """A COPY of go.su[m] takes the file where it is, and nothing where it is not."""
    assert "COPY go.mod go.su[m] ./" in (copy / "Dockerfile").read_text()
    (copy / "Dockerfile").write_text("FROM scratch\nCOPY go.mod go.su[m] /\n")
    docker("build", "--tag", f"{prefix}:without", str(copy))
    (copy / "go.sum").write_text("sums")
    docker("build", "--tag", f"{prefix}:with", str(copy))

    assert fetch(f"{prefix}:without", "/go.mod").startswith(b"module ")
    assert fetch(f"{prefix}:with", "/go.sum") == b"sums"


def test_unneeded_stages_are_not_run(docker, build, folder):
    """A stage that fails breaks the build only when the target needs it."""
    build("Dockerfile.unused", "--no-cache")
    wanted = docker("build", "--file", str(folder / "Dockerfile.unused"), "--target=unused", str(folder), check=False)

    assert wanted.returncode == 1
    assert "[unused 2/2] RUN exit 1" in wanted.stderr


def test_scratch_is_no_image(docker):
    """There is no image called scratch to pull: the word is reserved."""
    done = docker("pull", "scratch", check=False)

    assert done.returncode == 1
    assert "'scratch' is a reserved name" in done.stderr


def test_other_cpu(docker, build, engine):
    """A program for another CPU fails with "exec format error", unless the engine's kernel has an emulator for it."""
    other = "amd64" if engine.facts["architecture"] == "arm64" else "arm64"
    image = build("Dockerfile", f"--platform=linux/{other}")
    done = docker("run", "--rm", f"--platform=linux/{other}", image, "/app", "healthcheck", check=False)
    emulated = re.search(rf"linux/{other}\b", docker("buildx", "inspect", "default").stdout)

    assert docker("image", "inspect", "--format", "{{.Architecture}}", image).stdout.strip() == other
    assert done.returncode != 0
    assert ("connection refused" if emulated else "exec /app: exec format error") in done.stderr


# How it breaks.


def test_cgo_needs_what_scratch_has_not(docker, build):
    """A program linked to the C library builds, and does not start on scratch: "no such file or directory"."""
    linked = docker("run", "--rm", build("Dockerfile.cgo", target="build"), "ldd", "/app").stdout
    done = docker("run", "--rm", build("Dockerfile.cgo"), check=False)

    assert "libc.so.6 => " in linked
    assert done.returncode != 0
    assert "exec /app: no such file or directory" in done.stderr


def test_cgo_on_distroless(docker, build, folder):
    """A program linked to the C library does not start on distroless/static either: that has no C library."""
    text = (folder / "Dockerfile.cgo").read_text()
    (folder / "Dockerfile.cgo-static").write_text(text.replace("scratch", "gcr.io/distroless/static-debian13:nonroot"))
    done = docker("run", "--rm", build("Dockerfile.cgo-static"), check=False)

    assert done.returncode != 0
    assert "exec /app: no such file or directory" in done.stderr


def test_cgo_on_musl(docker, build, files):
    """A program linked to Debian's C library does not start in an image that has musl instead."""
    there = [path for path in files(build("Dockerfile.musl")) if "ld-musl-" in path]
    done = docker("run", "--rm", build("Dockerfile.musl"), check=False)

    assert there
    assert done.returncode != 0
    assert "exec /app: no such file or directory" in done.stderr


def test_without_cgo_no_library(docker, build):
    """A program made with CGO_ENABLED=0 is linked to no library."""
    done = docker("run", "--rm", build(target="build"), "ldd", "/app", check=False)

    assert "not a dynamic executable" in done.stdout + done.stderr


def test_shell_form_health_check(docker, build, name):
    """A health check without brackets asks for /bin/sh: on scratch a server that works is unhealthy."""
    docker("run", "--detach", "--name", name("web"), build("Dockerfile.shell"))
    log = health(docker, name("web"), "unhealthy")

    assert "stat /bin/sh: no such file or directory" in log[0]["Output"]
    assert docker("exec", name("web"), "/app", "healthcheck").returncode == 0


def test_user_by_name(docker, build):
    """A user by name cannot be found in an image without /etc/passwd: its container is not started."""
    done = docker("run", "--rm", build("Dockerfile.user"), check=False)

    assert done.returncode == 125
    assert "unable to find user appuser: no matching entries in passwd file" in done.stderr


def test_user_by_copied_name(docker, build, folder):
    """Copying /etc/passwd from the build stage lets a user be named only if that user was made there."""
    text = (folder / "Dockerfile.user").read_text()
    copied = text.replace("FROM scratch\n", "FROM scratch\nCOPY --from=build /etc/passwd /etc/\n")
    (folder / "Dockerfile.copied").write_text(copied)
    (folder / "Dockerfile.made").write_text(copied.replace("ENV ", "RUN useradd --uid 65532 appuser\nENV "))
    without = docker("run", "--rm", build("Dockerfile.copied"), "/app", "healthcheck", check=False)
    made = docker("run", "--rm", build("Dockerfile.made"), "/app", "healthcheck", check=False)

    assert "unable to find user appuser" in without.stderr
    assert "connection refused" in made.stderr  # which the program itself says: it was started


def test_user_by_number(docker, build, name):
    """An image that names a user it does not know runs once the user is given by number."""
    docker("run", "--detach", "--name", name("web"), "--user", "65532:65532", build("Dockerfile.user"))

    assert docker("inspect", "--format", "{{.State.Status}}", name("web")).stdout.strip() == "running"


def test_no_certificates(docker, build, name, tmp_path):
    """On scratch an HTTPS server isn't trusted; once its CA certificate is put in place, it is."""
    docker("run", "--detach", "--name", name("peer"), build("Dockerfile.peer"))
    call = [build(), "/app", "healthcheck", "https://127.0.0.1:8443"]
    joined = ["run", "--rm", "--network", f"container:{name('peer')}"]
    said = until(lambda: (log := docker("logs", name("peer")).stdout).count("-----END") and log, "its certificate")
    (tmp_path / "peer.crt").write_text(said)
    trusting = ["--volume", f"{tmp_path}/peer.crt:/etc/ssl/certs/ca-certificates.crt:ro"]

    assert "x509: certificate signed by unknown authority" in docker(*joined, *call, check=False).stderr
    assert docker(*joined, *trusting, *call).returncode == 0


# As a stack.


def test_stack_is_closed_but_for_one_port(docker, docker_services, docker_compose_project_name):
    """With Compose the server works without a writable disk, without privileges, and listens on 127.0.0.1 only."""
    port = docker_services.port_for("web", 8080)
    [found] = json.loads(docker("inspect", f"{docker_compose_project_name}-web-1").stdout)
    host = found["HostConfig"]

    assert requests.get(f"http://127.0.0.1:{port}/", timeout=5).text == "Hello from process 1, user 65532.\n"
    assert [bound["HostIp"] for bound in found["NetworkSettings"]["Ports"]["8080/tcp"]] == ["127.0.0.1"]
    assert (host["ReadonlyRootfs"], host["CapDrop"]) == (True, ["ALL"])
    assert "no-new-privileges:true" in host["SecurityOpt"]


# For the pictures.


def test_three_sizes(docker, build, table):
    """The image on distroless is less than a tenth of the one-stage image, and the one on scratch is smaller still."""
    images = {"one stage": build("Dockerfile.naive"), "distroless": build(target="distroless"), "scratch": build()}
    naive, distroless, scratch = (size(docker, image) for image in images.values())
    rows = zip(images, (naive, distroless, scratch), strict=True)
    table("sizes", "sizes", [{"image": label, "bytes": taken} for label, taken in rows])

    assert naive > 10 * distroless
    assert distroless > scratch


def test_shares_one_layer(engine, docker, copy, prefix, table):
    """Built from one run of the build stage, the images share one layer, the program; that on scratch has no other."""
    images = {"distroless": f"{prefix}:shared-distroless", "scratch": f"{prefix}:shared-scratch"}
    edit(copy)  # an earlier run of the build stage made a program with another time stamp, so another layer
    for target, image in zip(("distroless", "tiny"), images.values(), strict=True):
        docker("build", "--target", target, "--tag", image, str(copy), timeout=300)
    rows = stacks(engine, images, "gcr.io/distroless/static-debian13:nonroot")
    table("layers", "layers", rows)
    held = {label: {row["layer"] for row in rows if row["image"] == label and row["layer"]} for label in images}

    assert held["distroless"] & held["scratch"] == held["scratch"]
    assert len(held["scratch"]) == 1
