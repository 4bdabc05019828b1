from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from model_assets.access.policy import store_policy
from model_assets_tests.access.world import OPEN


@pytest.fixture
def ledger(database: Engine) -> Iterator[Connection]:
    """A connection in a transaction that is taken back at the end, with the open policy."""
    with database.connect() as connection:
        store_policy(connection, OPEN)
        yield connection
        connection.rollback()
