"""Claims of the example beyond-one-host: one image, run by Compose, by a Swarm and from manifests of Kubernetes."""

import json
import re
import subprocess
import tarfile
import urllib.request
from dataclasses import dataclass, field

import pytest

from drydock.fixtures import until

IMAGE = "registry:5000/web"
TOKEN = "not-a-real-token"
MOTTO = "motto: measure twice, cut once"
SERVICE = "shop_web"


@pytest.fixture(scope="module")
def token(folder):
    """Put the secret of the play beside the Compose file."""
    (folder / "token.txt").write_text(TOKEN)


@pytest.fixture(scope="module")
def images(build) -> dict[str, str]:
    """Three versions of the service; the last one is never well."""
    return {version: build("Dockerfile", "--build-arg", f"VERSION={version}") for version in ("1", "2", "broken")}


@pytest.fixture(scope="module")
def one_host(docker, folder, prefix, token):
    """What Compose makes of the service on one host."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-one"]
    docker(*compose, "build", timeout=300)
    answer = docker(*compose, "run", "--rm", "ask").stdout
    address = docker(*compose, "port", "web", "8080").stdout.strip()
    with urllib.request.urlopen(f"http://{address}/", timeout=20) as asked:
        outside = asked.read().decode()
    web = json.loads(docker("inspect", f"{prefix}-one-web-1").stdout)[0]
    docker(*compose, "down", "--volumes", "--timeout", "2", "--rmi", "local")
    return {"answer": answer, "outside": outside, "address": address, "web": web}


@pytest.fixture(scope="module")
def on(docker, folder, prefix, token, only_docker):
    """Start the machines, and give a command to one: ``on("node1", "docker", "version")``."""
    only_docker("the machines run Docker's daemon in a privileged container of Docker's")
    compose = ["compose", "--project-directory", str(folder), "--file", str(folder / "cluster.yaml")]
    compose += ["--project-name", f"{prefix}-cluster"]
    docker(*compose, "up", "--detach", "--build", "--wait", "--wait-timeout", "120", timeout=600)

    def call(machine: str, *command: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        return docker("exec", f"{prefix}-cluster-{machine}-1", *command, check=check)

    call.compose = compose
    yield call
    docker(*compose, "down", "--volumes", "--timeout", "0", check=False)


@pytest.fixture(scope="module")
def pushed(docker, on, images, folder):
    """Bring the images to the registry of the machines, by way of the first one."""
    for version, image in images.items():
        docker("save", "--output", str(folder / f"{version}.tar"), image)
        on("node1", "docker", "load", "--input", f"/example/{version}.tar")
        on("node1", "docker", "tag", image, f"{IMAGE}:{version}")
        on("node1", "docker", "push", "--quiet", f"{IMAGE}:{version}")
    on("node1", "docker", "pull", "--quiet", f"{IMAGE}:1")


@pytest.fixture(scope="module")
def swarm(on):
    """Make one swarm of three machines, which notices soon when one of them is gone."""
    on("node1", "docker", "swarm", "init", "--dispatcher-heartbeat", "1s")
    token = on("node1", "docker", "swarm", "join-token", "--quiet", "worker").stdout.strip()
    for node in ("node2", "node3"):
        on(node, "docker", "swarm", "join", "--token", token, "node1:2377")


@dataclass
class Task:
    """One copy of a service, as the swarm keeps it."""

    slot: int
    image: str
    node: str
    state: str
    wanted: str
    at: str
    container: str
    problem: str = field(default="")


@pytest.fixture(scope="module")
def tasks(on, swarm):
    """Return the copies of the service; of those that are to run, or of all that there were."""

    nodes = json.loads(on("node1", "docker", "node", "inspect", "node1", "node2", "node3").stdout)
    names = {node["ID"]: node["Description"]["Hostname"] for node in nodes}

    def call(running: bool = False, service: str = SERVICE) -> list[Task]:
        # An old one may be forgotten in between.
        script = f"docker inspect --type task $(docker service ps --quiet --no-trunc {service})"
        found = json.loads(on("node1", "sh", "-c", script, check=False).stdout or "[]")
        made = [
            Task(
                slot=each["Slot"],
                image=each["Spec"]["ContainerSpec"]["Image"],
                node=names.get(each.get("NodeID", ""), ""),
                state=each["Status"]["State"],
                wanted=each["DesiredState"],
                at=each["Status"]["Timestamp"],
                container=each["Status"].get("ContainerStatus", {}).get("ContainerID", ""),
                problem=each["Status"].get("Err", ""),
            )
            for each in found
        ]
        return [task for task in made if task.state == task.wanted == "running"] if running else made

    return call


@pytest.fixture(scope="module")
def running(tasks):
    """Wait until three copies run, of a version where one is given, and return them."""

    def call(version: str = "", nodes=("node1", "node2", "node3")) -> list[Task]:
        def ask():
            found = [task for task in tasks(running=True) if task.node in nodes and f"/web:{version}" in task.image]
            return found if len(found) == 3 else None

        return until(ask, f"three copies of version {version or 'any'} on {nodes}", 60)

    return call


@pytest.fixture(scope="module")
def asked(on):
    """A client within the stack's network, which stays: ``asked()`` is the answer of one copy."""
    on("node1", "docker", "run", "--detach", "--name", "client", "--network", "shop_inside", f"{IMAGE}:1")
    command = ("docker", "exec", "client", "/web", "get", "http://web:8080/")
    return lambda: on("node1", *command, check=False).stdout


@pytest.fixture(scope="module")
def shop(on, pushed, swarm, running, tasks, folder):
    """Deploy the stack, and what is left over from Compose; return what the swarm says to it."""
    refused = on("node1", "docker", "stack", "deploy", "-c", "/example/compose.yaml", "refused", check=False)
    on("node1", "docker", "stack", "deploy", "--detach=true", "-c", "/example/stack.yaml", "shop")
    on("node1", "cp", "/example/motto", "/srv/motto")
    left = on("node1", "docker", "stack", "deploy", "--detach=true", "-c", "/example/leftovers.yaml", "leftovers")
    problem = until(lambda: [each.problem for each in tasks(service="leftovers_web") if each.problem], "a problem")
    form = "{{.Name}} {{.Replicas}}"
    copies = on("node1", "docker", "stack", "services", "--format", form, "leftovers").stdout
    on("node1", "docker", "stack", "rm", "leftovers")
    return {
        "copies": copies,
        "refused": refused,
        "ignored": left.stdout + left.stderr,
        "problem": problem,
        "first": running("1"),
    }


@pytest.fixture(scope="module")
def killed(on, shop, running):
    """Kill one copy's container behind the swarm's back."""
    victim = next(task for task in shop["first"] if task.node == "node2")
    form = "{{.HostConfig.RestartPolicy.Name}}"
    policy = on("node2", "docker", "inspect", "--format", form, victim.container).stdout.strip()
    on("node2", "docker", "kill", victim.container)

    def ask():
        after = running("1")
        return None if victim.container in [task.container for task in after] else after

    return {"victim": victim, "policy": policy, "after": until(ask, "another copy", 60)}


@pytest.fixture(scope="module")
def updated(on, shop, killed, running, tasks):
    """Update to version 2."""
    on("node1", "docker", "service", "update", "--quiet", "--image", f"{IMAGE}:2", SERVICE)
    running("2")
    until(lambda: not [t for t in tasks() if t.wanted == "shutdown" and t.state == "running"], "the end of the old", 60)
    return tasks()


@pytest.fixture(scope="module")
def rolled_back(on, updated, running, tasks, asked):
    """Update to a version that is never well, and ask the service all the while."""
    on("node1", "docker", "service", "update", "--detach", "--image", f"{IMAGE}:broken", SERVICE)
    answers, states = set(), []

    def ask():
        answers.add((asked().splitlines() or ["no answer"])[0].partition(",")[0])
        seen = json.loads(on("node1", "docker", "service", "inspect", SERVICE).stdout)[0]["UpdateStatus"]["State"]
        states.append(seen)
        return seen == "rollback_completed"

    until(ask, "the end of the rollback", 90)
    return {"answers": answers, "states": states, "after": running("2"), "tasks": tasks()}


@pytest.fixture(scope="module")
def drained(on, rolled_back, running, tasks):
    """Take the work from one machine."""
    on("node1", "docker", "node", "update", "--availability", "drain", "node3")
    return running("2", ("node1", "node2"))


@pytest.fixture(scope="module")
def lost(docker, on, drained, running):
    """Switch another machine off without a word."""
    docker(*on.compose, "kill", "node2")
    return running("2", ("node1",))


@pytest.fixture(scope="module")
def validated(docker, folder, prefix) -> str:
    """What the API's schema has to say to both files."""
    image = f"{prefix}:validator"
    docker("build", "--tag", image, str(folder / "validator"), timeout=300)
    mount = f"{folder / 'kubernetes'}:/kubernetes:ro"
    run = docker("run", "--rm", "--volume", mount, image, "web.yaml", "from-compose.yaml", check=False)
    return run.stdout + run.stderr


@pytest.fixture(scope="module")
def played(on, pushed):
    """Let Podman run the manifests; return what it says, and the container."""
    said = on("pod", "podman", "kube", "play", "--tls-verify=false", "/example/kubernetes/web.yaml")
    return {"said": said.stderr, "web": json.loads(on("pod", "podman", "inspect", "web-pod-web").stdout)[0]}


def unknown_fields(validated: str) -> list[str]:
    """Return the fields that the schema does not know."""
    return re.findall(r"\('(\w+)' was unexpected\)", validated)


def config_of(archive) -> str:
    """Return the digest of an image's configuration, as it is in an archive of docker save."""
    with tarfile.open(archive) as opened:
        manifest = json.load(opened.extractfile("manifest.json"))
    return re.search("[0-9a-f]{64}", manifest[0]["Config"])[0]


# One host.


def test_compose_waits_and_asks(one_host):
    """Compose starts the service and a client that depends on its health: the service is healthy, and answers."""
    assert one_host["web"]["State"]["Health"]["Status"] == "healthy"
    assert one_host["answer"].startswith("version 1, on ")


def test_compose_does_not_ask_the_unwell(docker, folder, prefix, token, images):
    """If the service becomes unhealthy, Compose doesn't start the client: a dependency failed to start."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-unwell"]
    docker("tag", images["broken"], f"{prefix}-unwell-web")
    done = docker(*compose, "run", "--rm", "ask", check=False)
    docker(*compose, "down", "--volumes", "--timeout", "0", "--rmi", "local")

    assert done.returncode != 0
    assert done.stdout == ""
    assert "dependency failed to start" in done.stderr
    assert "is unhealthy" in done.stderr


def test_compose_publishes(one_host):
    """Compose publishes the service on 127.0.0.1, where a request from the host gets the same answer as the client."""
    assert one_host["address"].startswith("127.0.0.1:")
    assert one_host["outside"] == one_host["answer"]


def test_compose_hands_in_what_differs(one_host):
    """With Compose the greeting comes as a variable, the motto as a config and the token as a secret."""
    assert one_host["answer"].splitlines()[1:] == [
        "greeting: hello from one host",
        MOTTO,
        f"length of the token: {len(TOKEN)}",
    ]


# A swarm.


def test_machines_are_waited_for(docker, on, prefix):
    """After docker compose up --wait, the health checks of all three machines have passed."""
    nodes = [f"{prefix}-cluster-node{number}-1" for number in (1, 2, 3)]

    assert docker("inspect", "--format", "{{.State.Health.Status}}", *nodes).stdout.split() == ["healthy"] * 3


def test_three_machines_one_swarm(on, swarm):
    """Three machines form one swarm, and the one that began it leads it."""
    form = "{{.Hostname}} {{.Status}} {{.ManagerStatus}}"
    nodes = on("node1", "docker", "node", "ls", "--format", form).stdout.splitlines()

    assert sorted(line.strip() for line in nodes) == ["node1 Ready Leader", "node2 Ready", "node3 Ready"]


def test_a_copy_on_each_machine(shop):
    """The three copies of a service land on three machines, and the swarm pins all to one digest of the image."""
    assert sorted(task.node for task in shop["first"]) == ["node1", "node2", "node3"]
    assert len({task.image for task in shop["first"]}) == 1
    assert "@sha256:" in shop["first"][0].image


def test_swarm_hands_in_what_differs(shop, asked):
    """In a swarm too the greeting comes as a variable, the motto as a config and the token as a secret."""
    answer = until(asked, "an answer")

    assert answer.splitlines()[1:] == [
        "greeting: hello from the swarm",
        MOTTO,
        f"length of the token: {len(TOKEN)}",
    ]


def test_one_name_three_copies(shop, killed, asked):
    """From a client on one machine, the service's name leads to all three copies."""
    wanted = {task.container[:12] for task in killed["after"]}
    seen = set()

    def ask():
        seen.update(re.findall("on ([0-9a-f]{12})", asked()))
        return wanted <= seen

    until(ask, f"an answer of each of {wanted}")


def test_secret_is_not_told(on, shop):
    """inspect shows a config's value, and a secret's neither for the service that uses it nor for the secret."""
    shown = on("node1", "docker", "service", "inspect", SERVICE).stdout
    shown += on("node1", "docker", "secret", "inspect", "--pretty", "shop_token").stdout
    config = on("node1", "docker", "config", "inspect", "--pretty", "shop_motto").stdout

    assert "shop_token" in shown
    assert TOKEN not in shown
    assert "measure twice" in config


def test_compose_file_is_refused(shop):
    """docker stack deploy refuses a Compose file in which depends_on has a condition."""
    assert shop["refused"].returncode != 0
    assert "depends_on must be a list" in shop["refused"].stderr


def test_depends_on_is_not_waited_for(shop):
    """Where depends_on is a list, a swarm accepts it, and goes on although there is no copy of what is depended on."""
    assert "leftovers_database 0/0" in shop["copies"]
    assert shop["problem"]


def test_build_and_restart_are_ignored(shop):
    """docker stack deploy ignores build and restart, and says so."""
    assert "Ignoring unsupported options: build, restart" in shop["ignored"]


def test_bind_mount_is_the_machines(shop):
    """A bind mount means a file of the machine that the copy lands on; where there is none, the copy is rejected."""
    assert "bind source path does not exist: /srv/motto" in shop["problem"][0]


def test_swarm_replaces_a_container(killed):
    """When a container is killed the swarm starts another; the container itself has no restart policy."""
    assert killed["policy"] in ("", "no")
    assert len(killed["after"]) == 3


def test_new_before_old(updated):
    """With start-first, each old copy is shut down only after the new copy in its place is running."""
    for slot in (1, 2, 3):
        new = next(task for task in updated if task.slot == slot and ":2@" in task.image)
        old = next(task for task in updated if task.slot == slot and ":1@" in task.image and task.state == "shutdown")
        assert new.state == "running"
        assert new.at < old.at


def test_bad_version_is_taken_back(rolled_back):
    """A new version whose health check fails is taken back by the swarm itself."""
    assert rolled_back["states"][-1] == "rollback_completed"
    assert len(rolled_back["after"]) == 3
    assert any(":broken@" in task.image for task in rolled_back["tasks"])


def test_bad_version_never_answers(rolled_back):
    """While the swarm tries a version that never becomes healthy, the previous version answers the requests."""
    assert rolled_back["answers"] == {"version 2"}


def test_drained(drained):
    """A drained machine gives its copies to the others."""
    assert {task.node for task in drained} == {"node1", "node2"}


def test_lost_machine(on, lost):
    """When a machine is gone without a word, the swarm starts its copies on one that is left."""
    form = "{{.Hostname}} {{.Status}}"
    until(lambda: "node2 Down" in on("node1", "docker", "node", "ls", "--format", form).stdout, "node2 down")

    assert [task.node for task in lost] == ["node1"] * 3


# Kubernetes.


def test_manifests_are_valid(validated):
    """The manifests of ConfigMap, Secret, Deployment and Service are valid by the schema of Kubernetes' API."""
    kinds = ["configmap", "secret", "deployment", "service"]

    assert re.findall("web.yaml passed for resource ([a-z]+)/web", validated) == kinds
    assert "ERROR web.yaml" not in validated


def test_compose_words_are_unknown(validated):
    """build, depends_on, healthcheck, restart and volumes of a Compose service are no fields of a container there."""
    assert unknown_fields(validated) == ["build", "depends_on", "healthcheck", "restart", "volumes"]
    assert validated.count("ERROR from-compose.yaml") == 5


def test_podman_plays_the_manifests(on, played):
    """Podman runs the same manifests, with the greeting and the motto of the ConfigMap and the token of the Secret."""
    command = ("podman", "exec", "web-pod-web", "/web", "get", "http://127.0.0.1:8080/")
    answer = until(lambda: on("pod", *command, check=False).stdout, "an answer")

    assert answer.splitlines()[1:] == [
        "greeting: hello from Kubernetes",
        MOTTO,
        f"length of the token: {len(TOKEN)}",
    ]


def test_pod_shares_its_network(on, played):
    """In a pod the container has no network of its own: it has that of the pod's first container."""
    infra = on("pod", "podman", "pod", "inspect", "web-pod", "--format", "{{.InfraContainerID}}").stdout.strip()
    first = json.loads(on("pod", "podman", "inspect", infra).stdout)[0]
    spaces = [on("pod", "readlink", f"/proc/{each['State']['Pid']}/ns/net").stdout for each in (first, played["web"])]

    assert first["Id"] != played["web"]["Id"]
    assert spaces[0] == spaces[1]


def test_podman_runs_one_copy(played):
    """Podman isn't a cluster: it reports that it limits the three replicas of the manifest to one."""
    assert "Limiting replica count to 1" in played["said"]


def test_probe_replaces_the_check(played, one_host):
    """Podman's health checks have the interval of the manifest's probe, not that of the image's HEALTHCHECK."""
    second = 1_000_000_000

    assert played["web"]["Config"]["Healthcheck"]["Interval"] == 5 * second
    assert played["web"]["Config"]["StartupHealthCheck"]["Retries"] == 30
    assert one_host["web"]["Config"]["Healthcheck"]["Interval"] == 1 * second


def test_podman_asks_the_image(on, played):
    """Where the manifest has no probe, Podman's container has the HEALTHCHECK of the image."""
    without = "sed -e '/region: probes/,/endregion: probes/d' -e 's/name: web$/name: bare/'"
    play = f"{without} /example/kubernetes/web.yaml | podman kube play --tls-verify=false -"
    on("pod", "sh", "-ec", play)
    found = json.loads(on("pod", "podman", "inspect", "bare-pod-bare").stdout)[0]["Config"]

    assert found["Healthcheck"]["Test"] == ["CMD", "/web", "check"]
    assert found["Healthcheck"]["Interval"] == 1_000_000_000


def test_oci_has_no_healthcheck(on, pushed):
    """Pushed in the OCI format the image has lost its HEALTHCHECK, for which that format has no place."""
    script = f"""podman pull -q --tls-verify=false {IMAGE}:2
        podman push -q --format oci --tls-verify=false {IMAGE}:2 {IMAGE}:oci
        podman pull -q --tls-verify=false {IMAGE}:oci"""
    on("pod", "sh", "-ec", script)
    found = json.loads(on("pod", "podman", "image", "inspect", f"{IMAGE}:2", f"{IMAGE}:oci").stdout)

    assert ["oci" in each["ManifestType"] for each in found] == [False, True]
    assert found[0]["Healthcheck"]["Test"] == ["CMD", "/web", "check"]
    assert not found[1].get("Healthcheck")


def test_the_same_image(on, pushed, played, folder):
    """What was built once is what runs: its configuration has one digest here, in the swarm and under Podman."""
    built = config_of(folder / "1.tar")
    swarm = on("node1", "docker", "image", "inspect", "--format", "{{.Id}}", f"{IMAGE}:1").stdout.strip()

    assert swarm == f"sha256:{built}"
    assert played["web"]["Image"] == built


def test_what_carries_over(one_host, shop, asked, on, validated, played, table):
    """Variables, files, and secrets carry over; build, restart, and a depends_on with a condition don't."""
    command = ("podman", "exec", "web-pod-web", "/web", "get", "http://127.0.0.1:8080/")
    answers = [one_host["answer"], until(asked, "an answer"), until(lambda: on("pod", *command).stdout, "an answer")]
    no = "no such field"
    rows = {
        "the image": ["the same", "the same, pulled", "the same, pulled"],
        "a variable": ["`environment`", "`environment`", "`env`, ConfigMap"],
        "a file of settings": ["`configs`", "`configs`, kept by the swarm", "ConfigMap"],
        "a secret": ["`secrets`, a file of yours", "`secrets`, kept by the swarm", "Secret"],
        "`HEALTHCHECK`": ["asked, and shown", "asked, and acted on", "a probe of the manifest"],
        "`depends_on`": ["waits", "refused with a condition, else not waited for", no],
        "`build`": ["builds", "ignored", no],
        "`restart`": ["obeyed by the engine", "ignored", no],
        "a bind mount": ["this host's", "the machine's, where it lands", no],
    }
    columns = ("Compose", "Swarm", "Kubernetes")
    table(
        "carries",
        "grid",
        [
            {"row": row, "column": column, "cell": cell}
            for row, cells in rows.items()
            for column, cell in zip(columns, cells, strict=True)
        ],
    )

    assert len({answer.splitlines()[1] for answer in answers}) == 3
    assert len({tuple(answer.splitlines()[2:]) for answer in answers}) == 1
    assert {"build", "depends_on", "healthcheck", "restart", "volumes"} == set(unknown_fields(validated))
    assert "depends_on must be" in shop["refused"].stderr
    assert "build, restart" in shop["ignored"]
