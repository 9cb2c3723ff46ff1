"""Claims of the example attested-builds."""

from __future__ import annotations

import base64
import json
import re

import pytest

from drydock.fixtures import until

EPOCH = "SOURCE_DATE_EPOCH=1767225600"
SPDX = "https://spdx.dev/Document"
METADATA = "https://mobyproject.org/buildkit@v1#metadata"


@pytest.fixture(scope="module")
def stack(only_docker, docker, folder, prefix):
    """Start the registry and the builder, give them the base image, and return Compose's command and the address."""
    only_docker("Podman has no BuildKit, and wants TLS even of a registry on 127.0.0.1")
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-stack"]
    docker(*compose, "up", "--detach", "--wait", "--build", timeout=900)
    address = docker(*compose, "port", "local", "5000").stdout.strip()
    docker("pull", "--quiet", "debian:trixie-slim")
    base, scanner = f"{address}/library/debian:trixie-slim", f"{address}/attested-builds-scanner:1.0"
    docker("tag", "debian:trixie-slim", base)
    docker("build", "--provenance=false", "--file", str(folder / "Dockerfile.scanner"), "--tag", scanner, str(folder))
    for each in (base, scanner):
        docker("push", each)
        docker("image", "rm", each)
    yield compose, address
    docker(*compose, "down", "--volumes", "--timeout", "1", check=False)


@pytest.fixture
def on_builder(stack, docker):
    """Run a command in the builder's container."""
    return lambda *command, **options: docker(*stack[0], "exec", "--no-TTY", "builder", *command, **options)


@pytest.fixture
def build_there(on_builder):
    """Build by the builder, and return the digest: ``build_there("--push")``."""

    def call(*options: str, dockerfile: str = "Dockerfile") -> str:
        command = ["docker", "buildx", "build", "--quiet", "--file", dockerfile, *options, "."]
        done = on_builder(*command, timeout=300, check=False)
        # Docker 26 pushes an image and what is said of it side by side under one tag, and this registry has an error
        # for who asks for a tag in the moment in which it is written.
        if done.returncode != 0 and "500 Internal Server Error" in done.stderr:
            done = on_builder(*command, timeout=300, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    return call


@pytest.fixture
def pushed(build_there, stack, docker, name):
    """Build and push, and return a function that looks into what is in the registry: ``look("{{json .SBOM}}")``."""

    def call(*options: str):
        image = name("app")
        build_there("--push", "--tag", f"localhost:5000/{image}:1.0", *options)
        inspect = ["buildx", "imagetools", "inspect", f"{stack[1]}/{image}:1.0"]
        return lambda *more: json.loads(docker(*inspect, *more).stdout)

    return call


# Attestations.


@pytest.fixture
def older_store(only_docker, engine):
    """Skip what is about the store that Docker Engine had before 29."""
    only_docker("Podman has no BuildKit")
    if engine.facts["store"] == "containerd":
        pytest.skip("this engine has the containerd image store")


def test_older_store_refuses(older_store, docker, folder):
    """The builder of an engine without the containerd image store refuses attestations, and names that store."""
    refused = docker("build", "--provenance=mode=max", str(folder), check=False)

    assert refused.returncode != 0
    assert re.search(r"Attestation is not supported for the docker driver", refused.stderr)
    assert "containerd image store" in refused.stderr


def test_attestations_are_beside_the_image(pushed):
    """Attestations are a manifest of their own in the image's index; it names the digest of the image it speaks of."""
    index = pushed("--provenance=mode=max")("--raw")
    image, attestation = index["manifests"]

    assert image["platform"]["os"] == "linux"
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"
    assert attestation["annotations"]["vnd.docker.reference.digest"] == image["digest"]


def test_image_runs_on_any_engine(pushed, stack, docker, name):
    """docker run pulls an image with attestations and runs it, whichever of the two image stores the engine has."""
    pushed("--provenance=mode=max")
    image = f"{stack[1]}/{name('app')}:1.0"
    said = docker("run", "--rm", "--quiet", image).stdout
    docker("image", "rm", image)

    assert said == "hello from version 1.0\n"


def test_provenance_names_the_base(pushed, stack, docker):
    """The provenance names the base image with the digest that its tag stood for during the build."""
    [base] = pushed("--provenance=mode=max")("--format", "{{json .Provenance.SLSA.materials}}")
    inspect = ["buildx", "imagetools", "inspect", f"{stack[1]}/library/debian:trixie-slim"]
    digest = re.search(r"Digest: +(\S+)", docker(*inspect).stdout)[1]

    assert base["uri"].startswith("pkg:docker/debian@trixie-slim")
    assert f"sha256:{base['digest']['sha256']}" == digest


def test_provenance_has_the_dockerfile(pushed, folder):
    """With mode=max the provenance has the whole Dockerfile in it."""
    look = pushed("--provenance=mode=max")
    [source] = look("--format", "{{json .Provenance.SLSA.metadata}}")[METADATA]["source"]["infos"]

    assert base64.b64decode(source["data"]).decode() == (folder / "Dockerfile").read_text()


def test_provenance_shows_build_arguments(pushed):
    """With mode=max the values of build arguments are in the provenance, for all who may pull; with mode=min not."""
    argument = ["--build-arg", "VERSION=not-a-real-token"]
    show = ("--format", "{{json .Provenance.SLSA}}")
    most, least = (pushed(f"--provenance=mode={mode}", *argument)(*show) for mode in ("max", "min"))

    assert most["invocation"]["parameters"]["args"] == {"build-arg:VERSION": "not-a-real-token"}
    assert least["materials"] == most["materials"]
    assert "not-a-real-token" not in json.dumps(least)


def test_sbom_lists_the_packages(pushed, docker, measure):
    """A scanner lists what is in the image while it is built; here it is the packages that dpkg in the image lists."""
    look = pushed("--sbom=generator=localhost:5000/attested-builds-scanner:1.0")
    found = look("--format", "{{json .SBOM.SPDX}}")["packages"]
    listed = docker("run", "--rm", "debian:trixie-slim", "dpkg-query", "-W", "-f", "${Package} ${Version}\n").stdout

    measure("packages", len(found), "count", low=50, high=150)
    assert sorted(f"{each['name']} {each['versionInfo']}" for each in found) == sorted(listed.splitlines())


def test_scanner_is_an_image(on_builder):
    """The scanner that lists the packages is an image: if it isn't in the registry, the build fails."""
    missing = on_builder(
        "docker", "buildx", "build", "--sbom=generator=localhost:5000/no-such-scanner:1.0", ".", check=False
    )

    assert missing.returncode != 0
    assert "localhost:5000/no-such-scanner:1.0" in missing.stderr


# The same bytes twice.


@pytest.fixture
def twice(build_there, on_builder):
    """Build twice without cache, and say whether both are the same: ``twice(",rewrite-timestamp=true")``."""

    def call(more: str = "", *options: str, dockerfile: str = "Dockerfile") -> bool:
        digests = [
            build_there(
                "--no-cache",
                "--provenance=false",
                f"--output=type=oci,dest=/tmp/{number}.tar{more}",
                *options,
                dockerfile=dockerfile,
            )
            for number in (1, 2)
        ]
        same = on_builder("cmp", "--silent", "/tmp/1.tar", "/tmp/2.tar", check=False).returncode == 0
        assert same == (digests[0] == digests[1])
        return same

    return call


def test_same_bytes_twice(twice, table):
    """Two builds of the same files differ; with SOURCE_DATE_EPOCH and rewrite-timestamp they are the same bytes."""
    epoch = ["--build-arg", EPOCH]
    seen = {
        "as usual": twice(),
        "`SOURCE_DATE_EPOCH`": twice("", *epoch),
        "`SOURCE_DATE_EPOCH` and `rewrite-timestamp=true`": twice(",rewrite-timestamp=true", *epoch),
    }
    rows = [
        {"row": how, "column": "two builds are", "cell": "equal" if same else "different"} for how, same in seen.items()
    ]
    table("twice", "grid", rows)

    assert list(seen.values()) == [False, False, True]


def test_a_command_can_spoil_it(twice):
    """With both options, two builds still differ if a command writes the date into a file."""
    assert not twice(",rewrite-timestamp=true", "--build-arg", EPOCH, dockerfile="Dockerfile.date")


def test_older_store_ignores_it(older_store, docker, folder, name):
    """Without the containerd image store, an engine's own builder accepts rewrite-timestamp, and ignores it."""

    def last_layer(image):
        output = f"--output=type=image,name={image},rewrite-timestamp=true"
        docker("build", "--no-cache", "--build-arg", EPOCH, output, str(folder))
        found = json.loads(docker("image", "inspect", "--format", "{{json .}}", image).stdout)
        assert found["Created"] == "2026-01-01T00:00:00Z"
        return found["RootFS"]["Layers"][-1]

    first = last_layer(name("1"))
    # The times in a layer are of whole seconds: two builds within one are equal by chance.
    until(lambda: last_layer(name("2")) != first, "another layer of the same files", 20)
