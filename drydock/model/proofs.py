"""Which claims a page proves: those whose tests run the files and commands that the page shows."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from drydock import store
from drydock.errors import MalformedError
from drydock.model.example import Example

#: The files that a build and Compose take unless other ones are named.
DOCKERFILE, COMPOSE_FILE = "Dockerfile", "compose.yaml"
#: Fixtures from which a test has the stack of :data:`COMPOSE_FILE`.
_STACK = {"docker_services", "docker_ip"}
_GROUPS = (
    "builder|buildx|compose|config|container|context|image|manifest|network|node|secret|service|swarm|system|volume"
)
#: Commands with which a test looks at a result, or removes it.
_LOOKS = {
    f"docker {name}" for name in ("exec", "inspect", "image inspect", "info", "logs", "port", "ps", "rm", "version")
}
_LOOKS |= {f"docker compose {name}" for name in ("config", "down", "exec", "logs", "ps")}
#: A command of Docker, its options in front of a subcommand left out.
_COMMAND = re.compile(rf"\bdocker (?:({_GROUPS}) (?:-\S+ )*)?([a-z][a-z-]*)")


@dataclass
class Use:
    """What a test runs, or what a page shows.

    :ivar files: paths in the example's folder.
    :ivar commands: such as ``docker run`` or ``docker compose up``, without options.
    """

    files: set[str] = field(default_factory=set)
    commands: set[str] = field(default_factory=set)

    def covers(self, test: Use) -> bool:
        """Return whether a page with this shows all files and commands of `test`, except for what only looks.

        Where a page shows no commands, the files decide; where a test uses no files, it needs a command that is shown.
        """
        typed = test.commands & self.commands or (test.files and not (test.commands and self.commands))
        return (
            bool(typed) and test.files <= self.files and (not self.commands or test.commands - _LOOKS <= self.commands)
        )


def command_use(example: Example, commands: Iterable[str]) -> Use:
    """Return what typed `commands` use: the files that they name, and those that Docker takes by default."""
    use = Use()
    for text in commands:
        names = {" ".join(filter(None, ("docker", *parts))) for parts in _COMMAND.findall(text)}
        files = _named_files(example, text)
        if names & {"docker build", "docker buildx build"} and not re.search(r"\s(-f|--file)\b", text):
            files.add(DOCKERFILE)
        if any(name.startswith("docker compose") for name in names):
            stack = {name for name in files if name.endswith(".yaml")} or {COMPOSE_FILE}
            files |= stack.union(*(_built_files(example, name) for name in stack))
        use.files |= files
        use.commands |= names
    return use


def test_uses(example: Example) -> dict[str, Use]:
    """Return what each test of `example` uses, with its fixtures and functions in the same file, by test.

    :raises MalformedError: the file of the tests isn't Python.
    """
    if not example.test.is_file():
        return {}
    place = f"tests/examples/{example.test.name}"
    try:
        text = store.read_text(example.test, place)
    except MalformedError:
        return {}  # reported where evidence is compared with the tests
    try:
        tree = ast.parse(text)
    except (SyntaxError, ValueError) as error:
        line = getattr(error, "lineno", None) or 0
        raise MalformedError(place, line, f"it isn't Python: {error}") from None
    parts: dict[str, ast.AST] = {}
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            parts[node.name] = node
        elif isinstance(node, ast.Assign):
            parts |= {target.id: node.value for target in node.targets if isinstance(target, ast.Name)}
    return {name: _test_use(example, name, parts) for name in parts if name.startswith("test_")}


def _test_use(example: Example, test: str, parts: dict[str, ast.AST]) -> Use:
    names = {test}
    nodes: list[ast.AST] = []
    waiting = [test]
    while waiting:
        part = parts.get(waiting.pop())
        below = list(ast.walk(part)) if part else []
        nodes += below
        new = {name for node in below if (name := _name_of(node))} - names
        names |= new
        waiting += new
    words = [node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)]
    use = Use(set().union(*(_named_files(example, word) for word in words if "\n" not in word and " " not in word)))
    calls = [node for node in nodes if isinstance(node, ast.Call)]
    if any(_name_of(call.func) == "build" and not call.args for call in calls):
        use.files.add(DOCKERFILE)
    if ("compose" in words or names & _STACK) and not any(name.endswith(".yaml") for name in use.files):
        use.files.add(COMPOSE_FILE)
    own = [node for node in ast.walk(parts[test]) if isinstance(node, ast.Call)]
    use.commands = {command for call in own for command in _called_commands(call)}
    return use


def _name_of(node: ast.AST) -> str:
    if isinstance(node, ast.Name):
        return node.id
    return node.arg if isinstance(node, ast.arg) else ""


def _called_commands(call: ast.Call) -> Iterator[str]:
    """Yield the command of a call such as ``docker("run", "--rm", image)`` or ``compose("up")``."""
    tool = _name_of(call.func)
    words = [word.value for word in call.args if isinstance(word, ast.Constant) and isinstance(word.value, str)]
    typed = " ".join((*{"docker": ["docker"], "compose": ["docker", "compose"]}.get(tool, []), *words))
    for parts in _COMMAND.findall(typed):
        yield " ".join(filter(None, ("docker", *parts)))


def _named_files(example: Example, text: str) -> set[str]:
    words = {word.removeprefix("./") for word in re.split(r"[\s=\"';:]+", text)}
    return words.intersection(example.files)


def _built_files(example: Example, compose_file: str) -> set[str]:
    """Return the Dockerfiles that a Compose file names, and the default one if it builds anything."""
    text = example.read(compose_file)
    return {DOCKERFILE for _ in re.findall(r"^\s+build:", text, re.MULTILINE)[:1]} | set(
        re.findall(r"^\s+dockerfile: *(\S+)", text, re.MULTILINE)
    ).intersection(example.files)
