"""What is on an engine: how it is asked for; no engine."""

from __future__ import annotations

import docker.errors
import pytest

from drydock.engine import resources


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


def test_an_engine_that_never_lists_its_images_is_reported():
    """After some tries the engine's own answer is raised."""
    with pytest.raises(docker.errors.NotFound):
        resources.list_images(Client(resources.LIST_TRIES))
