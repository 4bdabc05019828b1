"""What the tests of fetching share: policies of little patience, and a fetch that has to fail."""

import pytest

from model_assets.errors import FetchFailed
from model_assets.fetching.http import Policy, fetch

QUICK = Policy(backoff_seconds=0.05, connect_timeout=1, read_timeout=0.5, body_deadline=1.5, total_deadline=10, allow_loopback=True)
ONCE = Policy(attempts=1, connect_timeout=1, read_timeout=0.5, body_deadline=1.5, total_deadline=10, allow_loopback=True)
MODELS = b'{"data": [{"id": "lab/small"}]}'


def failure(url: str, policy: Policy = ONCE, **options) -> FetchFailed:
    with pytest.raises(FetchFailed) as failed:
        fetch(url, policy=policy, **options)
    message = str(failed.value)
    assert "\n" not in message
    assert message.isascii()
    assert message.endswith(".")
    assert len(message) < 300
    return failed.value


def gaps(server) -> list[float]:
    return [later - sooner for sooner, later in zip(server.times, server.times[1:], strict=False)]
