"""Reading a URL, politely and with suspicion: the exact bytes come back, or a `FetchFailed` that says in a line what went wrong.

Politely      few tries, further and further apart, and never sooner than a server asks; nothing is asked for twice if it has not changed
Suspiciously  one deadline over a whole response, however slowly it drips; a limit on what a body inflates to; a gzip that has an end;
              no address inside a private network, and the address that was checked is the one connected to
Proxies       are not used, whatever the environment says: a proxy would look the name up again, behind the check
Authorities   those of certifi, or of SSL_CERT_FILE and SSL_CERT_DIR

It speaks through httpcore, the layer under httpx, because only there can one choose the address and bound every single wait: httpx has no
deadline for a response, and its read timeout starts anew with every byte. A connection serves one try and is closed. `network.py` is what
httpcore connects with.
"""

import datetime as dt
import email.utils
import importlib.metadata
import random
import re
import ssl
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import httpcore
import httpx

from model_assets.errors import FetchFailed
from model_assets.fetching.network import CheckedNetwork, Trouble, disguised

RETRIED_STATUSES = {429, 500, 502, 503, 504}
REDIRECTS = {301, 302, 303, 307, 308}
MAX_REDIRECTS = 3
LONGEST_WAIT = 86_400.0  # seconds that a server is believed to ask for
KEPT_HEADERS = (
    "age", "cache-control", "content-encoding", "content-length", "content-type", "date", "etag", "last-modified", "link", "retry-after",
)  # fmt: skip


@dataclass(frozen=True)
class Policy:
    """How patient and how trusting a fetch is. Times in seconds."""

    attempts: int = 3
    backoff_seconds: float = 1.0
    connect_timeout: float = 10
    read_timeout: float = 20
    body_deadline: float = 60
    total_deadline: float = 120
    max_body_bytes: int = 32 * 1024 * 1024
    max_retry_after: float = 60
    allow_loopback: bool = False
    """Only tests set it: lets http and https reach this machine itself."""


@dataclass(frozen=True)
class Response:
    """A whole body, as it is after inflating. `headers` are the few worth keeping, in lower case; `attempts` counts requests sent."""

    body: bytes
    status: int
    headers: dict[str, str]
    url: str
    fetched_at: dt.datetime
    attempts: int


@dataclass(frozen=True)
class NotModified:
    """What was fetched before is what the source still serves. Only a fetch with a validator can return it."""

    headers: dict[str, str]
    url: str
    fetched_at: dt.datetime
    attempts: int


PATIENT = Policy()


def fetch(
    url: str,
    *,
    etag: str | None = None,
    last_modified: str | None = None,
    policy: Policy = PATIENT,
    headers: Mapping[str, str] | None = None,
    accept: str = "application/json",
) -> Response | NotModified:
    """The body behind `url`; or `NotModified` if a validator (`etag`, `last_modified`) was given and still holds."""
    started = time.monotonic()
    give_up = started + policy.total_deadline
    place = "the URL"
    allowed, attempt, wait = policy.attempts, 0, 0.0
    try:
        target = checked_url(url, policy)
        place = _place(target)
        asked = _request_headers(accept, headers or {}, etag, last_modified)
        while True:
            attempt += 1
            try:
                answer = _one_try(target, asked, policy, min(give_up, time.monotonic() + policy.body_deadline))
                if answer.status != 304:
                    return replace(answer, attempts=attempt)
                if asked.keys() & {"if-none-match", "if-modified-since"}:
                    return NotModified(answer.headers, answer.url, answer.fetched_at, attempt)
                if "cache-control" in asked:
                    raise Trouble("answered 304 twice, though nothing was said of an earlier copy", "protocol")
                asked["cache-control"] = "no-cache"
                allowed, wait = allowed + 1, 0.0
            except Trouble as trouble:
                wait = _pause(trouble, attempt, allowed, policy, give_up - time.monotonic())
            time.sleep(wait)
    except Trouble as trouble:
        tried = f"; tried {attempt} times in {time.monotonic() - started:.1f} s" if attempt > 1 else ""
        message = f"{place} {trouble.said}{tried}. {trouble.remedy or _REMEDIES[trouble.kind]}"
        # `from None`: what lies below may quote a request header, and a secret with it.
        raise FetchFailed(message, trouble.kind, trouble.wait) from None


_REMEDIES = {
    "timeout": "Try again later.",
    "throttled": "Try again later.",
    "refused": "Try again later; if it stays so, check the URL.",
    "dns": "Check the name and this machine's DNS.",
    "tls": "Check the certificate, this machine's clock, and SSL_CERT_FILE.",
    "status": "Check the URL.",
    "redirect": "See where it leads; if that is right, put the new address into the source.",
    "encoding": "Look at what the URL serves; only plain bodies and one layer of gzip are read.",
    "too_large": "Look at what the URL serves; if it is right, raise max_body_bytes.",
    "cut": "Try again later.",
    "protocol": "Check that the URL leads to a web server.",
    "forbidden_address": "Use an https URL of a public host.",
}


# --- when to try again ------------------------------------------------------------------------------------------------------------------


def _pause(trouble: Trouble, attempt: int, allowed: int, policy: Policy, left: float) -> float:
    """Seconds until the next try; raises the trouble if there is to be none."""
    if not trouble.again:
        raise trouble
    if trouble.wait is not None and trouble.wait > min(policy.max_retry_after, left):
        raise Trouble(f"{trouble.said} and asked for {trouble.wait:.6g} s of patience, which is too long", "throttled", wait=trouble.wait)
    # Full jitter: many clients that failed together must not come back together.
    backoff = random.uniform(0, policy.backoff_seconds * 2 ** (attempt - 1))  # noqa: S311
    wait = backoff if trouble.wait is None else trouble.wait
    if attempt >= allowed or wait >= left:
        raise trouble
    return wait


def retry_after(value: str | None) -> float | None:
    """Seconds to wait, of an enormous time a day; None where a server says nothing that makes sense."""
    if value is None:
        return None
    if re.fullmatch(r"[0-9]+", value):
        return min(float(value), LONGEST_WAIT) or None
    try:
        when = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError, IndexError, OverflowError):
        return None
    seconds = (when.replace(tzinfo=when.tzinfo or dt.UTC) - dt.datetime.now(dt.UTC)).total_seconds()
    return min(seconds, LONGEST_WAIT) if seconds > 0 else None


def _window_left(value: str | None) -> float | None:
    """Seconds until a rate limit counts anew, from the header `RateLimit: "api";r=0;t=55` (draft-ietf-httpapi-ratelimit-headers), which Hugging
    Face sends in place of Retry-After."""
    found = re.search(r";\s*r=0;\s*t=([0-9]{1,9})(?![0-9])", value or "")
    return float(found[1]) or None if found else None


# --- one try ----------------------------------------------------------------------------------------------------------------------------


def _one_try(url: httpx.URL, headers: dict[str, str], policy: Policy, until: float) -> Response:
    """The answer to one request and the redirects after it; all of it ends at `until`."""
    network = CheckedNetwork(until, plain=url.scheme == "http", allow_loopback=policy.allow_loopback)
    timeouts = {"connect": policy.connect_timeout, "read": policy.read_timeout, "write": policy.read_timeout, "pool": None}
    with httpcore.ConnectionPool(ssl_context=authorities() if url.scheme == "https" else None, network_backend=network) as pool:
        for _ in range(MAX_REDIRECTS + 1):
            sent = [("host", url.netloc.decode("ascii")), *headers.items()]
            target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
            try:
                with pool.stream("GET", target, headers=sent, extensions={"timeout": timeouts}) as answer:
                    if answer.status not in REDIRECTS:
                        return _read(answer, url, policy)
                    url = _next(url, headers_of(answer).get("location"), policy)
            except (httpcore.RemoteProtocolError, httpcore.LocalProtocolError):
                if network.ended:
                    raise Trouble("hung up before it had answered", "cut", again=True) from None
                raise Trouble("did not answer in HTTP", "protocol") from None
    raise Trouble(f"redirected more than {MAX_REDIRECTS} times", "redirect")


def authorities() -> ssl.SSLContext:
    try:
        return httpx.create_ssl_context()
    except OSError:
        raise Trouble("was not asked: the certificate authorities of this machine cannot be read", "tls") from None


def _read(answer: httpcore.Response, url: httpx.URL, policy: Policy) -> Response:
    headers = headers_of(answer)
    if answer.status not in (200, 203, 304):
        raise _bad_status(answer.status, headers)
    body = b"" if answer.status == 304 else _body(answer, headers, policy.max_body_bytes)
    kept = {name: headers[name] for name in KEPT_HEADERS if name in headers}
    return Response(body, answer.status, kept, str(url), dt.datetime.now(dt.UTC).replace(microsecond=0), attempts=1)


def _bad_status(status: int, headers: dict[str, str]) -> Trouble:
    said = f"answered {status}"
    if status in RETRIED_STATUSES:
        wait = retry_after(headers.get("retry-after")) or _window_left(headers.get("ratelimit"))
        return Trouble(said, "throttled" if status == 429 else "status", again=True, wait=wait, remedy="Try again later.")
    if status == 206:
        return Trouble("answered 206, a part of what was asked for", "status")
    return Trouble(said, "status", remedy="Check the access token and the URL." if status in (401, 403) else "")


def headers_of(answer: httpcore.Response) -> dict[str, str]:
    """Names in lower case; what is sent in several lines is one list."""
    found: dict[str, str] = {}
    for raw_name, raw_value in answer.headers:
        name, value = raw_name.decode("ascii").lower(), raw_value.decode("latin-1")
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found


# --- the body ---------------------------------------------------------------------------------------------------------------------------


def _body(answer: httpcore.Response, headers: dict[str, str], limit: int) -> bytes:
    encoding, length = headers.get("content-encoding", "").strip().lower(), headers.get("content-length", "")
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise Trouble(f"sent a body encoded as {encoding[:40]!a}, which was not asked for", "encoding")
    if length.isdecimal() and float(length) > limit:
        raise Trouble(f"announced a body of {length[:20]} bytes; at most {limit:,} are read", "too_large")
    zipped = "gzip" in encoding
    chunks = _capped(_whole(answer), limit)
    body = _inflated(chunks, limit) if zipped else b"".join(chunks)
    if body.startswith(b"\x1f\x8b"):
        raise Trouble("sent gzip inside of gzip" if zipped else "sent gzip without saying so", "encoding")
    return body


def _whole(answer: httpcore.Response) -> Iterator[bytes]:
    try:
        yield from answer.iter_stream()
    except httpcore.RemoteProtocolError:  # fewer bytes than the content-length, or a chunk that is none
        raise Trouble("sent a body that was cut", "cut", again=True) from None


def _capped(chunks: Iterable[bytes], limit: int) -> Iterator[bytes]:
    received = 0
    for chunk in chunks:
        received += len(chunk)
        if received > limit:
            raise Trouble(f"sent more than {limit:,} bytes", "too_large")
        yield chunk


def _inflated(chunks: Iterable[bytes], limit: int) -> bytes:
    unzip, body = zlib.decompressobj(wbits=31), bytearray()
    for chunk in chunks:
        try:
            body += unzip.decompress(chunk, limit + 1 - len(body))
        except zlib.error:
            raise Trouble("sent a body that says it is gzip and is not, or is damaged", "encoding") from None
        if len(body) > limit:
            raise Trouble(f"sent a gzip of more than {limit:,} bytes", "too_large")
        if unzip.unused_data:
            raise Trouble("sent a gzip with something after its end", "encoding")
    if not unzip.eof:
        raise Trouble("sent a gzip without an end", "cut", again=True)
    return bytes(body)


# --- what is asked, and of whom ---------------------------------------------------------------------------------------------------------


def _request_headers(accept: str, extra: Mapping[str, str], etag: str | None, last_modified: str | None) -> dict[str, str]:
    wanted = {
        "accept": accept,
        "user-agent": f"model-assets/{own_version()}",
        **{name.lower(): value for name, value in extra.items()},
        "accept-encoding": "gzip",
    }
    for name, value in wanted.items():
        if not re.fullmatch(r"[a-z0-9!#$%&'*+.^_`|~-]+", name) or not _sendable(value):
            said = f"was not asked: the header {name[:40]!a} has characters that no header may have"
            raise Trouble(said, "protocol", remedy="Mend that header.")
    validators = {"if-none-match": etag, "if-modified-since": last_modified}
    return wanted | {name: value for name, value in validators.items() if value and _sendable(value)}


def _sendable(value: str) -> bool:
    return re.fullmatch(r"[\x21-\x7e]([\x20-\x7e\t]*[\x21-\x7e])?", value) is not None


def own_version() -> str:
    try:
        return importlib.metadata.version("model-assets")
    except importlib.metadata.PackageNotFoundError:  # run from a checkout that was never installed
        return "0"


def checked_url(url: str | httpx.URL, policy: Policy) -> httpx.URL:
    """A URL whose scheme and host are what they look like. What its name leads to is checked when connecting."""
    try:
        found = httpx.URL(url)
    except (httpx.InvalidURL, UnicodeError):
        raise Trouble("cannot be read as one", "forbidden_address") from None
    host = found.raw_host.decode("ascii")
    if found.scheme not in ("https", "http") or (found.scheme == "http" and not policy.allow_loopback):
        raise Trouble(f"begins with {found.scheme[:20]!a}", "forbidden_address")
    if not host or found.userinfo:
        raise Trouble("has no host, or a password in it", "forbidden_address")
    if found.port is not None and not 0 < found.port < 65_536:
        raise Trouble(f"has no port {found.port}", "forbidden_address")
    if disguised(host):
        raise Trouble(f"has the host {host[:60]!a}, an address in disguise", "forbidden_address")
    return found


def _place(url: httpx.URL) -> str:
    """Host and path: a query can hold a key."""
    port = f":{url.port}" if url.port else ""
    return ascii(f"{url.host}{port}{url.path.rstrip('/')}"[:150])[1:-1]


def _next(url: httpx.URL, location: str | None, policy: Policy) -> httpx.URL:
    if not location:
        raise Trouble("redirected, but not where to", "redirect")
    try:
        target = checked_url(url.join(location), policy)
    except (httpx.InvalidURL, UnicodeError, Trouble):
        raise Trouble("redirected to a URL that is none, or not one to follow", "redirect") from None
    if (target.scheme, target.raw_host, target.port) != (url.scheme, url.raw_host, url.port):
        raise Trouble(f"redirected to {target.scheme}://{target.netloc.decode('ascii')[:80]}; only the same host is followed", "redirect")
    return target
