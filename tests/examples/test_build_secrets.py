"""Claims of the example build-secrets."""

from __future__ import annotations

import gzip
import re
import tarfile

import pytest

TOKEN = "not-a-real-token"


@pytest.fixture(scope="module")
def token(folder, prefix):
    """The secret, in a file beside the Dockerfile."""
    # The cache does not look at secrets: what somebody built here with another token is not to come from it.
    with (folder / "fetch").open("a") as program:
        program.write(f"# {prefix}\n")
    path = folder / "token.txt"
    path.write_text(TOKEN)
    path.chmod(0o644)
    return path


@pytest.fixture
def secret(build, token):
    """Build one of the Dockerfiles with the secret, and return its tag."""

    def call(dockerfile):
        try:
            return build(dockerfile, "--secret", f"id=token,src={token}")
        except Exception as error:
            if "unexpected key 'env'" in str(error):
                pytest.skip("its builder gives a secret as a file only")
            raise

    return call


@pytest.fixture
def in_files(docker, tmp_path):
    """Say whether the token is in a layer of the image."""

    def call(image):
        docker("save", "--output", str(tmp_path / "image.tar"), image)
        with tarfile.open(tmp_path / "image.tar") as saved:
            blobs = [saved.extractfile(each).read() for each in saved if each.isfile()]
        layers = [gzip.decompress(blob) if blob[:2] == b"\x1f\x8b" else blob for blob in blobs if blob[:1] not in b"{["]
        return any(TOKEN.encode() in layer for layer in layers)

    return call


@pytest.fixture
def found(docker, in_files):
    """Say where the token is found of a container: in files, history, inspect, and the environment of process 1."""

    def call(container):
        image = docker("inspect", "--format", "{{.Image}}", container).stdout.strip()
        environ = docker("exec", container, "cat", "/proc/1/environ").stdout
        return {
            "layers of the image": in_files(image),
            "`docker history`": TOKEN in docker("history", "--no-trunc", image).stdout,
            "`docker inspect`": TOKEN in docker("inspect", container, image).stdout,
            "environment of process 1": TOKEN in environ,
        }

    return call


@pytest.fixture
def started(docker, name):
    """Start a container that stays: ``started(image, "--env", "A=1")``."""

    def call(image, *options):
        container = name(f"c{len(containers)}")
        containers.append(container)
        docker("run", "--detach", "--init", "--name", container, *options, image, "sleep", "60")
        return container

    containers = []
    return call


def test_the_build_had_it(docker, secret):
    """A command with the mount can read the secret, as a file under /run/secrets."""
    assert docker("run", "--rm", secret("Dockerfile")).stdout == f"fetched with a token of {len(TOKEN)} characters\n"


def test_the_build_had_the_variable(docker, secret):
    """With env= in the mount, the command has the secret in a variable, which the container doesn't have."""
    image = secret("Dockerfile.env")

    assert docker("run", "--rm", image).stdout == f"fetched with a token of {len(TOKEN)} characters\n"
    assert "TOKEN" not in docker("run", "--rm", image, "env").stdout


def test_required(docker, folder):
    """A build that is not given its required secret fails, and says which one."""
    failed = docker("build", "--no-cache", str(folder), check=False)

    assert failed.returncode != 0
    assert re.search(r"secret\b.*\btoken\b.* found", (failed.stdout + failed.stderr).strip().splitlines()[-1])


def test_a_new_secret_repeats_nothing(docker, example, name, tmp_path):
    """Another value of the secret does not repeat a step whose result is in the cache."""
    copy = example.copy_to(tmp_path)
    with (copy / "fetch").open("a") as fetch:
        fetch.write(f"# {name('new')}\n")
    said = []
    for value, *options in (("four",), ("longer",), ("longer", "--no-cache")):
        (tmp_path / "token").write_text(value)
        docker("build", *options, "--secret", f"id=token,src={tmp_path / 'token'}", "--tag", name("i"), str(copy))
        said.append(int(docker("run", "--rm", name("i")).stdout.split()[5]))

    assert said == [4, 4, 6]


def test_arg_is_warned_of(docker, folder):
    """BuildKit's check of the Dockerfile warns of a secret in ARG."""
    if "--check" not in docker("build", "--help").stdout:
        pytest.skip("its builder is older than build checks")
    checked = docker("build", "--check", "--file", str(folder / "Dockerfile.arg"), str(folder), check=False)

    assert checked.returncode != 0
    assert "SecretsUsedInArgOrEnv" in checked.stdout + checked.stderr


def test_where_builds_leave_it(secret, build, found, started, table):
    """A secret mount leaves nothing in the image; an ARG is in its history, and a deleted copy is in its layers."""
    nowhere = (False, False, False, False)
    expected = {
        "build: mount, as a file": (secret("Dockerfile"), nowhere),
        "build: mount, as a variable": (secret("Dockerfile.env"), nowhere),
        "build: `--build-arg`": (build("Dockerfile.arg", "--build-arg", f"TOKEN={TOKEN}"), (False, True, False, False)),
        "build: mount, copied and deleted": (secret("Dockerfile.kept"), (True, False, False, False)),
    }
    seen = {way: found(started(image)) for way, (image, _) in expected.items()}
    table("build", "grid", cells(seen))

    assert {way: tuple(places.values()) for way, places in seen.items()} == {w: e for w, (_, e) in expected.items()}


def test_where_runs_leave_it(secret, found, started, table, token, tmp_path):
    """What --env or --env-file says is in docker inspect and in the environment of process 1; a mounted file is not."""
    image = secret("Dockerfile")
    (tmp_path / "env").write_text(f"TOKEN={TOKEN}\n")
    seen = {
        "run: `--env`": found(started(image, "--env", f"TOKEN={TOKEN}")),
        "run: `--env-file`": found(started(image, "--env-file", str(tmp_path / "env"))),
        "run: file in `/run/secrets`": found(started(image, "--volume", f"{token}:/run/secrets/token:ro")),
    }
    table("run", "grid", cells(seen))

    told = [tuple(places.values()) for places in seen.values()]
    assert told == [(False, False, True, True), (False, False, True, True), (False,) * 4]


def cells(seen):
    """Return the rows of a grid."""
    return [
        {"row": way, "column": place, "cell": "found" if there else "no"}
        for way, places in seen.items()
        for place, there in places.items()
    ]


def test_compose(docker, folder, prefix, token, found):
    """Compose gives the secret to the build and to the container, and inspect of the container does not show it."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    # The cache would have the step's result, whether this build is given the secret or not.
    docker(*compose, "build", "--no-cache", timeout=300)
    docker(*compose, "up", "--detach")
    container = docker(*compose, "ps", "--quiet", "app").stdout.strip()
    said = [docker("exec", container, *command).stdout for command in (["cat", "/fetched"], ["fetch"])]

    assert said == [f"fetched with a token of {len(TOKEN)} characters\n"] * 2
    assert not any(found(container).values())


def test_compose_stops_at_once(docker, folder, prefix):
    """With init, sleep hears the request to stop, and ends by it: the container's status is 143, and not 137."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stopped"]
    docker(*compose, "up", "--detach", timeout=300)
    container = docker(*compose, "ps", "--quiet", "app").stdout.strip()
    docker(*compose, "stop")

    assert docker("inspect", "--format", "{{.State.ExitCode}}", container).stdout.strip() == "143"
