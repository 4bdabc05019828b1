"""The key that a database keeps for itself, and what is made of it."""

import hmac
from functools import cache

from sqlalchemy import text

from model_assets.database import connect


@cache
def own_key(url: str) -> bytes:
    """The key of the database at `url`, which was made when it was migrated; read once."""
    with connect(url) as connection:
        return bytes(connection.execute(text("select key from ops.own_key")).scalar_one())


def pseudonym(url: str, user_id: str) -> str:
    """The same for the same user for ever, and nothing from which anybody could tell who it is: an id may be an address of e-mail."""
    return "user-" + hmac.digest(own_key(url), f"pseudonym {user_id}".encode("utf-8", "surrogatepass"), "sha256").hex()[:16]
