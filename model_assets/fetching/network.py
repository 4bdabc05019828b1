"""What a fetch connects with: only the address that was checked, only one that is public, and no wait that outlasts the deadline.

httpcore calls it for every connection, read and write; what fails below comes out as a `Trouble`, which says in a line what went wrong.
"""

import ipaddress
import queue
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterable
from typing import Any

import httpcore

_PUBLIC_IPV6 = ipaddress.IPv6Network("2000::/3")
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class Trouble(Exception):
    """A try that failed. `again`: another one may succeed; `wait`: the server asked for that many seconds."""

    def __init__(self, said: str, kind: str, *, again: bool = False, wait: float | None = None, remedy: str = "") -> None:
        super().__init__(said)
        self.said, self.kind, self.again, self.wait, self.remedy = said, kind, again, wait, remedy


class CheckedNetwork(httpcore.NetworkBackend):
    """Looks a name up once, refuses it if any of its addresses is not public, and connects to exactly the addresses it checked.

    TLS still verifies the name: httpcore hands it to `start_tls` itself. `until`: when all of it ends; `plain`: no TLS follows, which only
    this machine itself may ask for; `ended`: the other side hung up.
    """

    def __init__(self, until: float, *, plain: bool, allow_loopback: bool) -> None:
        self.until, self.ended = until, False
        self._plain, self._allow_loopback, self._sockets = plain, allow_loopback, httpcore.SyncBackend()

    def left(self, timeout: float | None) -> float:
        """Seconds that a single wait may take."""
        left = self.until - time.monotonic()
        if left <= 0:
            raise Trouble("was not done when its time was up", "timeout", again=True)
        return left if timeout is None else min(timeout, left)

    def late(self, what: str) -> Trouble:
        """A single wait that was too long; or the deadline, if it was that which cut the wait short."""
        return Trouble("was not done when its time was up" if time.monotonic() >= self.until else what, "timeout", again=True)

    def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[Any] | None = None,
    ) -> httpcore.NetworkStream:
        ends = time.monotonic() + self.left(timeout)
        addresses = self._addresses(host, port, self.left(timeout))
        failed = self.late("could not be connected to in time")
        for tried, address in enumerate(addresses):
            share = (ends - time.monotonic()) / (len(addresses) - tried)
            if share <= 0:
                break
            try:
                return _BoundedStream(self._sockets.connect_tcp(address, port, share, local_address, socket_options), self)
            except httpcore.ConnectTimeout:
                failed = self.late("did not answer the call: no connection in time")
            except httpcore.ConnectError as broken:
                reason = getattr(broken.__cause__, "strerror", None) or "no connection"
                failed = Trouble(f"could not be connected to at port {port} ({reason})", "refused", again=True)
        raise failed

    def _addresses(self, host: str, port: int, timeout: float) -> list[str]:
        addresses = _look_up(host, port, timeout)
        for address in addresses:
            here = self._allow_loopback and _within(address).is_loopback
            if not here and (self._plain or not _is_public(address)):
                raise Trouble(f"leads to {address}, where nothing may be fetched from", "forbidden_address")
        return addresses


class _BoundedStream(httpcore.NetworkStream):
    """A connection on which no wait outlasts the deadline, and whose failures say what they are."""

    def __init__(self, inner: httpcore.NetworkStream, network: CheckedNetwork) -> None:
        self._inner, self._network = inner, network

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        try:
            data = self._inner.read(max_bytes, self._network.left(timeout))
        except httpcore.ReadTimeout:
            raise self._network.late(f"fell silent for {timeout:g} s") from None
        except httpcore.ReadError:
            raise Trouble("broke the connection off", "cut", again=True) from None
        self._network.ended = not data
        return data

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        try:
            self._inner.write(buffer, self._network.left(timeout))
        except httpcore.WriteTimeout:
            raise self._network.late("did not take the request") from None

    def start_tls(
        self, ssl_context: ssl.SSLContext, server_hostname: str | None = None, timeout: float | None = None
    ) -> httpcore.NetworkStream:
        try:
            return _BoundedStream(self._inner.start_tls(ssl_context, server_hostname, self._network.left(timeout)), self._network)
        except httpcore.ConnectTimeout:
            raise self._network.late("did not shake hands for TLS in time") from None
        except httpcore.ConnectError as broken:
            cause = broken.__cause__
            reason = getattr(cause, "verify_message", None) or getattr(cause, "reason", None) or getattr(cause, "strerror", None) or cause
            raise Trouble(f"offered no TLS that can be trusted ({reason})", "tls", again=True) from None

    def close(self) -> None:
        self._inner.close()

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


# --- addresses --------------------------------------------------------------------------------------------------------------------------


def _look_up(host: str, port: int, timeout: float) -> list[str]:
    """Every address of a name, in the order to try them. In a thread: the C library's resolver knows no timeout."""
    answers: queue.SimpleQueue[list[str] | Exception] = queue.SimpleQueue()

    def ask() -> None:
        try:
            answers.put(list(dict.fromkeys(str(found[4][0]) for found in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))))
        except (OSError, UnicodeError) as failed:
            answers.put(failed)

    threading.Thread(target=ask, daemon=True, name=f"look up {host}").start()
    try:
        found = answers.get(timeout=timeout)
    except queue.Empty:
        raise Trouble("could not be looked up in time", "dns", again=True) from None
    if isinstance(found, Exception) or not found:
        raise Trouble(f"has no address ({getattr(found, 'strerror', None) or 'not a name'})", "dns", again=True)
    return found


def disguised(host: str) -> bool:
    """0x7f000001, 2130706433, 127.1, ::ffff:127.0.0.1: what the C library takes for an address and a reader may not."""
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return re.fullmatch(r"[0-9]+|0[xX][0-9a-fA-F]*", host.rstrip(".").rpartition(".")[2]) is not None
    return "%" in host or _within(host) != address


def names_what_is_inside(host: str, *, plain: bool, allow_loopback: bool) -> bool:
    """Whether a host says itself, without being looked up, that it is where nothing may be connected to; see CheckedNetwork."""
    if re.fullmatch(r"(.*\.)?localhost", host.rstrip("."), re.IGNORECASE):
        return not allow_loopback
    try:
        address = _within(host)
    except ValueError:
        return False  # a name
    here = allow_loopback and address.is_loopback
    return not here and (plain or not _is_public(host))


def _is_public(address: str) -> bool:
    within = _within(address)
    if within.version == 6 and within not in _PUBLIC_IPV6:
        return False
    return within.is_global and not (within.is_multicast or within.is_reserved)


def _within(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    """The address that is meant: an IPv4 address may hide in an IPv6 one (mapped, 6to4, NAT64)."""
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return found
    if found in _NAT64:
        return ipaddress.IPv4Address(found.packed[-4:])
    return found.ipv4_mapped or found.sixtofour or found
