"""Listing the resources on an engine, and reserving names there. No engine is needed."""

from __future__ import annotations

from types import SimpleNamespace

import docker.errors
import pytest

from drydock.engine import resources
from drydock.engine.client import Engine
from drydock.errors import ReplayError
from drydock.replay import reservations


class Client:
    """Says "not found" as often as it is told to, and then what images there are."""

    def __init__(self, failures: int) -> None:
        self.failures = failures
        self.asked: list[dict[str, object]] = []

    def images(self, filters: dict[str, object]) -> list[dict[str, str]]:
        """Answer."""
        self.asked.append(filters)
        if len(self.asked) <= self.failures:
            raise docker.errors.NotFound("content digest not found")
        return [{"Id": "one"}]


def test_an_image_that_goes_while_images_are_listed_is_no_error():
    """The engine is asked again when an image went away under the listing, and with the same filters."""
    client = Client(resources.LIST_TRIES - 1)

    assert resources.list_images(client, dangling=True) == [{"Id": "one"}]
    assert client.asked == [{"dangling": True}] * resources.LIST_TRIES


@pytest.mark.parametrize(
    ("product", "filters"), [("Docker", {"reference": ["hello", "hello-*", "hello_*"]}), ("Podman", {})]
)
def test_images_are_listed_by_name(monkeypatch, product, filters):
    """Docker lists the images of the examples only, which is fast; Podman would compare other names, and lists all."""
    asked = []
    rows = {"containers": lambda all: [], "networks": list, "volumes": lambda: {"Volumes": None}}
    monkeypatch.setattr(resources, "api_client", lambda engine: SimpleNamespace(**rows, close=lambda: None))
    monkeypatch.setattr(resources, "list_images", lambda client, **named: asked.append(named) or [])

    resources.list_resources(Engine({}, facts={"name": product}), resources.name_patterns(["hello"]))
    assert asked == [filters]


def test_an_engine_that_never_lists_its_images_is_reported():
    """After some tries the engine's own answer is raised."""
    with pytest.raises(docker.errors.NotFound):
        resources.list_images(Client(resources.LIST_TRIES))


@pytest.fixture(name="engine_with")
def _engine_with(monkeypatch):
    """An engine with these resources, which lists the names of what is removed, and counts how often it is asked."""

    def make(*names):
        there = [resources.Resource("volume", name, name) for name in names]
        looks = []

        def remove(engine, doomed):
            gone = list(doomed)
            there[:] = [resource for resource in there if resource not in gone]
            return []

        monkeypatch.setattr(resources, "list_resources", lambda *_: looks.append(list(there)) or list(there))
        monkeypatch.setattr(resources, "remove_resources", remove)
        return there, looks

    return make


def test_reserving_names_lists_the_engine_once(engine_with, tmp_path):
    """What a dead run left is removed, and so is the transcript's own: one listing at the start, one at the end."""
    there, looks = engine_with("hello-old", "other-data")
    (tmp_path / "hello.names").write_text("in use")

    with reservations.reserve_names(Engine({}), tmp_path, ["hello", "bye"]):
        assert [resource.name for resource in there] == ["other-data"]
        assert (tmp_path / "hello.names").read_text() == (tmp_path / "bye.names").read_text() == "in use"
        there.append(resources.Resource("volume", "bye-new", "bye-new"))
    assert [resource.name for resource in there] == ["other-data"]
    assert (tmp_path / "hello.names").read_text() == (tmp_path / "bye.names").read_text() == ""
    assert len(looks) == 2


def test_names_of_a_reader_are_not_reserved(engine_with, tmp_path):
    """A resource that no run left stays, and stops the run; the message has the command that removes it."""
    there, _ = engine_with("hello-old", "bye-mine")
    (tmp_path / "hello.names").write_text("in use")

    with (
        pytest.raises(ReplayError, match=r"  volume bye-mine\n.*\n  docker volume rm bye-mine"),
        reservations.reserve_names(Engine({}), tmp_path, ["hello", "bye"]),
    ):
        pytest.fail("the names are not free")
    assert [resource.name for resource in there] == ["bye-mine"]
