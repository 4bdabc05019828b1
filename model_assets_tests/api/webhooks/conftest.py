"""A shop whose changes are sent, and who is sent them."""

from collections.abc import Iterator

import pytest

from model_assets_tests.api.conftest import Api, serving
from model_assets_tests.api.test_changes import free_for_all
from model_assets_tests.changes.receiver import Receiver
from model_assets_tests.changes.world import load
from model_assets_tests.conftest import copy_of


@pytest.fixture
def shop(server: str, template: str) -> Iterator[Api]:
    """`f` is for everybody, `a` for who pays; both changed their price on the second day."""
    with copy_of(server, template) as url:
        for number in range(2):
            usd = f"0.00000{10 + number}"
            load(url, number, {"a": usd, "f": usd}, published=number == 1)
        with serving(url, API_WEBHOOK_LOOPBACK="true") as api:
            free_for_all(api, "f")
            yield api


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver().up() as found:
        yield found
