"""Signing what is sent, by the convention of Standard Webhooks (standardwebhooks.com): so its libraries verify it as they are."""

import base64
import hmac
import secrets
import uuid

PREFIX = "whsec_"


def new_secret() -> bytes:
    """A secret for a new subscriber."""
    return secrets.token_bytes(32)


def shown(secret: bytes) -> str:
    """The secret as its owner is told it, once."""
    return PREFIX + base64.b64encode(secret).decode("ascii")


def message_id(webhook: uuid.UUID, replays: int, after: int, until: int) -> str:
    """One id per message, the same however often it is tried, and another one when it is replayed: receivers leave out what they had."""
    return f"msg_{uuid.uuid5(webhook, f'{replays} {after} {until}').hex}"


def signed(secret: bytes, message: str, seconds: int, body: bytes) -> dict[str, str]:
    """The headers of a message sent at `seconds` (since 1970, UTC)."""
    words = f"{message}.{seconds}.".encode() + body
    signature = base64.b64encode(hmac.digest(secret, words, "sha256")).decode("ascii")
    return {"webhook-id": message, "webhook-timestamp": str(seconds), "webhook-signature": f"v1,{signature}"}
