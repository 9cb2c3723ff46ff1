"""Claims of the example compose-config-and-secrets."""

from __future__ import annotations

import itertools
import json
import re

import pytest

from drydock.fixtures import until

PASSWORD = "not-a-real-password"


@pytest.fixture(scope="module")
def image(build):
    """The image of the service app, whose ENV GREETING is hello."""
    return build()


@pytest.fixture
def project(docker, example, name, tmp_path, monkeypatch):
    """A copy of the example, and ``docker compose`` for it: ``project("up", check=False, shell={"MODE": "a"})``."""
    # The project is named after its folder, as a reader's is: "down" with --project-name does not look at the file.
    folder = example.copy_to(tmp_path).rename(tmp_path / name("p"))
    (folder / "password.txt").write_text(PASSWORD)
    (folder / "password.txt").chmod(0o644)

    def call(*args, check=True, shell=None):
        with monkeypatch.context() as here:
            for variable in ("MODE", "GREETING", "REGION", "PASSWORD"):
                here.delenv(variable, raising=False)
            for variable, value in (shell or {}).items():
                here.setenv(variable, value)
            words = ["compose", "--project-directory", str(folder), *args]
            return docker(*words, check=check, timeout=300)

    call.folder, call.name = folder, name("p")
    yield call
    call("--profile", "*", "down", "--timeout", "0", "--remove-orphans", "--rmi", "local", check=False)


def write(folder, name, **content):
    """Write a Compose file, which may be JSON, and return the option that names it."""
    (folder / name).write_text(json.dumps(content))
    return "--file", str(folder / name)


def services(project, *options):
    """Return what ``docker compose config`` makes of the services."""
    return json.loads(project(*options, "config", "--format", "json").stdout)["services"]


def state(docker, container):
    """Return the state of a container, "" if there is none."""
    found = docker("inspect", "--format", "{{.State.Status}}", container, check=False)
    return found.stdout.strip() if found.returncode == 0 else ""


# Two roads.


def test_two_roads(project, image, table):
    """Shell, --env-file and .env fill in the Compose file; --env, environment, env_file and ENV go to the container."""
    folder = project.folder
    (folder / ".env").write_text("V_DOTENV=dotenv\n")
    (folder / "flag.env").write_text("V_FLAG=flag\n")
    (folder / "app.env").write_text("V_ENV_FILE=env_file\n")
    names = {
        "your shell": "V_SHELL",
        "`docker compose --env-file`": "V_FLAG",
        "`.env`": "V_DOTENV",
        "`docker compose run --env`": "V_RUN",
        "`environment:`": "V_ENVIRONMENT",
        "`env_file:`": "V_ENV_FILE",
        "`ENV` of the image": "GREETING",
    }
    probe = " ".join(f"{variable}=${{{variable}-}}" for variable in names.values())
    file = write(
        folder,
        "roads.yaml",
        services={
            "app": {
                "image": image,
                "environment": {"V_ENVIRONMENT": "environment"},
                "env_file": "app.env",
                "command": ["sh", "-c", f"env; echo 'filled {probe}'"],
            }
        },
    )
    files = ["--env-file", str(folder / ".env"), "--env-file", str(folder / "flag.env")]
    run = ["run", "--rm", "--env", "V_RUN=run", "app"]
    said = project(*files, *file, *run, shell={"V_SHELL": "shell"}).stdout.splitlines()
    [filled] = [line.split()[1:] for line in said if line.startswith("filled ")]
    has = {line.split("=")[0] for line in said if not line.startswith("filled ") and line.partition("=")[2]}
    roads = {
        place: (next(word for word in filled if word.startswith(f"{variable}=")) != f"{variable}=", variable in has)
        for place, variable in names.items()
    }
    columns = ("fills in `${...}` in the Compose file", "is in the container's environment")
    table("roads", "grid", grid(roads, columns))

    assert list(roads.values()) == [(True, False)] * 3 + [(False, True)] * 4


def grid(rows, columns):
    """Return the rows of a grid, with yes and no for what is true and false."""
    words = {True: "yes", False: "no"}
    return [
        {"row": row, "column": column, "cell": words.get(cell, cell)}
        for row, cells in rows.items()
        for column, cell in zip(columns, cells, strict=True)
    ]


def subsets(places):
    """Return all choices of places, each with a variable's name of its own."""
    every = [
        [p for p, there in zip(places, mask, strict=True) if there]
        for mask in itertools.product([0, 1], repeat=len(places))
    ]
    return {f"V{index}": chosen for index, chosen in enumerate(every)}


def strongest(places, chosen, otherwise):
    """Return the first of the places that is among the chosen ones."""
    return next((place for place in places if place in chosen), otherwise)


def lines(chosen, place):
    """Return the lines of a file that sets each variable for which this place was chosen to the place's name."""
    return "".join(f"{variable}={place}\n" for variable, places in chosen.items() if place in places)


def filled(project, chosen, *, flag):
    """Return what Compose fills in for each variable, if it is set in the places chosen for it."""
    folder = project.folder
    (folder / ".env").write_text(lines(chosen, "dotenv"))
    (folder / "flag.env").write_text(lines(chosen, "flag"))
    (folder / "app.env").write_text(lines(chosen, "env_file"))
    (folder / "none.env").write_text("NOTHING=here\n")
    app = {"image": "debian:trixie-slim", "env_file": "app.env", "labels": {v: f"${{{v}:-default}}" for v in chosen}}
    file = write(folder, "filled.yaml", services={"app": app})
    files = ["--env-file", str(folder / "flag.env")] if flag else []
    shell = {variable: "shell" for variable, places in chosen.items() if "shell" in places}
    said = project(*files, *file, "config", "--format", "json", shell=shell).stdout
    return json.loads(said)["services"]["app"]["labels"]


def test_what_fills_in(project, table):
    """In ${...} the shell goes before a file, --env-file takes the place of .env, and env_file has no say at all."""
    chosen = subsets(("shell", "flag", "dotenv", "env_file"))
    without = filled(project, chosen, flag=False)
    with_flag = filled(project, chosen, flag=True)
    cases = {
        "your shell and `.env`": (without, ("shell", "dotenv")),
        "`.env`": (without, ("dotenv",)),
        "your shell and the file of `--env-file`": (with_flag, ("shell", "flag")),
        "`.env` and the file of `--env-file`": (with_flag, ("flag", "dotenv")),
        "`.env`, while `--env-file` names a file without it": (with_flag, ("dotenv",)),
        "`env_file:`": (without, ("env_file",)),
        "nowhere": (without, ()),
    }
    words = {
        "shell": "that of your shell",
        "flag": "that of `--env-file`",
        "dotenv": "that of `.env`",
        "default": "what stands behind `:-`",
    }
    by_places = {tuple(places): variable for variable, places in chosen.items()}
    rows = {case: (words[values[by_places[places]]],) for case, (values, places) in cases.items()}
    table("filled", "grid", grid(rows, ("the value of `${NAME:-...}`",)))

    assert without == {v: strongest(("shell", "dotenv"), c, "default") for v, c in chosen.items()}
    assert with_flag == {v: strongest(("shell", "flag"), c, "default") for v, c in chosen.items()}


def test_several_env_files(project):
    """Of several --env-file the last one goes first, and .env is read along with them if it is named like them."""
    (project.folder / "more.env").write_text("MODE=more\n")
    shown = []
    for files in (("production.env", "more.env"), ("more.env", "production.env"), ("more.env", ".env")):
        options = [word for file in files for word in ("--env-file", str(project.folder / file))]
        shown.append(services(project, *options)["app"]["environment"]["MODE"])

    assert shown == ["more", "production", "development"]


def test_what_the_container_gets(project, docker, name, table):
    """In a container run --env goes before environment, that before env_file, its last file first, and ENV is last."""
    places = ("run", "environment", "second", "first", "ENV")
    chosen = subsets(places)
    folder = project.folder
    for file in ("first", "second"):
        (folder / f"{file}.env").write_text(lines(chosen, file))
    built = f"FROM debian:trixie-slim\nENV A=b {lines(chosen, 'ENV')}".rstrip().replace("\nV", " V")
    docker("build", "--tag", name("env"), "-", input=built, timeout=300)
    app = {
        "image": name("env"),
        "env_file": ["first.env", "second.env"],
        "environment": {variable: "environment" for variable, where in chosen.items() if "environment" in where},
        "command": ["env"],
    }
    file = write(folder, "container.yaml", services={"app": app})
    options = [word for variable, where in chosen.items() if "run" in where for word in ("--env", f"{variable}=run")]
    said = project(*file, "run", "--rm", *options, "app").stdout
    got = dict(line.split("=", 1) for line in said.splitlines() if line.startswith("V"))
    by_places = {tuple(where): variable for variable, where in chosen.items()}
    words = {
        "run": "`docker compose run --env`",
        "environment": "`environment:`",
        "second": "the second file",
        "first": "`env_file:`",
        "ENV": "`ENV` of the image",
    }
    cases = {
        "`docker compose run --env` and `environment:`": ("run", "environment"),
        "`environment:` and `env_file:`": ("environment", "second"),
        "two files of `env_file:`": ("second", "first"),
        "`env_file:` and `ENV` of the image": ("first", "ENV"),
        "`ENV` of the image alone": ("ENV",),
    }
    rows = {case: (words[got[by_places[where]]],) for case, where in cases.items()}
    table("container", "grid", grid(rows, ("the container has the value of",)))

    assert got == {v: strongest(places, where, None) for v, where in chosen.items() if where}


def test_passed_on(project):
    """A name without a value under environment is passed on from the shell or .env, and left out if neither has it."""
    file = write(
        project.folder,
        "passed.yaml",
        services={
            "app": {"image": "debian:trixie-slim", "environment": {"MODE": None, "REGION": None}, "command": ["env"]}
        },
    )
    from_file = project(*file, "run", "--rm", "app").stdout.splitlines()
    from_shell = project(*file, "run", "--rm", "app", shell={"MODE": "mine", "REGION": "here"}).stdout.splitlines()

    assert "MODE=development" in from_file
    assert not any(line.startswith("REGION") for line in from_file)
    assert {"MODE=mine", "REGION=here"} <= set(from_shell)


def test_the_example(project):
    """MODE comes from .env through environment, and GREETING from app.env, although the image has another one."""
    project("build")
    said = project("run", "--rm", "app", "printenv", "MODE", "GREETING").stdout

    assert said == "development\ngood morning\n"


# What is missing, and what is a dollar.


def test_env_file_does_not_fill_in(project):
    """What only env_file has is not set for ${...}: Compose warns, puts nothing in its place, and goes on."""
    file = ["--file", str(project.folder / "compose.unset.yaml")]
    warned = project(*file, "run", "--rm", "app")
    inside = project(*file, "run", "--rm", "app", "printenv", "GREETING").stdout
    mended = project("--env-file", str(project.folder / "app.env"), *file, "run", "--rm", "app")

    assert (warned.stdout, inside) == (" to you\n", "good morning\n")
    assert r"The \"GREETING\" variable is not set. Defaulting to a blank string." in warned.stderr
    assert mended.stdout == "good morning to you\n"
    assert "not set" not in mended.stderr


def test_required(project):
    """With ${NAME:?words} Compose ends with those words and starts nothing when NAME is not set."""
    file = ["--file", str(project.folder / "compose.required.yaml")]
    failed = project(*file, "run", "--rm", "app", check=False)

    assert failed.returncode != 0
    assert "required variable REGION is missing a value: say where" in failed.stderr
    assert project(*file, "run", "--rm", "app", shell={"REGION": "here"}).stdout == "here\n"


def test_missing_env_file(project):
    """An env_file that does not exist is an error, unless it says required: false."""
    app = {"image": "debian:trixie-slim", "env_file": "none.env"}
    failed = project(*write(project.folder, "one.yaml", services={"app": app}), "config", check=False)
    app["env_file"] = [{"path": "none.env", "required": False}]
    passed = project(*write(project.folder, "two.yaml", services={"app": app}), "config", check=False)

    assert failed.returncode != 0
    assert "none.env not found" in failed.stderr
    assert passed.returncode == 0


def test_dollar(project):
    """In a Compose file $word is a variable, which is empty with a warning if it is not set; $$word is $word."""
    ran = project("--file", str(project.folder / "compose.dollar.yaml"), "run", "--rm", "app")

    assert ran.stdout == "pa\npa$word\n"
    assert r"The \"word\" variable is not set" in ran.stderr


def test_dollar_in_a_command(project):
    """In a command $$NAME is left to the shell in the container, and $NAME is filled in by Compose, from its own."""
    app = {"image": "debian:trixie-slim", "environment": {"PLACE": "container"}}
    app["command"] = ["sh", "-c", "echo $$PLACE $PLACE"]
    file = write(project.folder, "place.yaml", services={"app": app})

    assert services(project, *file)["app"]["command"][2] == "echo $$PLACE "
    (project.folder / ".env").write_text("PLACE=compose\n")
    assert project(*file, "run", "--rm", "app").stdout == "container compose\n"


def test_dollars_everywhere(project, docker, table):
    """In compose.yaml, .env, and env_file, $ starts a variable unless doubled, or single-quoted in an env file."""
    written = {"PLAIN": "pa$word", "DOUBLED": "pa$$word", "QUOTED": "'pa$word'"}
    folder = project.folder
    for name, begin in ((".env", "D_"), ("app.env", "E_"), ("run.env", "")):
        (folder / name).write_text("".join(f"{begin}{variable}={text}\n" for variable, text in written.items()))
    (folder / "dollars.yaml").write_text(
        "services:\n  app:\n    image: debian:trixie-slim\n"
        "    command: [env]\n    env_file: app.env\n    environment:\n"
        + "".join(
            f"      Y_{variable}: {text}\n      F_{variable}: $D_{variable}\n" for variable, text in written.items()
        )
    )
    said = project("--file", str(folder / "dollars.yaml"), "run", "--rm", "app").stdout
    said += docker("run", "--rm", "--env-file", str(folder / "run.env"), "debian:trixie-slim", "env").stdout
    got = dict(line.split("=", 1) for line in said.splitlines())
    places = {"`compose.yaml`": "Y_", "`env_file:`": "E_", "`.env`": "F_", "a file for `docker run --env-file`": ""}
    rows = {place: tuple(f"`{got[begin + variable]}`" for variable in written) for place, begin in places.items()}
    table("dollars", "grid", grid(rows, [f"`{text}`" for text in written.values()]))

    assert list(rows.values()) == [
        ("`pa`", "`pa$word`", "`pa`"),
        ("`pa`", "`pa$word`", "`pa$word`"),
        ("`pa`", "`pa$word`", "`pa$word`"),
        ("`pa$word`", "`pa$$word`", "`'pa$word'`"),
    ]


def test_quotes(project, docker):
    """Compose takes the quotes off a value in an env file and docker run leaves them on; so it is with comments."""
    (project.folder / "app.env").write_text('GREETING="good evening" # at night\n')
    app = {"image": "debian:trixie-slim", "env_file": "app.env", "command": ["printenv", "GREETING"]}
    quoted = write(project.folder, "quoted.yaml", services={"app": app})
    by_compose = project(*quoted, "run", "--rm", "app").stdout
    file = ["--env-file", str(project.folder / "app.env")]
    by_docker = docker("run", "--rm", *file, "debian:trixie-slim", "printenv", "GREETING").stdout

    assert by_compose == "good evening\n"
    assert by_docker == '"good evening" # at night\n'


def test_command_is_cut(project):
    """A command that is a string is split into words without a shell, and cut without a word at &&, ;, | or >."""
    file = ["--file", str(project.folder / "compose.command.yaml")]
    ran = project(*file, "run", "--rm", "cut")
    app = {"image": "debian:trixie-slim"}
    signs = {f"s{n}": {**app, "command": f"echo one {sign} two"} for n, sign in enumerate(("&&", ";", "|", ">"))}
    cut = services(project, *write(project.folder, "signs.yaml", services=signs))

    assert ran.stdout == "one\n"
    assert "level=" not in ran.stderr
    assert services(project, *file)["cut"]["command"] == ["echo", "one"]
    assert {tuple(each["command"]) for each in cut.values()} == {("echo", "one")}
    assert project(*file, "run", "--rm", "whole").stdout == "one\ntwo\n"


# A change, and which containers it is for.


def test_restart_or_up(project, docker):
    """After a change in .env docker compose restart has the old value; docker compose up makes a new container."""
    container = f"{project.name}-app-1"
    seen = []

    def look():
        key = docker("inspect", "--format", "{{.Id}}", container).stdout
        seen.append((project("exec", "--no-TTY", "app", "printenv", "MODE").stdout.strip(), key))

    project("up", "--detach", "app")
    look()
    (project.folder / ".env").write_text("MODE=staging\n")
    project("restart", "--timeout", "0")
    look()
    project("up", "--detach", "--timeout", "0", "app")
    look()

    assert [mode for mode, _ in seen] == ["development", "development", "staging"]
    assert seen[0][1] == seen[1][1] != seen[2][1]


def test_orphans(project, docker):
    """Of a service that was renamed the old container goes on running, as an orphan; --remove-orphans removes it."""
    old = f"{project.name}-app-1"
    project("up", "--detach", "app")
    file = project.folder / "compose.yaml"
    file.write_text(file.read_text().replace("  app:", "  api:"))
    warned = project("up", "--detach", "api")
    left = state(docker, old)
    project("up", "--detach", "--timeout", "0", "--remove-orphans", "api")
    until(lambda: not state(docker, old), "the removal of the orphan")

    assert re.search(rf"Found orphan containers \(\[?{old}\]?\)", warned.stderr)
    assert left == "running"
    assert state(docker, f"{project.name}-api-1") == "running"


def test_same_folder_name(project, docker):
    """Two folders of one name are one project for Compose, and the containers of the one are orphans to the other."""
    project("create", "app")
    twin = project.folder.parent / "twin" / project.folder.name
    twin.mkdir(parents=True)
    write(twin, "compose.yaml", services={"other": {"image": "debian:trixie-slim"}})
    warned = docker("compose", "--project-directory", str(twin), "create")

    assert re.search(rf"Found orphan containers \(\[?{project.name}-app-1\]?\)", warned.stderr)


def test_profiles(project):
    """A service with a profile is left out unless the profile is asked for."""
    assert project("config", "--services").stdout.split() == ["app"]
    assert sorted(project("--profile", "debug", "config", "--services").stdout.split()) == ["app", "debug"]


def test_settings_of_compose(project):
    """COMPOSE_PROFILES and COMPOSE_PROJECT_NAME in .env are settings of Compose itself."""
    (project.folder / ".env").write_text("COMPOSE_PROFILES=debug\nCOMPOSE_PROJECT_NAME=other-name\n")
    shown = json.loads(project("config", "--format", "json").stdout)

    assert sorted(shown["services"]) == ["app", "debug"]
    assert shown["name"] == "other-name"


def test_down_leaves_a_profile(project, docker):
    """Without its profile docker compose down leaves the container of such a service running, and ends with success."""
    container = f"{project.name}-debug-1"
    project("--profile", "debug", "up", "--detach")
    ended = project("down", "--timeout", "0", check=False).returncode
    left = state(docker, container)
    project("--profile", "debug", "down", "--timeout", "0")

    assert (ended, left) == (0, "running")
    assert state(docker, container) == ""


# Names of files.


def test_two_files(docker, folder, tmp_path):
    """With compose.yaml and docker-compose.yml in one folder Compose takes compose.yaml, and warns."""
    text = (folder / "compose.yaml").read_text()
    (tmp_path / "compose.yaml").write_text(text.replace("  app:", "  new:").replace("env_file: app.env", ""))
    (tmp_path / "docker-compose.yml").write_text(text.replace("  app:", "  old:").replace("env_file: app.env", ""))
    both = docker("compose", "--project-directory", str(tmp_path), "config", "--services")
    (tmp_path / "compose.yaml").unlink()
    one = docker("compose", "--project-directory", str(tmp_path), "config", "--services")

    assert both.stdout == "new\n"
    assert "Found multiple config files with supported names" in both.stderr
    assert one.stdout == "old\n"
    assert one.stderr == ""


def test_version_is_obsolete(project):
    """A line with version changes nothing, and Compose warns that it is obsolete."""
    plain = services(project)
    file = project.folder / "compose.yaml"
    file.write_text(f'version: "3.9"\n{file.read_text()}')
    warned = project("config", "--format", "json")

    assert "`version` is obsolete" in warned.stderr
    assert json.loads(warned.stdout)["services"] == plain


# Secrets.


def test_secret_file(project, docker):
    """A secret is a file under /run/secrets, and docker inspect shows its path and not its content."""
    project("up", "--detach", "app")
    read = project("exec", "--no-TTY", "app", "cat", "/run/secrets/password").stdout
    shown = docker("inspect", f"{project.name}-app-1").stdout

    assert read == PASSWORD
    assert "/run/secrets/password" in shown
    assert PASSWORD not in shown


def test_secret_mode(project):
    """A secret from a file keeps its owner and mode, even if the Compose file sets others; 0600 denies other users."""
    file = project.folder / "password.txt"
    app = {"build": ".", "secrets": [{"source": "password", "uid": "10001", "mode": "0444"}]}
    asked = write(project.folder, "mode.yaml", services={"app": app}, secrets={"password": {"file": "password.txt"}})
    project(*asked, "build")
    modes = {}
    for mode in (0o644, 0o600):
        file.chmod(mode)
        look = "stat --format='%u %a' /run/secrets/password; cat /run/secrets/password"
        read = project(*asked, "run", "--rm", "app", "sh", "-c", look, check=False)
        modes[read.stdout] = (read.returncode, "Permission denied" in read.stdout + read.stderr)

    owner = file.stat().st_uid
    assert modes == {f"{owner} 644\n{PASSWORD}": (0, False), f"{owner} 600\n": (1, True)}


def test_secret_from_a_variable(project, docker):
    """A secret from a variable of the shell is a file too, with the owner and mode it is given, and not in inspect."""
    file = ["--file", str(project.folder / "compose.variable.yaml")]
    shell = {"PASSWORD": "from-a-variable"}
    project(*file, "build", shell=shell)
    ran = project(*file, "run", "--name", f"{project.name}-run", "app", shell=shell).stdout
    shown = docker("inspect", f"{project.name}-run").stdout
    docker("rm", f"{project.name}-run")

    assert ran == "10001 400\nfrom-a-variable"
    assert "from-a-variable" not in shown


def test_env_is_in_inspect(project, docker):
    """A variable that comes from env_file is in docker inspect."""
    (project.folder / "app.env").write_text(f"TOKEN={PASSWORD}\n")
    project("create", "app")

    assert f"TOKEN={PASSWORD}" in docker("inspect", f"{project.name}-app-1").stdout
