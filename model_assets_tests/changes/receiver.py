"""A subscriber on loopback: a real HTTP server that verifies what it is sent by code of its own, and can be broken or silent."""

import base64
import hashlib
import hmac
from email.message import Message

from model_assets_tests.posted_to import PostedTo


class Receiver(PostedTo):
    """A subscriber. `statuses` are answered first, one after the other; only what is genuine and answered with 2xx is kept."""

    def __init__(self) -> None:
        super().__init__()
        self.secret = ""
        self.statuses: list[int] = []
        self.headers: dict[str, str] = {}
        self.forged = 0

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hook?key=its-own-secret"

    @property
    def ids(self) -> list[str]:
        """The ids of all messages that came, answered well or not."""
        return [head["webhook-id"] for head in self.heads]

    @property
    def changes(self) -> list[str]:
        """The ids of all changes that arrived, in their order."""
        return [change["id"] for message in self.messages for change in message["data"]["changes"]]

    def takes(self, headers: Message, body: bytes) -> tuple[int, dict[str, str]]:
        """A message is taken that is genuine and is not answered with a failure."""
        status = self.statuses.pop(0) if self.statuses else 204
        if not self.genuine(headers, body):
            self.forged += 1
        elif status < 300:
            super().takes(headers, body)
        return status, self.headers

    def genuine(self, headers: Message, body: bytes) -> bool:
        """Verification as Standard Webhooks describes it."""
        key = base64.b64decode(self.secret.removeprefix("whsec_"))
        content = b".".join([headers["webhook-id"].encode(), headers["webhook-timestamp"].encode(), body])
        mac = hmac.new(key, content, hashlib.sha256).digest()
        wanted = "v1," + base64.b64encode(mac).decode()
        return any(hmac.compare_digest(one, wanted) for one in headers["webhook-signature"].split(" "))
