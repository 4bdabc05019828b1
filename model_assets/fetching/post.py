"""Posting a few bytes to an address that somebody else named: as careful about where it leads as fetching is, in one try, with one deadline.

No redirect is followed, and of the answer only the head is read: it says whether the bytes arrived.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass

import httpcore

from model_assets.errors import FetchFailed
from model_assets.fetching.http import Policy, authorities, checked_url, headers_of, own_version, retry_after
from model_assets.fetching.network import CheckedNetwork, Trouble, names_what_is_inside


@dataclass(frozen=True)
class Answer:
    """What a server said to a post: its status, and how many seconds it asked to wait (null: it did not)."""

    status: int
    retry_after: float | None


def check_address(url: str, *, allow_loopback: bool = False) -> None:
    """Raises FetchFailed where nothing would be posted to such an address: not https, a password in it, an address in disguise or of a private
    network. Where its name leads is checked with every post."""
    try:
        target = checked_url(url, Policy(allow_loopback=allow_loopback))
    except Trouble as trouble:
        raise FetchFailed(trouble.said, trouble.kind) from None
    host = target.raw_host.decode("ascii")
    if names_what_is_inside(host, plain=target.scheme == "http", allow_loopback=allow_loopback):
        raise FetchFailed(f"leads to {host[:60]}, which is no public host", "forbidden_address")


def post(url: str, body: bytes, headers: Mapping[str, str], *, seconds: float, allow_loopback: bool = False) -> Answer:
    """Post the bytes, once. All of it, from looking the name up to the answer's head, takes at most `seconds`.

    Raises FetchFailed where no answer came, or where the address is none of a public host (or, if `allow_loopback`, of this machine).
    """
    until = time.monotonic() + seconds
    try:
        target = checked_url(url, Policy(allow_loopback=allow_loopback))
        network = CheckedNetwork(until, plain=target.scheme == "http", allow_loopback=allow_loopback)
        sent = [
            ("host", target.netloc.decode("ascii")), ("user-agent", f"model-assets/{own_version()}"), ("content-length", str(len(body))),
            *headers.items(),
        ]  # fmt: skip
        timeouts = {"connect": seconds, "read": seconds, "write": seconds, "pool": None}
        address = httpcore.URL(scheme=target.raw_scheme, host=target.raw_host, port=target.port, target=target.raw_path)
        context = authorities() if target.scheme == "https" else None
        with (
            httpcore.ConnectionPool(ssl_context=context, network_backend=network) as pool,
            pool.stream("POST", address, headers=sent, content=body, extensions={"timeout": timeouts}) as answer,
        ):
            return Answer(answer.status, retry_after(headers_of(answer).get("retry-after")))
    except Trouble as trouble:
        raise FetchFailed(trouble.said, trouble.kind, trouble.wait) from None
    except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError):
        raise FetchFailed("did not answer in HTTP", "protocol") from None
