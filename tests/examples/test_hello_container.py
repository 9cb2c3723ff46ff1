"""Claims of the example hello-container."""

from __future__ import annotations

import json
import subprocess


def test_builds_and_greets(docker, build):
    """The image builds, and its container greets as process 1 and user 10001, then ends with exit status 0."""
    done = docker("run", "--rm", build())

    assert done.stdout == "Hello from Debian GNU/Linux 13 (trixie): process 1, user 10001.\n"


def test_same_image_same_system(docker, build):
    """Two containers of one image see the same system: /etc/os-release names Debian 13 (trixie) in both."""
    first, second = (docker("run", "--rm", build(), "cat", "/etc/os-release").stdout for _ in range(2))

    assert first == second
    assert "VERSION_CODENAME=trixie" in first


def test_shares_the_hosts_kernel(docker, build, engine):
    """The container has no kernel of its own: it runs on the engine's."""
    assert docker("run", "--rm", build(), "uname", "-r").stdout.strip() == engine.facts["kernel"]


def test_flags_are_seen_by_inspect(docker, build, name):
    """What --name and --env say is what inspect shows."""
    container = name("flags")
    docker("run", "--detach", "--name", container, "--env", "GREETING=ahoy", build(), "sleep", "60")
    [found] = json.loads(docker("inspect", container).stdout)

    assert found["Name"] == f"/{container}"
    assert "GREETING=ahoy" in found["Config"]["Env"]


def test_rm_removes_the_container(docker, build, name):
    """A container started with --rm is gone when its process has ended; one without stays, stopped."""
    docker("run", "--rm", "--name", name("gone"), build())
    docker("run", "--name", name("stays"), build())
    left = docker("ps", "--all", "--format", "{{.Names}} {{.State}}").stdout

    assert name("gone") not in left
    assert f"{name('stays')} exited" in left


def test_not_root(docker, build):
    """The program's user cannot create a file in /etc, where only root may write."""
    done = docker("run", "--rm", build(), "touch", "/etc/mine", check=False)

    assert done.returncode == 1
    assert "Permission denied" in done.stderr


def test_typo_is_found_at_run_time(docker, build, only_docker):
    """An image whose CMD names no program builds; running it fails with exit status 127."""
    only_docker("behind Podman's socket, Docker's client ends with exit status 1 and does not learn why")
    image = build("Dockerfile.typo")
    done = docker("run", "--rm", image, check=False)

    assert done.returncode == 127
    assert docker("run", "--rm", image, "greet").stdout.endswith("user 10001.\n"), "only its CMD is wrong"
    assert 'exec: "gret": executable file not found in $PATH' in done.stderr


def test_compose_runs_the_same(docker, folder, prefix):
    """Compose builds the image and runs a container of it from compose.yaml, and the container greets."""
    compose = ["compose", "--project-directory", str(folder), "--project-name", f"{prefix}-compose"]
    done = docker(*compose, "run", "--rm", "hello", timeout=300)

    assert "Hello from Debian" in done.stdout


def test_client_and_server(docker):
    """Docker is two programs: a client, and the engine that answers it."""
    version = json.loads(docker("version", "--format", "{{json .}}").stdout)

    assert version["Client"]["Version"]
    assert version["Server"]["Version"]


def test_writable_layers_are_separate(docker, build, name):
    """What one container writes is in its own layer: another container of the image does not see it."""
    for each in ("a", "b"):
        docker("run", "--detach", "--name", name(each), build(), "sleep", "60")
    docker("exec", name("a"), "touch", "/tmp/note")
    seen = [docker("exec", name(each), "test", "-e", "/tmp/note", check=False).returncode for each in ("a", "b")]

    assert seen == [0, 1]
    assert "A /tmp/note" in docker("diff", name("a")).stdout.splitlines()


def test_data_survives_a_restart_not_a_removal(docker, build, name):
    """What a container wrote survives docker restart; it is gone when the container is removed."""
    run = ("run", "--detach", "--name", name("kept"), build(), "sleep", "60")
    docker(*run)
    docker("exec", name("kept"), "touch", "/tmp/note")
    docker("restart", "-t", "0", name("kept"))
    after_restart = docker("exec", name("kept"), "test", "-e", "/tmp/note", check=False).returncode
    docker("rm", "--force", name("kept"))
    docker(*run)
    after_removal = docker("exec", name("kept"), "test", "-e", "/tmp/note", check=False).returncode

    assert (after_restart, after_removal) == (0, 1)


def test_no_engine_no_docker(docker):
    """Without an engine docker ps fails, and names the socket that it tried to reach."""
    done = docker("--host", "unix:///no/such/engine.sock", "ps", check=False)

    assert done.returncode == 1
    assert "connect to the" in done.stderr
    assert "unix:///no/such/engine.sock" in done.stderr


def test_old_client_is_refused(engine, only_docker):
    """A client that speaks version 1.12 of the API is refused, and told the oldest version that the engine supports."""
    only_docker("Podman's socket takes any version")
    asked = engine.environment | {"DOCKER_API_VERSION": "1.12"}
    done = subprocess.run([engine.docker, "ps"], env=asked, capture_output=True, text=True, timeout=60, check=False)

    assert done.returncode == 1
    assert "client version 1.12 is too old. Minimum supported API version is 1." in done.stderr


def test_rmi(docker, folder, name):
    """docker rmi takes away a name, and with the last one the image; it refuses while a container is of that image."""
    docker("build", "--label", f"own={name('own')}", "--tag", name("own"), str(folder))
    image = docker("image", "inspect", "--format", "{{.Id}}", name("own")).stdout.strip()
    docker("tag", name("own"), name("second"))
    docker("rmi", name("second"))
    still = docker("image", "inspect", image, check=False).returncode
    docker("run", "--name", name("ended"), name("own"))
    refused = docker("rmi", name("own"), check=False)
    docker("rm", name("ended"))
    docker("rmi", name("own"))

    assert still == 0
    assert refused.returncode == 1
    assert name("own") in refused.stderr
    assert docker("image", "inspect", image, check=False).returncode == 1


def test_docker_ce_is_not_debians(docker, build, name):
    """Debian has no package docker-ce: apt-get does not find it, and finds docker.io instead."""
    run = ["run", "--rm", "--name", name("apt"), "--user", "0", build(), "sh", "-c"]
    script = (
        "apt-get update -qq && apt-get install -qq --simulate docker.io && apt-get install -qq --simulate docker-ce"
    )
    done = docker(*run, script, check=False, timeout=300)

    assert "Inst docker.io" in done.stdout
    assert done.returncode == 100
    assert "docker-ce" in done.stderr
