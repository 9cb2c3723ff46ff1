"""Claims of the example ci-pipeline."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path

import pytest
import yaml

ACCEPT = ", ".join(
    f"application/vnd.{form}+json"
    for form in (
        "docker.distribution.manifest.v2",
        "docker.distribution.manifest.list.v2",
        "oci.image.manifest.v1",
        "oci.image.index.v1",
    )
)
TLS = "Podman wants TLS even of a registry on 127.0.0.1, unless its registries.conf says otherwise"


@dataclass
class Pipeline:
    """The script, in a copy of the folder, with a repository in a registry of its own."""

    folder: Path
    image: str
    environment: dict[str, str]

    def run(self, commit, *step, check=True):
        """Run a step for a commit."""
        made = {**self.environment, "IMAGE": self.image, "COMMIT": commit}
        command = [str(self.folder / "pipeline"), *step]
        return subprocess.run(command, cwd=self.folder, env=made, check=check, capture_output=True, text=True)

    def edit(self, file, old, new):
        """Replace a text in a file of the folder."""
        path = self.folder / file
        assert old in path.read_text()
        path.write_text(path.read_text().replace(old, new))

    @property
    def digest(self):
        """The name with a digest that the last push has left."""
        return (self.folder / "digest.txt").read_text().strip()

    def ask(self, path, method="GET"):
        """Ask the registry about the repository."""
        registry, _, repository = self.image.partition("/")
        connection = HTTPConnection(registry, timeout=10)
        connection.request(method, f"/v2/{repository}/{path}", headers={"Accept": ACCEPT})
        answer = connection.getresponse()
        return answer.status, dict(answer.getheaders()), answer.read()

    def has(self, tag):
        """Return the digest behind a tag in the registry, "" if there is none."""
        status, headers, _ = self.ask(f"manifests/{tag}", "HEAD")
        return headers["Docker-Content-Digest"] if status == 200 else ""

    def settings(self, tag):
        """Return the settings of the image behind a tag, from the registry."""
        manifest = json.loads(self.ask(f"manifests/{tag}")[2])
        if "manifests" in manifest:
            manifest = json.loads(self.ask(f"manifests/{manifest['manifests'][0]['digest']}")[2])
        return json.loads(self.ask(f"blobs/{manifest['config']['digest']}")[2])


@pytest.fixture(scope="module")
def pipeline(docker, folder, prefix, engine, only_docker):
    """The script, with a registry."""
    only_docker(TLS)
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*compose, "up", "--detach", "--wait", "registry", timeout=300)
    address = docker(*compose, "port", "registry", "5000").stdout.strip()
    made = Pipeline(folder, f"{address}/{prefix}", dict(engine.environment))
    yield made
    form = "{{.Repository}}:{{.Tag}}"
    names = docker("image", "ls", "--format", form, "--filter", f"reference={made.image}").stdout.split()
    if names := [name for name in names if not name.endswith("<none>")]:
        docker("image", "rm", "--force", *names, check=False)
    docker(*compose, "down", "--volumes", "--timeout", "0", check=False)


@pytest.fixture(scope="module")
def first(pipeline):
    """Take a first commit to production, and return its name with the digest."""
    for step in ("build", "test", "push"):
        pipeline.run("c1", step)
    digest = pipeline.digest
    pipeline.run("c1", "promote", digest)
    return digest


@pytest.fixture(scope="module")
def second(pipeline, first):
    """Take a second commit to production, which greets in another way, and return its name with the digest."""
    pipeline.edit("greet.py", "Ahoy,", "Ahoy there,")
    pipeline.edit("test_greet.py", "Ahoy,", "Ahoy there,")
    for step in ("build", "test", "push"):
        pipeline.run("c2", step)
    digest = pipeline.digest
    pipeline.run("c2", "promote", digest)
    return digest


@pytest.fixture(scope="module")
def bug(pipeline, second):
    """Build and test a third commit that is wrong, and return how the test ended."""
    pipeline.edit("greet.py", "{name}", "name")
    pipeline.run("c3", "build")
    ended = pipeline.run("c3", "test", check=False)
    pipeline.edit("greet.py", ", name", ", {name}")
    return ended


# The steps.


def test_tag_by_commit(pipeline, first):
    """What is pushed is called after its commit, and says in a label from which one it is."""
    assert pipeline.has("c1") == first.partition("@")[2]
    assert pipeline.settings("c1")["config"]["Labels"]["org.opencontainers.image.revision"] == "c1"


def test_tested_is_shipped(pipeline, docker, first):
    """The image that is tested has all the layers of the one that ships, and the tests on top."""
    form = "{{json .RootFS.Layers}}"
    ships, tested = (
        json.loads(docker("image", "inspect", "--format", form, f"{pipeline.image}:{tag}").stdout)
        for tag in ("c1", "c1-test")
    )

    assert tested[: len(ships)] == ships
    assert len(tested) == len(ships) + 1


def test_tests_do_not_ship(pipeline, docker, first):
    """The tests are not in the image that ships, nor is the image that has them in the registry."""
    image = f"{pipeline.image}:c1"

    assert docker("run", "--rm", image, "ls", "/app").stdout == "greet.py\n"
    assert pipeline.has("c1-test") == ""


def test_promote_is_a_name(pipeline, first, second):
    """Promoting gives the digest that was pushed the tag production; the commit before it keeps its own digest."""
    assert pipeline.has("production") == pipeline.has("c2") == second.partition("@")[2]
    assert pipeline.has("c1") == first.partition("@")[2] != pipeline.has("c2")


def test_failed_test(pipeline, bug):
    """When a test fails the step ends with an error, and the registry has no image of that commit."""
    assert bug.returncode != 0
    assert "AssertionError" in bug.stderr
    assert pipeline.has("c3") == ""


def test_roll_back(pipeline, docker, first, second):
    """Rolling back is promoting again what was there before, by its digest."""
    run = ("run", "--rm", "--quiet", "--pull", "always", f"{pipeline.image}:production")
    after = docker(*run).stdout
    pipeline.run("c1", "promote", first)
    back = docker(*run).stdout
    pipeline.run("c2", "promote", second)

    assert (after, back) == ("Ahoy there, world\n", "Ahoy, world\n")


def test_same_image_everywhere(pipeline, docker, first):
    """Removed from the engine and pulled by its digest, the image has the ID of the one that was built."""
    form = ("image", "inspect", "--format", "{{.Id}}")
    [built] = json.loads(docker("image", "inspect", f"{pipeline.image}:c1").stdout)
    docker("image", "rm", "--force", built["Id"])
    gone = docker("image", "inspect", built["Id"], check=False)
    docker("pull", "--quiet", first)
    pulled = docker(*form, first).stdout.strip()
    # The containerd image store lists names with a digest here, too.
    for tag in (tag for tag in built["RepoTags"] if "@" not in tag):
        docker("tag", first, tag)

    assert gone.returncode != 0
    assert pulled == built["Id"]


# The cache.


def test_cache_travels(pipeline, first):
    """With the cache inline, the settings of the image in the registry contain BuildKit's record of the cache."""
    assert "moby.buildkit.cache.v0" in pipeline.settings("main")


def test_cache_is_read(pipeline, docker, second):
    """A build imports the cache from the registry if it's there; if not, the build goes on."""
    said = {}
    for tag in ("main", "missing"):
        source = f"type=registry,ref={pipeline.image}:{tag}"
        done = docker("build", "--progress", "plain", "--cache-from", source, str(pipeline.folder))
        said[tag] = done.stderr

    assert re.search(rf"importing cache manifest from {pipeline.image}:main", said["main"])
    assert "CACHED" in said["main"]
    assert re.search(r"missing: not found", said["missing"])


def test_frontend(docker, folder, only_docker):
    """A syntax line has the builder fetch its frontend first: with that registry out of reach nothing is built."""
    only_docker("Podman's builder takes the syntax line for a comment")
    failed = docker("build", "--file", str(folder / "Dockerfile.frontend"), str(folder), check=False)

    assert failed.returncode != 0
    assert "failed to resolve source metadata for 127.0.0.1:9/docker/dockerfile:1" in failed.stderr


# The files of the CI.


def lines(found):
    """Yield all commands of a CI's file, wherever they are in it."""
    if isinstance(found, dict):
        for key, value in found.items():
            if key in ("run", "script", "before_script"):
                for each in value if isinstance(value, list) else [value]:
                    yield from each.splitlines()
            else:
                yield from lines(value)
    elif isinstance(found, list):
        for each in found:
            yield from lines(each)


def test_files_call_the_script(example):
    """The files of both CIs call the script for all of its steps, and only log in and pass on the digest besides."""
    for file in (".github/workflows/image.yml", ".gitlab-ci.yml"):
        found = list(lines(yaml.safe_load((example.root / file).read_text())))
        steps = [line.split()[1] for line in found if line.startswith("./pipeline ")]
        others = [line for line in found if not line.startswith("./pipeline ")]

        assert set(steps) == {"build", "test", "push", "promote"}
        assert all("docker login" in line or "GITHUB_OUTPUT" in line for line in others)


def test_asked_for(docker, folder):
    """The check of these files is a service in a profile: docker compose up starts the registry alone."""
    ask = ("compose", "--project-directory", str(folder))

    assert docker(*ask, "config", "--services").stdout.split() == ["registry"]
    assert set(docker(*ask, "--profile", "lint", "config", "--services").stdout.split()) == {"lint", "registry"}


@pytest.fixture(scope="module")
def lint(docker, folder, prefix):
    """Check the files of the CI as they are in the folder."""

    def call():
        image = f"{prefix}:lint"
        docker("build", "--file", str(folder / "Dockerfile.lint"), "--tag", image, str(folder), timeout=300)
        return docker("run", "--rm", "--network", "none", image, check=False)

    return call


def test_files_are_right(lint):
    """Both files are valid by the schemas of GitHub and GitLab, which are checked without a network."""
    checked = lint()

    assert checked.returncode == 0
    assert checked.stdout.count("ok -- validation done") == 2


def test_wrong_key_is_found(lint, folder):
    """A misspelt key in a workflow is found before it is pushed."""
    file = folder / ".github/workflows/image.yml"
    right = file.read_text()
    file.write_text(right.replace("runs-on", "run-on"))
    found = lint()
    file.write_text(right)

    assert found.returncode != 0
    assert "'runs-on' is a required property" in found.stdout


def test_reserved_name_is_found(lint, folder):
    """A job of GitLab's that is called image is found: that is a key of GitLab's own."""
    file = folder / ".gitlab-ci.yml"
    right = file.read_text()
    file.write_text(right.replace("\nbuild:\n", "\nimage:\n"))
    found = lint()
    file.write_text(right)

    assert found.returncode != 0
    assert "$.image" in found.stdout
