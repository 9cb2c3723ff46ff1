"""Claims of the example registry-roundtrip."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from http.client import HTTPConnection

import pytest

DOCKER_MANIFEST = "application/vnd.docker.distribution.manifest.v2+json"
DOCKER_LIST = "application/vnd.docker.distribution.manifest.list.v2+json"
OCI_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
OCI_INDEX = "application/vnd.oci.image.index.v1+json"
ACCEPT = ", ".join((DOCKER_MANIFEST, DOCKER_LIST, OCI_MANIFEST, OCI_INDEX))
PASSWORD = "fair winds"


@dataclass
class Answer:
    """What a registry answered."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def data(self) -> dict:
        """The body, which is JSON."""
        return json.loads(self.body)

    @property
    def digest(self) -> str:
        """The digest that the registry gives for the body."""
        return self.headers["docker-content-digest"]


def ask(registry: str, path: str, method: str = "GET", body: bytes | None = None, **headers: str) -> Answer:
    """Ask a registry over HTTP."""
    connection = HTTPConnection(registry, timeout=10)
    connection.request(method, f"/v2/{path}", body, {"Accept": ACCEPT, **headers})
    got = connection.getresponse()
    return Answer(got.status, {name.lower(): value for name, value in got.getheaders()}, got.read())


@pytest.fixture(scope="module")
def started(docker, folder, prefix):
    """Start a registry by its Compose file, and return its Compose command and its address."""
    projects = []

    def call(file: str, service: str):
        project = f"{prefix}-{service}"
        compose = ["compose", "--file", str(folder / file), "--project-name", project]
        projects.append(compose)
        docker(*compose, "up", "--detach", "--wait", timeout=300)
        return compose, docker(*compose, "port", service, "5000").stdout.strip()

    yield call
    for compose in projects:
        docker(*compose, "down", "--volumes", "--timeout", "1", check=False)


def untag(docker, address: str) -> None:
    """Take away all names that begin with a registry's address; another run may have the same images."""
    form = "{{.Repository}}:{{.Tag}} {{.Repository}}@{{.Digest}}"
    listed = docker("image", "ls", "--digests", "--format", form, "--filter", f"reference={address}/*").stdout.split()
    names = [each for each in listed if not each.endswith("<none>")]
    if names:
        docker("image", "rm", *sorted(set(names)), check=False)


@pytest.fixture(scope="module")
def open_registry(started, docker):
    """Start the registry that asks nobody for a password, and remove in the end what was tagged for it."""
    compose, address = started("compose.yaml", "local")
    yield compose, address
    untag(docker, address)


@pytest.fixture
def docker_only(only_docker):
    """Skip a claim on Podman."""
    only_docker("Podman wants TLS even of a registry on 127.0.0.1, unless its registries.conf says otherwise")


@pytest.fixture
def registry(docker_only, request):
    """The address of the registry that asks nobody for a password."""
    return request.getfixturevalue("open_registry")[1]


@pytest.fixture
def repository(registry, name):
    """The name of a repository of this test's own, without the registry's address."""
    return name("app")


@pytest.fixture
def image(registry, repository):
    """The name of the repository as Docker is to be told."""
    return f"{registry}/{repository}"


@pytest.fixture
def manifests(registry, repository):
    """Ask for the manifest behind a tag or digest: ``manifests("1.0")``."""
    return lambda reference, *args, **headers: ask(registry, f"{repository}/manifests/{reference}", *args, **headers)


@pytest.fixture(scope="module")
def contents(docker, folder, prefix):
    """Build an image with a content, and return its tag: ``contents(1)``."""
    built: dict[int, str] = {}

    def call(number: int) -> str:
        if number not in built:
            built[number] = f"{prefix}:content{number}"
            (folder / "content.txt").write_text(f"content {number}\n")
            # Without the record of how it was built, which the newer image store would add as a second manifest.
            own = ["--provenance=false", f"--label=run={prefix}", "--tag", built[number]]
            docker("build", *own, str(folder), timeout=300)
        return built[number]

    return call


@pytest.fixture
def push(docker, contents, image):
    """Push an image with a content under a tag, and return the digest: ``push(1, "1.0")``."""

    def call(number: int, tag: str) -> str:
        docker("tag", contents(number), f"{image}:{tag}")
        return re.search(r"digest: (sha256:\w+)", docker("push", f"{image}:{tag}").stdout)[1]

    return call


@pytest.fixture
def says(docker, name):
    """Run an image and return its content, or "nothing": ``says("name:tag", "--pull=always")``."""

    def call(reference: str, *options: str) -> str:
        done = docker("run", "--rm", "--quiet", "--name", name("says"), *options, reference, check=False)
        return done.stdout.strip() or "nothing"

    return call


@pytest.fixture
def image_id(docker):
    """Return an image's ID on this engine."""
    return lambda reference: docker("image", "inspect", "--format", "{{.Id}}", reference).stdout.strip()


# There and back.


def test_push_makes_repository_and_tag(push, registry, repository):
    """What is pushed becomes a tag in a repository; nobody had to make the repository beforehand."""
    before = ask(registry, f"{repository}/tags/list").status
    push(1, "1.0")

    assert before == 404
    assert repository in ask(registry, "_catalog?n=1000").data["repositories"]
    assert ask(registry, f"{repository}/tags/list").data == {"name": repository, "tags": ["1.0"]}


def test_tag_is_a_second_name(docker, contents, image, image_id):
    """What docker tag makes is a second name for the same image, with the same ID."""
    docker("tag", contents(1), f"{image}:1.0")

    assert image_id(f"{image}:1.0") == image_id(contents(1))


def test_pull_brings_the_same_image_back(docker, push, image, image_id, says):
    """An image that was removed from the engine and is pulled again has the same ID as before, and the same content."""
    push(1, "1.0")
    before = image_id(f"{image}:1.0")
    docker("image", "rm", f"{image}:1.0")
    missing = says(f"{image}:1.0", "--pull=never")
    docker("pull", f"{image}:1.0")

    assert missing == "nothing"
    assert image_id(f"{image}:1.0") == before
    assert says(f"{image}:1.0", "--pull=never") == "content 1"


def uploads(docker, compose, repository) -> int:
    """Return how many blobs were sent to a repository, by the registry's own log."""
    log = docker(*compose, "logs", "--no-log-prefix").stdout
    sent = re.findall(rf'"PUT /v2/{repository}/blobs/uploads/[^"]*" 201', log)
    return len(sent)


def test_shared_layers_are_not_sent_again(docker, open_registry, push, manifests, repository, measure):
    """Of a second image on the same base, only what is new is sent: the layer that differs, and the settings."""
    push(1, "1.0")
    before = uploads(docker, open_registry[0], repository)
    push(2, "1.1")
    first, second = ({b["digest"]: b["size"] for b in blobs(manifests(tag).data)} for tag in ("1.0", "1.1"))
    fresh = {digest: size for digest, size in second.items() if digest not in first}

    measure("blobs-sent-again", uploads(docker, open_registry[0], repository) - before, "count", low=2, high=2)
    measure("image-bytes", sum(second.values()), "bytes", low=200_000)
    measure("bytes-sent-again", sum(fresh.values()), "bytes", low=1, high=10_000)
    assert len(fresh) == 2


def blobs(manifest: dict) -> list[dict]:
    """Return what a manifest lists: the settings, and the layers."""
    return [manifest["config"], *manifest["layers"]]


# Digests.


def test_digest_is_the_sum_of_the_manifest(docker, push, manifests, image):
    """The digest that a push prints is the SHA-256 of the manifest in the registry; its header and the engine agree."""
    pushed = push(1, "1.0")
    answer = manifests("1.0")
    known = docker("image", "inspect", "--format", "{{json .RepoDigests}}", f"{image}:1.0").stdout

    assert f"sha256:{hashlib.sha256(answer.body).hexdigest()}" == pushed
    assert answer.digest == pushed
    assert f"{image}@{pushed}" in json.loads(known)


def test_manifest_lists_the_parts(push, manifests, registry, repository):
    """A manifest lists the settings and the layers, each by a digest that is the SHA-256 of what the registry has."""
    push(1, "1.0")
    listed = blobs(manifests("1.0").data)
    fetched = [ask(registry, f"{repository}/blobs/{each['digest']}").body for each in listed]

    assert [f"sha256:{hashlib.sha256(body).hexdigest()}" for body in fetched] == [each["digest"] for each in listed]
    assert [len(body) for body in fetched] == [each["size"] for each in listed]


def test_what_an_image_id_is(push, manifests, image, image_id, engine):
    """An image ID is the digest that a push prints on the containerd image store, and the config's on overlay2."""
    pushed = push(1, "1.0")
    settings = manifests("1.0").data["config"]["digest"]

    assert image_id(f"{image}:1.0") == (pushed if engine.facts["store"] == "containerd" else settings)


def test_promotion_keeps_the_digest(push, docker, manifests, image):
    """An image that is pushed under one more tag keeps its digest: what was tested is what is deployed."""
    tested = push(1, "1.0")
    docker("tag", f"{image}:1.0", f"{image}:production")
    docker("push", f"{image}:production")

    assert manifests("production").digest == tested


# Tags that move.


def move(manifests, source: str, tag: str) -> int:
    """Make a tag stand for what another one does, in the registry alone, as somebody else would."""
    answer = manifests(source)
    put = manifests(tag, "PUT", answer.body, **{"Content-Type": answer.headers["content-type"]})
    return put.status


def test_what_points_where(push, manifests, image, image_id, says, docker, table):
    """A tag can be moved to other content; the digest and the image ID still stand for the first content."""
    digest = push(1, "1.0")
    first = image_id(f"{image}:1.0")
    push(2, "1.1")
    rows = {"a digest": f"{image}@{digest}", "an image ID": first}
    rows = {"the tag, asking the registry": "", "the tag, not asking": f"{image}:1.0"} | rows
    rows["another tag and the digest"] = f"{image}:no-such-tag@{digest}"

    def look() -> dict[str, str]:
        found = {row: says(place) for row, place in rows.items() if place}
        return found | {"the tag, asking the registry": says(f"{image}:1.0", "--pull=always")}

    before = look()
    moved = move(manifests, "1.1", "1.0")
    after = look()
    table(
        "points",
        "grid",
        [cell(row, when, seen[row]) for row in rows for when, seen in (("before", before), ("after the move", after))],
    )

    assert moved == 201
    assert set(before.values()) == {"content 1"}
    assert [row for row in rows if after[row] != "content 1"] == ["the tag, asking the registry"]


def cell(row: str, column: str, text: str) -> dict:
    """Return a cell of a grid."""
    return {"row": row, "column": column, "cell": text}


def test_push_moves_a_tag_without_asking(push, manifests):
    """A push under a tag that is taken moves the tag unasked; the first image stays in the registry, by its digest."""
    first, second = push(1, "1.0"), push(2, "1.0")

    assert manifests("1.0").digest == second != first
    assert manifests(first).status == 200


def test_run_does_not_ask(push, manifests, image, says):
    """While the engine has an image by that name, docker run takes it; --pull always asks the registry first."""
    push(1, "1.0")
    push(2, "1.1")
    move(manifests, "1.1", "1.0")

    assert says(f"{image}:1.0") == "content 1"
    assert says(f"{image}:1.0", "--pull=always") == "content 2"


def test_tag_beside_a_digest_is_ignored(push, manifests, docker, image, says):
    """With tag and digest together the digest decides; the tag need not even exist."""
    digest = push(1, "1.0")
    push(2, "1.1")
    docker("image", "rm", f"{image}:1.0")

    assert manifests("no-such-tag").status == 404
    assert says(f"{image}:no-such-tag@{digest}") == "content 1"
    assert says(f"{image}:1.1@{digest}") == "content 1"


# Names.


def test_no_tag_means_latest(push, docker, image):
    """A name without a tag means the tag latest; where nobody pushed one, there is nothing to pull or to run."""
    push(1, "1.0")
    pulled = docker("pull", image, check=False)
    run = docker("run", "--rm", "--pull=never", image, check=False)

    assert "Using default tag: latest" in pulled.stdout
    assert f"{image}:latest" in pulled.stderr
    assert "not found" in pulled.stderr
    assert f"No such image: {image}:latest" in run.stderr


def test_latest_is_not_the_newest(push, image, says):
    """The tag latest stands for what was pushed as latest, and a newer image under another tag does not change it."""
    push(1, "latest")
    push(2, "1.1")

    assert says(image, "--pull=always") == "content 1"


def test_what_a_name_means(docker, name, docker_only, engine, table):
    """What stands before the first slash is a registry's address if it has a dot or a colon or is localhost."""
    own = name("x")
    given = [own, f"{own}:1.0", f"team/{own}", f"ghcr.io/team/{own}", f"127.0.0.1:5000/{own}", f"localhost/{own}"]
    rows = []
    for each in given:
        said = docker("push", each, check=False).stdout
        host, _, path = re.search(r"repository \[([^\]]+)\]", said)[1].partition("/")
        default = re.search(r"default tag: (\w+)", said)
        tag = default[1] if default else each.rpartition(":")[2]
        for column, text in (("registry", host), ("repository", path), ("tag", tag)):
            rows.append(cell(f"`{each}`".replace(own, "app"), column, f"`{text}`".replace(own, "app")))
    table("names", "grid", rows)

    meant = [row["cell"] for row in rows if row["column"] == "registry"]
    assert meant == ["`docker.io`", "`docker.io`", "`docker.io`", "`ghcr.io`", "`127.0.0.1:5000`", "`localhost`"]
    assert [row["cell"] for row in rows if row["column"] == "repository"][1:3] == ["`library/app`", "`team/app`"]


# Several platforms.


def test_index(docker, folder, manifests, image, tmp_path):
    """Under one tag an index can list an image per platform, and a pull takes the one for the platform it asks for."""
    note = ["--file", str(folder / "Dockerfile.note"), "--provenance=false", str(folder)]
    for each in ("amd64", "arm64"):
        docker("build", "--platform", f"linux/{each}", "--tag", f"{image}:{each}", *note)
        docker("push", f"{image}:{each}")
    docker("buildx", "imagetools", "create", "--tag", f"{image}:note", f"{image}:amd64", f"{image}:arm64")
    index = manifests("note")
    listed = {each["platform"]["architecture"]: each["digest"] for each in index.data["manifests"]}
    docker("image", "rm", f"{image}:amd64", f"{image}:arm64")
    docker("pull", "--platform", "linux/arm64", f"{image}:note")
    created = docker("create", "--platform", "linux/arm64", "--pull=never", f"{image}:note").stdout.strip()
    docker("cp", f"{created}:/content.txt", str(tmp_path))
    docker("rm", created)
    none = docker("pull", "--platform", "linux/riscv64", f"{image}:note", check=False)

    assert index.headers["content-type"] in (DOCKER_LIST, OCI_INDEX)
    assert listed == {each: manifests(each).digest for each in ("amd64", "arm64")}
    assert (none.returncode, "riscv64" in none.stderr + none.stdout) == (1, True)
    assert (tmp_path / "content.txt").read_bytes() == (folder / "content.txt").read_bytes()


def test_build_pushes_an_index(docker, folder, manifests, image):
    """A build without further options pushes an index, which lists the image's manifest and that of an attestation."""
    docker("build", "--tag", f"{image}:1.0", str(folder))
    docker("push", f"{image}:1.0")
    answer = manifests("1.0")
    own, attestation = answer.data["manifests"]

    assert answer.headers["content-type"] == OCI_INDEX
    assert own["platform"]["os"] == "linux"
    assert attestation["platform"] == {"architecture": "unknown", "os": "unknown"}
    assert attestation["annotations"]["vnd.docker.reference.digest"] == own["digest"]
    assert attestation["annotations"]["vnd.docker.reference.type"] == "attestation-manifest"


def test_deleted_index_leaves_manifests(docker, push, manifests, image):
    """A registry that deletes an index still has the manifest that it lists."""
    listed = push(1, "1.0")
    docker("buildx", "imagetools", "create", "--tag", f"{image}:index", f"{image}:1.0")
    index = manifests("index")
    deleted = manifests(index.digest, "DELETE").status

    assert [each["digest"] for each in index.data["manifests"]] == [listed]
    assert (deleted, manifests(index.digest).status) == (202, 404)
    assert manifests(listed).status == 200


# What is left behind.


@pytest.fixture
def on_disk(docker, open_registry):
    """Return which of some digests are still files in the registry's volume."""

    def call(digests):
        listed = docker(*open_registry[0], "exec", "-T", "local", "find", "/var/lib/registry", "-name", "data").stdout
        return [digest for digest in digests if digest.partition(":")[2] in listed]

    return call


def test_moved_tag_leaves_garbage(push, manifests, on_disk):
    """What a moved tag stood for stays in the registry, by its digest, and on the disk even after it is deleted."""
    old, new = push(1, "1.0"), push(2, "1.0")
    parts = {digest: [digest, *(b["digest"] for b in blobs(manifests(digest).data))] for digest in (old, new)}
    only_old = [part for part in parts[old] if part not in parts[new]]
    kept = on_disk(only_old)
    deleted = manifests(old, "DELETE").status

    assert kept == only_old
    assert len(only_old) == 3
    assert (deleted, manifests(old).status) == (202, 404)
    assert on_disk(only_old) == only_old


@pytest.fixture
def only_here(docker, folder, image, manifests):
    """Push an image that no other repository has a part of, and return the answer with its manifest."""
    (folder / "content.txt").write_text(f"only for {image}\n")
    docker("build", "--provenance=false", "--tag", f"{image}:1.0", str(folder))
    docker("push", f"{image}:1.0")
    return manifests("1.0")


@pytest.fixture
def collect(docker, open_registry):
    """Run the registry's garbage collection."""
    command = [*open_registry[0], "exec", "-T", "local", "registry", "garbage-collect"]
    return lambda: docker(*command, "/etc/distribution/config.yml")


def test_collecting_garbage(only_here, collect, manifests, on_disk):
    """Deleting a manifest frees nothing; the registry's garbage collection removes what no manifest lists any more."""
    own = [only_here.digest, only_here.data["config"]["digest"], only_here.data["layers"][-1]["digest"]]
    collect()
    kept = on_disk(own)
    manifests(only_here.digest, "DELETE")
    deleted = on_disk(own)
    collect()

    assert kept == own
    assert deleted == own
    assert on_disk(own) == []


def test_collecting_while_it_runs(docker, only_here, collect, manifests, image, on_disk):
    """A registry that runs on after a collection believes it has what is gone: a push sends nothing and succeeds."""
    settings = only_here.data["config"]["digest"]
    manifests(only_here.digest, "DELETE")
    collect()
    again = docker("push", f"{image}:1.0")

    assert only_here.digest in again.stdout
    assert on_disk([settings]) == []


# Who may.


@pytest.fixture(scope="module")
def htpasswd(build, docker):
    """Return the line of the user ahoy, with the given options: ``htpasswd("-B")``."""
    return lambda *options: (
        docker(
            "run", "--rm", "--interactive", build("Dockerfile.htpasswd"), "-n", "-i", *options, "ahoy", input=PASSWORD
        ).stdout
    )


@pytest.fixture(scope="module")
def locked(started, docker, folder, htpasswd):
    """Start the registry that asks for a password, which has a user by bcrypt and one by MD5."""
    users = htpasswd("-B") + htpasswd().replace("ahoy:", "old:")
    (folder / "htpasswd").write_text(users)
    address = started("compose.locked.yaml", "locked")[1]
    yield address
    untag(docker, address)


@pytest.fixture
def login(docker_only, request, docker, tmp_path):
    """Log in with settings of this test's own: ``login("ahoy")``."""
    address = request.getfixturevalue("locked")

    def call(user: str, password: str = PASSWORD):
        words = ["login", "--username", user, "--password-stdin", address]
        return docker("--config", str(tmp_path), *words, input=password, check=False)

    return call


def test_password_is_asked_for(login, locked, docker, contents, tmp_path):
    """Without a login the registry refuses a push and a list; after docker login the push goes through."""
    docker("tag", contents(1), f"{locked}/app:1.0")
    before = docker("--config", str(tmp_path), "push", f"{locked}/app:1.0", check=False)
    login("ahoy")
    after = docker("--config", str(tmp_path), "push", f"{locked}/app:1.0", check=False)

    assert ask(locked, "_catalog").status == 401
    assert before.returncode == 1
    assert "no basic auth credentials" in before.stderr
    assert after.returncode == 0


def test_wrong_password(login, tmp_path):
    """A login with a wrong password fails with the status 401, and nothing is stored."""
    done = login("ahoy", "foul winds")
    settings = tmp_path / "config.json"

    assert done.returncode == 1
    assert "401 Unauthorized" in done.stderr
    assert not settings.exists() or not json.loads(settings.read_text()).get("auths")


def test_login_is_stored_in_the_open(login, locked, tmp_path):
    """Without a credential helper docker login writes name and password into config.json, encoded and not encrypted."""
    done = login("ahoy")
    stored = json.loads((tmp_path / "config.json").read_text())["auths"][locked]["auth"]

    assert done.returncode == 0
    assert base64.b64decode(stored).decode() == f"ahoy:{PASSWORD}"


def test_only_bcrypt(login):
    """A line that htpasswd made with MD5, as it does without -B, is refused although the password is right."""
    assert login("old").returncode == 1
    assert "401 Unauthorized" in login("old").stderr


def test_delete_can_be_forbidden(locked, docker_only, contents, docker, login, tmp_path):
    """With REGISTRY_STORAGE_DELETE_ENABLED=false a registry answers a request to delete with the status 405."""
    login("ahoy")
    docker("tag", contents(1), f"{locked}/app:1.0")
    docker("--config", str(tmp_path), "push", f"{locked}/app:1.0")
    key = {"Authorization": "Basic " + base64.b64encode(f"ahoy:{PASSWORD}".encode()).decode()}
    digest = ask(locked, "app/manifests/1.0", **key).digest

    assert ask(locked, f"app/manifests/{digest}", "DELETE", **key).status == 405


# TLS.


def test_only_loopback_goes_without_tls(docker, docker_only, open_registry):
    """Docker talks to a registry without TLS on 127.0.0.0/8; at the registry's address on a bridge a pull fails."""
    [container] = json.loads(docker("inspect", docker(*open_registry[0], "ps", "--quiet").stdout.strip()).stdout)
    [network] = container["NetworkSettings"]["Networks"].values()
    done = docker("pull", f"{network['IPAddress']}:5000/app:1.0", check=False)
    exempt = json.loads(docker("info", "--format", "{{json .RegistryConfig.InsecureRegistryCIDRs}}").stdout)

    assert "127.0.0.0/8" in exempt
    assert done.returncode == 1
    assert "server gave HTTP response to HTTPS client" in done.stderr
