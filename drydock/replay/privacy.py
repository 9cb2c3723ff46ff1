"""What a record must not hold: the host's names, addresses, and paths get stand-ins, and secrets are refused."""

from __future__ import annotations

import getpass
import os
import re
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

from drydock import ROOT, host
from drydock.model.example import Example

#: The reader's home folder, the checkout, and the host, as records show them.
HOME, CHECKOUT, HOST, USER = "/home/you", "/home/you/drydock", "your-host", "you"
#: The folder in which Docker keeps its data by default.
DATA = "/var/lib/docker"
#: An address for documentation (RFC 5737).
ADDRESS = "192.0.2.10"
#: Names that tell nothing about the host, and that containers use as well.
_COMMON_NAMES = ("root", "localhost", "")
_SECRET_NAME = re.compile(r"secret|token|passw|credential|api_?key|private_?key|\.key$|\.pem$|^id_", re.IGNORECASE)
_ASSIGNMENT = re.compile(r"^\s*([\w.-]+)=(.*)$", re.MULTILINE)
#: Hosts of package indexes and mirrors, which are settings of the host or of a proxy.
_MIRROR = (re.compile(r"(https?://)[\w.-]+(?=/(?:debian|simple|packages)\b)"), r"\1mirror.example")
#: Shorter values could be any word.
_SHORTEST_SECRET = 8
_JOIN_TOKEN = (re.compile(r"\bSWMTKN-1-[\w-]+"), "SWMTKN-1-example")


def find_private(example: Example, scratch: Path) -> Callable[[str], str]:
    """Return a function that puts stand-ins into text which a step of `example` printed.

    It raises ValueError if the text holds a secret.

    :param scratch: the folder with the copy of the example, and the home folder.
    """
    stand_ins = [_JOIN_TOKEN, _MIRROR, *_stand_ins(example, scratch)]
    secrets = {value: name for name, value in _secrets(example) if len(value) >= _SHORTEST_SECRET}

    def clean_text(text: str) -> str:
        for private, stand_in in stand_ins:
            text = private.sub(stand_in, text)
        for secret, name in secrets.items():
            if secret in text:
                raise ValueError(f"it prints the value of {name}; write that out in the transcript, or don't print it")
        return text

    return clean_text


def _stand_ins(example: Example, scratch: Path) -> Iterator[tuple[re.Pattern[str], str]]:
    # The data of a private engine: where other engines have theirs.
    yield re.compile(rf"{re.escape(str(host.cache_folder() / 'engine'))}/data-[\w.-]+"), DATA
    paths = {scratch / example.slug: f"{HOME}/{example.slug}", scratch / "home": HOME, scratch: HOME, ROOT: CHECKOUT}
    paths |= {Path.home(): HOME} if Path.home().name not in _COMMON_NAMES else {}
    for path, stand_in in paths.items():
        for text in {str(path), str(path.resolve())}:
            yield re.compile(rf"{re.escape(text)}(?![\w-])"), stand_in
    words = {socket.gethostname(): HOST, _user(): USER, _address(): ADDRESS}
    for word, stand_in in words.items():
        if word not in _COMMON_NAMES:
            yield re.compile(rf"(?<![\w.-]){re.escape(word)}(?![\w-])"), stand_in


def _user() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a user without a name
        return ""


def _address() -> str:
    """Return the host's address in its network, "" without one. Nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((ADDRESS, 9))
        except OSError:
            return ""
        return str(probe.getsockname()[0])


def _secrets(example: Example) -> Iterator[tuple[str, str]]:
    """Yield names and values: of files and variables of the example, and of variables of this process."""
    for name in example.files:
        path = example.root / name
        if _SECRET_NAME.search(path.name) and path.suffix in ("", ".txt", ".key", ".pem"):
            yield name, example.read(name).strip()
        if path.suffix == ".env":
            yield from _assignments(name, example.read(name))
    yield from ((name, value) for name, value in os.environ.items() if _SECRET_NAME.search(name))


def _assignments(file: str, text: str) -> Iterator[tuple[str, str]]:
    yield from (
        (f"{name} in {file}", value.strip("\"' "))
        for name, value in _ASSIGNMENT.findall(text)
        if _SECRET_NAME.search(name)
    )
