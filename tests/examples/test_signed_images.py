"""Claims of the example signed-images."""

from __future__ import annotations

import base64
import json
import os
import re
import subprocess

import pytest

REGISTRY = "localhost:5000"
VERIFY = ["cosign", "verify", "--insecure-ignore-tlog=true"]


@pytest.fixture(scope="module")
def local(only_docker, docker, folder, prefix):
    """Start the registry, and return its container and its address."""
    only_docker("Podman wants TLS even of a registry on 127.0.0.1, unless its registries.conf says otherwise")
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-registry"]
    docker(*compose, "up", "--detach", "--wait", timeout=300)
    container = docker(*compose, "ps", "--quiet", "local").stdout.strip()
    address = docker(*compose, "port", "local", "5000").stdout.strip()
    yield container, address
    form = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
    named = docker("image", "ls", "--digests", "--format", form, "--filter", f"reference={address}/*").stdout.split()
    docker("image", "rm", "--force", *sorted({each for each in named if "<none>" not in each}), check=False)
    docker(*compose, "down", "--volumes", "--timeout", "1", check=False)


@pytest.fixture(scope="module")
def tools(local, docker, build, folder, prefix):
    """Run cosign or skopeo as the script of the example does, in one container: ``tools("cosign", "version")``."""
    image = build("Dockerfile.tools", timeout=900)
    me = f"{os.getuid()}:{os.getgid()}"
    own = ["--network", f"container:{local[0]}", "--user", me, "--volume", f"{folder}:/work", "--workdir", "/work"]
    stays = ["--detach", "--init", "--name", f"{prefix}-tools", "--env", "COSIGN_PASSWORD=secret"]
    docker("run", *stays, *own, image, "sleep", "infinity")

    def call(*command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker("exec", f"{prefix}-tools", *command, check=check)

    yield call
    docker("rm", "--force", f"{prefix}-tools", check=False)


@pytest.fixture(scope="module")
def keys(tools):
    """Make two pairs of keys: cosign.key and other.key."""
    for each in ("cosign", "other"):
        tools("cosign", "generate-key-pair", "--output-key-prefix", each)


@pytest.fixture(scope="module")
def contents(docker, folder, prefix):
    """Build an image with a content, and return its tag."""
    built = {}

    def call(number: int) -> str:
        if number not in built:
            built[number] = f"{prefix}:content{number}"
            (folder / "content.txt").write_text(f"content {number} of {prefix}\n")
            docker("build", "--provenance=false", "--tag", built[number], str(folder), timeout=300)
        return built[number]

    return call


@pytest.fixture
def image(local, name):
    """The name of a repository of this test's own, without a registry."""
    return name("app")


@pytest.fixture
def push(docker, local, contents, image):
    """Push an image with a content under a tag, and return its digest: ``push(1, "1.0")``."""

    def call(number: int, tag: str) -> str:
        docker("tag", contents(number), f"{local[1]}/{image}:{tag}")
        said = docker("push", f"{local[1]}/{image}:{tag}").stdout
        return re.search(r"digest: (sha256:\w+)", said)[1]

    return call


def digest_of(tools, reference: str) -> str:
    """Return the digest that a tag stands for in the registry."""
    return tools("skopeo", "inspect", "--format", "{{.Digest}}", f"docker://{REGISTRY}/{reference}").stdout.strip()


@pytest.fixture
def sign(keys, tools, image):
    """Sign a digest of this test's repository with cosign.key."""
    options = ["--yes", "--tlog-upload=false", "--key", "cosign.key"]
    return lambda digest: tools("cosign", "sign", *options, f"{REGISTRY}/{image}@{digest}")


@pytest.fixture
def verify(keys, tools, image):
    """Verify a tag or digest of this test's repository: ``verify(":1.0", key="other.pub")``."""

    def call(reference: str, key: str = "cosign.pub") -> subprocess.CompletedProcess[str]:
        return tools(*VERIFY, "--key", key, f"{REGISTRY}/{image}{reference}", check=False)

    return call


def move(tools, image: str, source: str, target: str) -> None:
    """Copy within the registry, as somebody who may push there can."""
    there = f"docker://{REGISTRY}/{image}"
    tools("skopeo", "copy", "--quiet", f"{there}:{source}", f"{there}:{target}")


def signature(digest: str) -> str:
    """Return the tag under which cosign keeps the signature of a digest."""
    return digest.replace(":", "-") + ".sig"


# Sign and verify.


def test_signed_is_verified(push, sign, verify):
    """An image that was signed with the private key is verified with the public key, by its tag and by its digest."""
    digest = push(1, "1.0")
    sign(digest)

    assert verify(":1.0").returncode == 0
    assert verify(f"@{digest}").returncode == 0


def test_unsigned_is_refused(push, verify):
    """An image without a signature is refused."""
    push(1, "1.0")
    refused = verify(":1.0")

    assert refused.returncode != 0
    assert "no signatures found" in refused.stderr


def test_signature_names_the_digest(push, sign, verify, image):
    """What is signed is a short text with the digest of the image; the tag is not in it."""
    digest = push(1, "1.0")
    sign(digest)
    [claim] = json.loads(verify(":1.0").stdout)

    assert claim["critical"]["image"] == {"docker-manifest-digest": digest}
    assert claim["critical"]["identity"] == {"docker-reference": f"{REGISTRY}/{image}"}
    assert ":1.0" not in json.dumps(claim)


def test_signature_is_beside_the_image(push, sign, tools, image):
    """A signature changes nothing in the image: it is kept in the same repository, under a tag made from the digest."""
    digest = push(1, "1.0")
    sign(digest)
    tags = json.loads(tools("skopeo", "list-tags", f"docker://{REGISTRY}/{image}").stdout)["Tags"]

    assert sorted(tags) == ["1.0", signature(digest)]
    assert digest_of(tools, f"{image}:1.0") == digest


def test_private_key_is_encrypted(keys, tools, folder):
    """The private key is of use only with the password, and readable for its owner only."""
    key = folder / "cosign.key"
    use = ["cosign", "public-key", "--key", "cosign.key"]
    refused = tools("env", "COSIGN_PASSWORD=wrong", *use, check=False)

    assert key.read_text().startswith("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----\n")
    assert key.stat().st_mode & 0o777 == 0o600
    assert refused.returncode != 0
    assert tools(*use).stdout.strip() == (folder / "cosign.pub").read_text().strip()


# Refused.


def test_wrong_key_is_refused(push, sign, verify):
    """With the public key of somebody else, the same signature is refused."""
    sign(push(1, "1.0"))
    refused = verify(":1.0", key="other.pub")

    assert refused.returncode != 0
    assert "invalid signature" in refused.stderr


def test_moved_tag_is_refused(push, sign, verify, tools, image):
    """A tag that was moved to an image without signature is refused; the digest that was signed is still verified."""
    digest = push(1, "1.0")
    push(2, "1.1")
    sign(digest)
    before = verify(":1.0").returncode
    move(tools, image, "1.1", "1.0")
    after = verify(":1.0")

    assert before == 0
    assert after.returncode != 0
    assert "no signatures found" in after.stderr
    assert verify(f"@{digest}").returncode == 0


def test_transplanted_signature_is_refused(push, sign, verify, tools, image):
    """A signature that is put beside another image is refused, because the digest in it is not that image's."""
    digest, other = push(1, "1.0"), push(2, "1.1")
    sign(digest)
    move(tools, image, signature(digest), signature(other))
    refused = verify(":1.1")

    assert refused.returncode != 0
    assert f"invalid or missing digest in claim: {digest}" in refused.stderr


def test_a_signature_does_not_age(push, sign, verify, tools, image):
    """A tag that was moved back to an older signed image is verified: a signature does not say which is the newest."""
    old = push(1, "1.0")
    sign(old)
    sign(push(2, "1.1"))
    move(tools, image, "1.0", "1.1")

    assert digest_of(tools, f"{image}:1.1") == old
    assert verify(":1.1").returncode == 0


def test_docker_does_not_check(push, sign, tools, docker, local, image):
    """Docker itself checks no signature: it pulls and runs what a moved tag stands for."""
    sign(push(1, "1.0"))
    push(2, "1.1")
    move(tools, image, "1.1", "1.0")
    said = docker("run", "--rm", "--quiet", "--pull=always", f"{local[1]}/{image}:1.0").stdout

    assert said.startswith("content 2 ")


# A policy.


@pytest.fixture
def fetch(keys, tools, folder, image):
    """Fetch an image by skopeo under the example's policy, made out to this test's repository."""
    for path in (folder / "policy.json", folder / "registries.d" / "local.yaml"):
        own = path.with_name(f"{image}{path.suffix}")
        own.write_text(path.read_text().replace("5000/signed-images", f"5000/{image}"))

    def call(reference: str) -> subprocess.CompletedProcess[str]:
        rules = ["--policy", f"{image}.json", "--registries.d", "registries.d"]
        there = f"docker://{REGISTRY}/{reference}"
        return tools("skopeo", *rules, "copy", "--quiet", there, "dir:/tmp/fetched", check=False)

    return call


def test_policy_lets_signed_in(push, sign, fetch, image):
    """Under the policy, skopeo fetches the image that the key has signed, and refuses one without a signature."""
    sign(push(1, "1.0"))
    push(2, "1.1")
    refused = fetch(f"{image}:1.1")

    assert fetch(f"{image}:1.0").returncode == 0
    assert refused.returncode != 0
    assert "A signature was required, but no signature exists" in refused.stderr


def test_policy_refuses_a_transplant(push, sign, fetch, tools, image):
    """The policy also refuses an image beside which somebody has put the signature of another."""
    digest, other = push(1, "1.0"), push(2, "1.1")
    sign(digest)
    move(tools, image, signature(digest), signature(other))
    refused = fetch(f"{image}:1.1")

    assert refused.returncode != 0
    assert "does not match" in refused.stderr


def test_policy_refuses_the_rest(push, sign, fetch, tools, image, name):
    """The policy refuses the same image in another repository, which it does not name."""
    sign(push(1, "1.0"))
    there = f"{name('elsewhere')}:1.0"
    tools("skopeo", "copy", "--quiet", f"docker://{REGISTRY}/{image}:1.0", f"docker://{REGISTRY}/{there}")
    refused = fetch(there)

    assert refused.returncode != 0
    assert "is rejected by policy" in refused.stderr


# Papers.


def test_attest(push, keys, tools, image, folder):
    """cosign can sign a paper about an image, such as its SBOM; with another key it is refused, as an image is."""
    there = f"{REGISTRY}/{image}@{push(1, '1.0')}"
    (folder / "paper.json").write_text('{"packages": []}')
    sign = ["--yes", "--tlog-upload=false", "--key", "cosign.key", "--type", "custom", "--predicate", "paper.json"]
    tools("cosign", "attest", *sign, there)
    check = ["cosign", "verify-attestation", "--insecure-ignore-tlog=true", "--type", "custom"]
    verified = tools(*check, "--key", "cosign.pub", there)
    statement = json.loads(base64.b64decode(json.loads(verified.stdout)["payload"]))

    assert [f"sha256:{each['digest']['sha256']}" for each in statement["subject"]] == [there.partition("@")[2]]
    assert tools(*check, "--key", "other.pub", there, check=False).returncode != 0


# Copies.


def test_copy_keeps_the_digest(push, sign, verify, tools, image, keys, name):
    """skopeo copies an image from registry to registry without an engine, and it keeps its digest; its signature stays
    behind unless cosign copies it.
    """
    digest = push(1, "1.0")
    sign(digest)
    source, target = f"{REGISTRY}/{image}:1.0", f"{REGISTRY}/{name('mirror')}:1.0"
    tools("skopeo", "copy", "--quiet", f"docker://{source}", f"docker://{target}")
    bare = tools(*VERIFY, "--key", "cosign.pub", target, check=False)
    tools("cosign", "copy", source, target)

    assert digest_of(tools, target.partition("/")[2]) == digest
    assert "no signatures found" in bare.stderr
    assert tools(*VERIFY, "--key", "cosign.pub", target, check=False).returncode == 0


# Pin.


@pytest.fixture
def app(needs, docker, folder, local, image, prefix):
    """Run Compose for the stack of the app, made out to this test's repository: ``app("run", "--rm", "app")``."""
    needs("compose", "2.37", "older ones cannot write a file of pins")
    file = folder / f"{image}.yaml"
    file.write_text((folder / "compose.app.yaml").read_text().replace("/signed-images:", f"/{image}:"))
    (folder / ".env").write_text(f"REGISTRY={local[1]}\n")
    lock = folder / f"{image}.lock.yaml"

    def call(*command: str, locked: bool = False) -> str:
        files = [file, lock] if locked else [file]
        chosen = [word for each in files for word in ("--file", str(each))]
        return docker("compose", "--project-name", f"{prefix}-app", *chosen, *command).stdout

    call.lock = lock
    yield call
    call("down", "--timeout", "1")


def test_pin_holds(app, push):
    """A stack whose images Compose has pinned goes on running the same image after its tag was moved."""
    push(1, "1.0")
    app.lock.write_text(app("config", "--lock-image-digests"))
    push(2, "1.0")
    pinned = app("run", "--rm", "--quiet-pull", "app", locked=True)

    assert pinned.startswith("content 1 ")
    assert app("run", "--rm", "--quiet-pull", "app").startswith("content 2 ")


def test_pull_asks_again(push, tools, docker, local, image, name):
    """A build takes the base that the engine has; with --pull it asks what the tag stands for now."""
    push(1, "1.0")
    push(2, "1.1")
    move(tools, image, "1.1", "1.0")

    def content(*options: str) -> str:
        docker("build", "--quiet", *options, "--tag", name("on"), "-", input=f"FROM {local[1]}/{image}:1.0\n")
        return docker("run", "--rm", name("on")).stdout

    assert content().startswith("content 1 ")
    assert content("--pull").startswith("content 2 ")


def test_update_is_one_line(app, push):
    """When the tag has moved, the new file of pins differs from the old one in one line, which has the new digest."""
    first = push(1, "1.0")
    old = app("config", "--lock-image-digests").splitlines()
    second = push(2, "1.0")
    new = app("config", "--lock-image-digests").splitlines()
    [changed] = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]

    assert changed[0].endswith(f":1.0@{first}")
    assert changed[1].endswith(f":1.0@{second}")
