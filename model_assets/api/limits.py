"""How often somebody may ask. A bucket for each key: so many requests at once, and it fills again evenly over the seconds of its rate.

Two kinds of keys: users (by their tier's rate) and addresses (who sends no token; and credentials that were wrong, by `WRONG`). What is kept is
bounded: where there are too many keys, the one unused for longest is forgotten. Each process counts for itself.
"""

import ipaddress
import math
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import NamedTuple

from model_assets.settings import Network, Settings, TierRate

MOST_KEYS = 50_000
MOST_HOPS = 20
#: wrong tokens, keys and secrets from one address: stricter than the other rates, and there unless the settings give another or say `off`
WRONG = TierRate("wrong", 30, 60)


class Standing(NamedTuple):
    """How somebody stands: whether this request may go on, what is left, and the seconds until one more may and until all is as at first."""

    allowed: bool
    limit: int
    remaining: int
    retry_after: int
    reset: int

    def headers(self, now: float | None = None) -> dict[str, str]:
        """As headers: X-RateLimit-Reset in seconds since 1970; Retry-After, in seconds, only where the request may not go on."""
        reset_at = math.ceil(time.time() if now is None else now) + self.reset
        said = {
            "X-RateLimit-Limit": str(self.limit),
            "X-RateLimit-Remaining": str(self.remaining),
            "X-RateLimit-Reset": str(reset_at),
        }
        return said if self.allowed else {**said, "Retry-After": str(self.retry_after)}


class Limiter:
    """Buckets by key. `clock` counts seconds. Safe from several threads."""

    def __init__(self, most_keys: int = MOST_KEYS, clock: Callable[[], float] = time.monotonic) -> None:
        self.most_keys, self.clock = most_keys, clock
        self._lock = threading.Lock()
        self._full_at: OrderedDict[tuple[str, str], float] = OrderedDict()
        """When a bucket will be full again: that alone says how much is in it."""

    def take(self, key: str, rate: TierRate) -> Standing:
        """Take one from the bucket of `key`, if there is one."""
        return self._standing(key, rate, taken=1)

    def look(self, key: str, rate: TierRate) -> Standing:
        """How `key` stands, without taking anything: `allowed` says whether there is one to take."""
        return self._standing(key, rate, taken=0)

    def _standing(self, key: str, rate: TierRate, taken: int) -> Standing:
        each = rate.seconds / rate.requests
        with self._lock:
            now = self.clock()
            full_at = max(self._full_at.get((rate.tier, key), now), now)
            left = rate.requests - (full_at - now) / each
            allowed = left > 1 - 1e-9
            if allowed and taken:
                full_at, left = full_at + each, left - 1
            if full_at > now:  # also of one who may not go on: whoever keeps trying is not forgotten
                self._keep((rate.tier, key), full_at)
            wait = 0 if allowed else max(1, math.ceil((1 - left) * each - 1e-6))
            return Standing(allowed, rate.requests, max(0, math.floor(left + 1e-9)), wait, math.ceil(full_at - now))

    def _keep(self, key: tuple[str, str], full_at: float) -> None:
        self._full_at[key] = full_at
        self._full_at.move_to_end(key)
        while len(self._full_at) > self.most_keys:
            self._full_at.popitem(last=False)


class Limits:
    """The limits of the API, as the settings say."""

    def __init__(self, settings: Settings, clock: Callable[[], float] = time.monotonic) -> None:
        given = settings.api_rate_limits
        self.rates = {rate.tier: rate for rate in (WRONG, *given)} if given else {}
        self.trusted = settings.api_trusted_proxies
        self._asked, self._wrong = Limiter(clock=clock), Limiter(clock=clock)

    def ask(self, user_id: str | None, tier: str, address: str) -> Standing | None:
        """Count a request that makes the database work: the user's, or without one the address's. Null where there is no limit."""
        rate = self.rates.get("anonymous" if user_id is None else tier)
        return self._asked.take(bucket_of(address) if user_id is None else f"user {user_id}", rate) if rate else None

    def may_try(self, address: str) -> Standing | None:
        """Whether an address may show another token, key or secret: too many of its last ones were wrong, or not. Null where none is limited."""
        rate = self.rates.get("wrong")
        return self._wrong.look(bucket_of(address), rate) if rate else None

    def wrong(self, address: str) -> None:
        """Count a wrong token, key or secret."""
        if rate := self.rates.get("wrong"):
            self._wrong.take(bucket_of(address), rate)

    def address(self, peer: str | None, forwarded: Sequence[str]) -> str:
        """Who asks, by API_TRUSTED_PROXIES."""
        return client_address(peer, forwarded, self.trusted)


def client_address(peer: str | None, forwarded: Sequence[str], trusted: Sequence[Network]) -> str:
    """The nearest address that is no trusted proxy's. `forwarded`: the X-Forwarded-For headers in their order.

    What a proxy appends is on the right, and only a trusted one's word counts: what stands left of the first other address anybody can write."""
    found = peer or "unknown"
    hops = [hop for header in forwarded for hop in header[-2000:].split(",")][-MOST_HOPS:]
    while hops and _is_trusted(found, trusted):
        nearer = _address(hops.pop())
        if nearer is None:
            break
        found = str(nearer)
    return found


def bucket_of(address: str) -> str:
    """What shares a bucket: an IPv4 address; of IPv6 the /64, since one machine has all addresses in it."""
    found = _address(address)
    if isinstance(found, ipaddress.IPv6Address):
        return str(ipaddress.ip_network((int(found) >> 64 << 64, 64)))
    return str(found or address)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    found = _address(address)
    return found is not None and any(found in network for network in trusted)


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    """The address in `1.2.3.4`, `1.2.3.4:5678`, `2001:db8::1`, `[2001:db8::1]:443`; IPv4 within IPv6 is IPv4."""
    text = text.strip()
    if text.startswith("["):
        text = text[1:].partition("]")[0]
    elif text.count(":") == 1:
        text = text.partition(":")[0]
    try:
        found = ipaddress.ip_address(text.partition("%")[0])
    except ValueError:
        return None
    return (found.ipv4_mapped or found) if isinstance(found, ipaddress.IPv6Address) else found
