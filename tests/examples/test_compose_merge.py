"""Claims of the example compose-merge."""

from __future__ import annotations

import json
import re

import pytest

APP = "services:\n  app:\n    image: debian:trixie-slim\n"


@pytest.fixture
def project(docker, example, name, tmp_path):
    """A copy of the example, and ``docker compose`` for it: ``project("config", "--services", check=False)``."""
    # The project is named after its folder, as a reader's is.
    folder = example.copy_to(tmp_path).rename(tmp_path / name("p"))

    def call(*args, check=True):
        return docker("compose", "--project-directory", str(folder), *args, check=check, timeout=300)

    call.folder, call.name = folder, name("p")
    yield call
    call("down", "--timeout", "0", "--volumes", "--remove-orphans", "--rmi", "local", check=False)


@pytest.fixture
def config(project):
    """Return what Compose makes of these files of the example, or of those that it takes by itself."""

    def call(*names):
        files = [word for name in names for word in ("--file", str(project.folder / name))]
        return json.loads(project(*files, "config", "--format", "json").stdout)

    return call


def ports(service):
    """Return the container's ports that a service publishes."""
    return [port["target"] for port in service.get("ports", [])]


# Two files, one service.


def test_override_is_read(project, config):
    """Compose reads compose.override.yaml after compose.yaml without being asked; with -f it reads what it is given."""
    both, alone = config(), config("compose.yaml")
    named = config("compose.yaml", "compose.override.yaml")

    assert both["services"] == named["services"]
    assert both["services"]["app"]["environment"]["MODE"] == "development"
    assert alone["services"]["app"]["environment"]["MODE"] == "production"


def test_merge_rules(config):
    """A later file replaces a command, sets variables one by one, adds ports, and replaces a mount by its path."""
    first, both = (config(*files)["services"]["app"] for files in (("compose.yaml",), ()))

    assert both["command"] == ["printenv", "MODE", "LEVEL", "DEBUG"]
    assert first["environment"] == {"MODE": "production", "LEVEL": "info"}
    assert both["environment"] == {"MODE": "development", "LEVEL": "info", "DEBUG": "yes"}
    assert ports(both) == [*ports(first), 9229]
    assert [(mount["type"], mount["target"]) for mount in first["volumes"]] == [("volume", "/data")]
    assert [(mount["type"], mount["target"]) for mount in both["volumes"]] == [("bind", "/data")]
    assert both["cap_drop"] == first["cap_drop"] == ["ALL"]


def test_lists_grow(project, config, table):
    """Of 14 keys in two files, the second file replaces image, command, and entrypoint, and the others are merged."""
    first = {
        "command": ["one"],
        "image": "one",
        "environment": {"A": "one", "B": "one"},
        "labels": {"A": "one", "B": "one"},
        "ports": ["127.0.0.1:8001:1"],
        "volumes": ["one:/data", "one:/more"],
        "cap_drop": ["CHOWN"],
        "security_opt": ["no-new-privileges:true"],
        "tmpfs": ["/one"],
        "env_file": ["one.env"],
        "secrets": ["one"],
        "depends_on": ["one"],
        "healthcheck": {"test": ["CMD", "one"], "interval": "1s"},
        "entrypoint": ["one"],
    }
    second = {
        **{key: json.loads(json.dumps(value).replace("one", "two")) for key, value in first.items()},
        "environment": {"B": "two"},
        "labels": {"B": "two"},
        "ports": ["127.0.0.1:8002:2"],
        "volumes": ["two:/data"],
        "cap_drop": ["KILL"],
        "security_opt": ["seccomp=unconfined"],
        "healthcheck": {"test": ["CMD", "two"]},
    }
    others = {
        "volumes": {"one": {}, "two": {}},
        "secrets": {"one": {"file": "one.env"}, "two": {"file": "two.env"}},
    }
    for word, settings in (("one", first), ("two", second)):
        (project.folder / f"{word}.env").write_text(f"{word.upper()}_ENV=1\n")
        services = {"app": settings, "one": {"image": "one"}, "two": {"image": "two"}}
        (project.folder / f"{word}.json").write_text(json.dumps({"services": services, **others}))
    app = config("one.json", "two.json")["services"]["app"]
    kept = {
        "one value, as `image`": app["image"] != "two",
        "`command`, `entrypoint`": app["command"] + app["entrypoint"] != ["two", "two"],
        "`healthcheck`": app["healthcheck"].get("interval") == "1s",
        "`environment`, `labels`": app["environment"]["A"] == app["labels"]["A"] == "one",
        "`ports`": ports(app) == [1, 2],
        "`volumes`": sorted((mount["source"], mount["target"]) for mount in app["volumes"]),
        "`cap_drop`, `security_opt`": app["cap_drop"] == ["CHOWN", "KILL"] and len(app["security_opt"]) == 2,
        "`tmpfs`": app["tmpfs"] == ["/one", "/two"],
        "`secrets`": sorted(secret["source"] for secret in app["secrets"]) == ["one", "two"],
        "`env_file`": {"ONE_ENV", "TWO_ENV"} <= set(app["environment"]),
        "`depends_on`": sorted(app["depends_on"]) == ["one", "two"],
    }
    assert kept.pop("`volumes`") == [("one", "/more"), ("two", "/data")]
    replaced = {key for key, stays in kept.items() if not stays}
    told = {
        "one value, as `image`": "replaced",
        "`command`, `entrypoint`": "replaced, as a whole",
        "`healthcheck`": "each setting by itself; `test` as a whole",
        "`environment`, `labels`": "each name by itself",
        "`volumes`": "each path in the container by itself",
    }
    rows = [*kept, "`volumes`"]
    column = "what a later file does to it"
    table("rules", "grid", [{"row": row, "column": column, "cell": told.get(row, "added to")} for row in rows])

    assert replaced == {"one value, as `image`", "`command`, `entrypoint`"}


def test_order(config):
    """Of two files that set the same key, the one that is named later counts."""
    forth = config("compose.yaml", "compose.override.yaml")["services"]["app"]
    back = config("compose.override.yaml", "compose.yaml")["services"]["app"]

    assert forth["environment"]["MODE"] == "development"
    assert back["environment"]["MODE"] == "production"


def test_reset_and_override(config):
    """With !reset a later file takes a key back, and with !override it replaces it as a whole."""
    app = config("compose.yaml", "compose.replace.yaml")["services"]["app"]

    assert ports(app) == []
    assert app["environment"] == {"LEVEL": "warning"}


def test_paths_of_a_second_file(project):
    """In files that are merged, the path of an env_file begins in the folder of the first one."""
    files = ("--file", str(project.folder / "compose.yaml"), "--file", str(project.folder / "parts/worker.yaml"))
    refused = project(*files, "config", check=False)

    assert refused.returncode != 0
    assert f"{project.folder}/worker.env not found" in refused.stderr


def test_compose_file(project, config):
    """COMPOSE_FILE in .env names the files that Compose takes when it is given none."""
    (project.folder / ".env").write_text(
        f"COMPOSE_FILE={project.folder}/compose.yaml:{project.folder}/compose.replace.yaml\n"
    )

    assert config()["services"]["app"]["environment"] == {"LEVEL": "warning"}


def test_runs_as_merged(project):
    """What runs is what config shows: the service's variables are those of both files."""
    project("build", "--quiet")

    assert project("run", "--rm", "app").stdout == "development\ninfo\nyes\n"


def test_unused_volume(project, docker):
    """docker compose down --volumes leaves a volume that no service of the files it is given uses."""
    project("--file", str(project.folder / "compose.yaml"), "create")
    volume = f"{project.name}_data"
    project("down", "--volumes")
    left = docker("volume", "inspect", volume, check=False).returncode == 0
    project("--file", str(project.folder / "compose.yaml"), "down", "--volumes")

    assert left
    assert docker("volume", "inspect", volume, check=False).returncode != 0


# Other ways to write something once.


def test_include(config):
    """A file that is included brings its services along, and its paths begin in its own folder."""
    found = config("compose.include.yaml")["services"]

    assert sorted(found) == ["app", "worker"]
    assert found["worker"]["environment"]["GREETING"] == "from parts"


def test_include_conflict(config):
    """A service of the same name as one that is included changes it, as an override does."""
    worker = config("compose.conflict.yaml")["services"]["worker"]

    assert worker["command"] == ["true"]
    assert worker["environment"]["GREETING"] == "from parts"
    assert worker["user"] == "10001:10001"


def test_extends(config):
    """A service that extends another one has its settings, and changes them by the rules of an override."""
    found = config("compose.extends.yaml")["services"]

    assert list(found) == ["nightly"]
    assert found["nightly"]["environment"] == {"GREETING": "from parts", "QUEUE": "nightly", "SIZE": "2"}
    assert found["nightly"]["user"] == "10001:10001"


def test_anchors(config):
    """A key next to <<: replaces the anchor's key with all that is under it."""
    found = config("compose.anchors.yaml")["services"]

    assert found["one"]["environment"] == {"MODE": "production", "LEVEL": "info"}
    assert found["two"]["environment"] == {"MODE": "development"}
    assert found["one"]["user"] == found["two"]["user"] == "10001:10001"


def test_unknown_keys(project):
    """An unknown key is refused, unless it begins with x-."""
    answers = {}
    for key in ("x-note", "note"):
        (project.folder / "key.yaml").write_text(f"{APP}    {key}: hello\n")
        answers[key] = project("--file", str(project.folder / "key.yaml"), "config", "--quiet", check=False)

    assert answers["x-note"].returncode == 0
    assert answers["note"].returncode != 0
    assert re.search(r"services\.app\b.*\bnote\b", answers["note"].stderr)


# Names.


def test_image_and_build(project, docker):
    """With build and image, the image that is built gets that name; with build alone, that of project and service."""
    (project.folder / "both.yaml").write_text(f"services:\n  app:\n    build: .\n    image: {project.name}:mine\n")
    project("--file", str(project.folder / "both.yaml"), "build")
    project("--file", str(project.folder / "compose.yaml"), "build")

    for image in (f"{project.name}:mine", f"{project.name}-app"):
        assert docker("image", "inspect", "--format", "{{.Id}}", image).stdout
    docker("image", "rm", f"{project.name}:mine")


def test_name(project, docker):
    """Containers, networks and volumes are named after the project, which is named after the folder, or by name."""
    shown = json.loads(project("config", "--format", "json").stdout)
    named = json.loads(project("--project-name", "other", "config", "--format", "json").stdout)

    assert shown["name"] == project.name
    assert shown["networks"]["default"]["name"] == f"{project.name}_default"
    assert (named["name"], named["networks"]["default"]["name"]) == ("other", "other_default")
    project("--file", str(project.folder / "compose.yaml"), "create")
    container = docker("inspect", f"{project.name}-app-1", "--format", "{{range .Mounts}}{{.Name}}{{end}}").stdout
    assert container == f"{project.name}_data\n"
