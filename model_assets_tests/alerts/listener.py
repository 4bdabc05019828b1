"""A channel on loopback: a real HTTP server that keeps what it is sent, and can be down, broken or silent."""

from collections.abc import Iterator
from contextlib import contextmanager
from email.message import Message

from model_assets.alerts.channels import Channel
from model_assets_tests.posted_to import PostedTo


class Listener(PostedTo):
    """A channel. `status` is what it answers, `raw` the bytes of what it took, `location` where it sends on to."""

    def __init__(self) -> None:
        super().__init__()
        self.raw: list[bytes] = []
        self.status = 200
        self.location: str | None = None

    @property
    def url(self) -> str:
        return f"json://127.0.0.1:{self.port}/hook"

    @property
    def channel(self) -> Channel:
        return Channel(self.url, "ALERT_URLS")

    @property
    def titles(self) -> list[str]:
        return [one["title"].removeprefix("Model Assets: ") for one in self.messages]

    def takes(self, headers: Message, body: bytes) -> tuple[int, dict[str, str]]:
        """A message is taken while the status is 200."""
        status = self.status
        if status == 200:
            self.raw.append(body)
            super().takes(headers, body)
        return status, {"Location": self.location} if self.location else {}


@contextmanager
def listening() -> Iterator[Listener]:
    with Listener().up() as found:
        yield found
