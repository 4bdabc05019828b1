"""Sends one message to one address, as a process of its own: whoever started it can end it, however a server behaves.

Reads JSON from stdin (url, title, body, severity, seconds), and writes JSON to stdout: error, null where the message arrived.
Run as a file: it imports nothing of the project, so that it starts in a fraction of a second.
"""

import json
import os
import re
import sys
from typing import Any

import apprise

SEVERITY = {"error": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING, "info": apprise.NotifyType.INFO}
#: services that read Markdown in what they are given as plain text
ALWAYS_MARKDOWN = {"discord", "mmost", "mmosts", "zulip", "guilded"}


def in_markdown(words: str) -> str:
    """Plain words so that Markdown shows them as they are; the links in them, which are ours, stay links."""
    return re.sub(r"(https?://\S+)|([\\`*_~|<>\[\]()#])", lambda found: found[1] or "\\" + found[2], words)


def send(url: str, title: str, body: str, severity: str, seconds: float) -> str | None:
    """Why the message did not arrive; null where it did."""
    apprise.URLBase.socket_connect_timeout = apprise.URLBase.socket_read_timeout = seconds
    ours = apprise.AppriseAsset(
        # nothing but our words: no pictures and no addresses of others, no redirect to another host, no files of its own
        app_id="Model Assets", app_desc="Model Assets", app_url="", image_url_mask="", image_url_logo="", image_path_mask="",
        http_redirects=False, async_mode=False, storage_mode=apprise.PersistentStoreMode.MEMORY, service_timeout=seconds,
        interpret_escapes=False, interpret_emojis=False,
    )  # fmt: skip
    service = apprise.Apprise.instantiate(url, asset=ours)
    if service is None:
        return "this is no address that is known (https://appriseit.com/services lists them)"
    channel = apprise.Apprise(service, asset=ours)
    # the words are plain text: HTML and what Slack reads are escaped by the service, Markdown here, where our links can stay links
    words_are = service.resolve_format(apprise.NotifyFormat.TEXT)
    markdown = words_are == apprise.NotifyFormat.MARKDOWN or bool(ALWAYS_MARKDOWN & set(service.schemas()))
    result = channel.notify(
        in_markdown(body) if markdown else body,
        in_markdown(title) if markdown and (service.title_maxlen <= 0 or words_are == apprise.NotifyFormat.TEXT) else title,
        notify_type=SEVERITY[severity],
        body_format=words_are if markdown else apprise.NotifyFormat.TEXT,
        timeout=seconds,
    )
    if result:
        return None
    said = " ".join(entry.message for entry in result.logs())
    return said or f"no answer within {seconds:.0f} seconds"


if __name__ == "__main__":
    asked: dict[str, Any] = json.load(sys.stdin)
    json.dump({"error": send(**asked)}, sys.stdout)
    sys.stdout.flush()
    os._exit(0)  # not waiting for a thread that still waits for a server
