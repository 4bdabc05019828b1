"""Where alerts go: the channels of the environment, and how one is named without the secrets in its address."""

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import quote, urlsplit

from model_assets.settings import Settings

#: services whose address has a host of its own; of all others what stands in its place may be a token
_WITH_HOST = re.compile("(json|xml|form|https?|mailto|mmost|rocket|gotify|ntfy|matrix|apprise|nctalk|zulip)s?")
#: the web hooks' own addresses, as their makers give them
_NATIVE = {
    "SLACK_WEBHOOK_URL": (r"https://hooks\.slack(-gov)?\.com/services/\S+", "https://hooks.slack.com/services/..."),
    "DISCORD_WEBHOOK": (r"https://discord(app)?\.com/api/webhooks/\S+", "https://discord.com/api/webhooks/..."),
}


@dataclass(frozen=True)
class Channel:
    """An address alerts are sent to, the variable it comes from, and why it cannot be used, where that is known beforehand."""

    url: str = field(repr=False)
    variable: str
    problem: str | None = None

    @property
    def id(self) -> str:
        """What the outbox knows the channel by: nobody gets from it to the address, nor to a short password in it by trying."""
        return _digest(self.url or self.variable)

    @property
    def shown(self) -> str:
        """The address as people may see it: its service, its host where it has one, and the first of `id`."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2] if _WITH_HOST.fullmatch(parts.scheme) else ""
        return f"{parts.scheme}://{host}/... ({self.variable}, {self.id[:6]})" if self.url else f"({self.variable})"


@lru_cache(maxsize=64)
def _digest(url: str) -> str:
    return hashlib.scrypt(url.encode("utf-8", "surrogateescape"), salt=b"model-assets alert channel", n=2**14, r=8, p=1).hex()[:16]


def channels(settings: Settings) -> list[Channel]:
    """The channels that the environment names, each once."""
    return list({one.id: one for one in _named(settings)}.values())


def _named(settings: Settings) -> Iterator[Channel]:
    # an address may have commas of its own: a new one begins where a scheme does
    for url in re.split(r"[\s,;]+(?=[A-Za-z][A-Za-z0-9+.-]*://)", settings.alert_urls.strip(" \n\t,;")):
        if url:
            yield Channel(url, "ALERT_URLS")
    for variable, url in (("SLACK_WEBHOOK_URL", settings.slack_webhook_url), ("DISCORD_WEBHOOK", settings.discord_webhook)):
        if url:
            pattern, expected = _NATIVE[variable]
            known = re.fullmatch(pattern, url)
            yield Channel(
                url, variable, None if known else f"{variable} does not begin with {expected}; name any other service in ALERT_URLS"
            )
    if settings.admin_notification_email:
        yield _mail(settings.admin_notification_email, settings.smtp_url)


def _mail(to: str, server: str) -> Channel:
    variable = "ADMIN_NOTIFICATION_EMAIL"
    found = re.fullmatch(r"(smtps?)://(?:([^/@]*)@)?([^/@?]+)/?(?:\?from=(\S+))?", server)
    if found is None:
        return Channel("", variable, "mail needs a server: set SMTP_URL to smtp://user:password@host:587?from=sender@host (or smtps://)")
    scheme, login, host, sender = found.groups()
    if not sender and "%40" not in (login or ""):
        return Channel("", variable, "SMTP_URL does not say who sends: add ?from=sender@host")
    sender = quote(sender, safe="") if sender else (login or "").partition(":")[0]
    mode = "&mode=ssl" if scheme == "smtps" else ""
    return Channel(
        f"mailto{'s' if login or mode else ''}://{login + '@' if login else ''}{host}?to={quote(to, safe='')}&from={sender}{mode}", variable
    )
