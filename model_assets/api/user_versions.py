"""Versions that users add to a repository: what may be said of one, and how they are written."""

from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError

from model_assets.api.asking import rows, utc
from model_assets.api.callers import Caller
from model_assets.api.errors import Problem
from model_assets.api.own_key import pseudonym

MOST = 100  # of one user in one repository
MOST_PENDING = 200  # of one user in all repositories, that no admin has judged
MOST_SHOWN = 500  # of one repository, whoever added them
Status = Literal["unsupported", "pending", "supported"]
COLUMNS = f"version_id, version, changelog, url, sha256, status, user_id, {utc('created_at')} as created_at"
LOCK = text("select pg_advisory_xact_lock(hashtextextended('versions of ' || cast(:user_id as text), 0))")
NEWEST = f"""
select {COLUMNS} from (
    select * from access.user_version where hugging_face_id = :id order by status = 'supported' desc, version_id desc limit :most
) as user_version order by version_id
"""
ADDED = """
select count(*) filter (where hugging_face_id = :id) as here, count(*) filter (where status = 'pending') as pending
from access.user_version where user_id = :user_id
"""


def _printable(given: str) -> str:
    if any(not one.isprintable() and one not in "\n\t" for one in given):
        raise ValueError("holds a character that cannot be used")
    return given


def _https(given: str) -> str:
    """An address that a browser and an app read alike."""
    try:
        parts = urlsplit(given)
        port = parts.port
    except ValueError:
        raise ValueError("is no address") from None
    if (
        parts.scheme != "https"
        or not parts.hostname
        or parts.username is not None
        or "\\" in given
        or not given.isprintable()
        or " " in given
        or port == 0
    ):
        raise ValueError("is no https address without a user in it")
    return given


class NewVersion(BaseModel):
    """A version of a model's weights that a user knows of."""

    model_config = ConfigDict(extra="forbid")
    version: Annotated[str, Field(min_length=1, max_length=100, examples=["1.1-int4"]), AfterValidator(_printable)]
    changelog: Annotated[str, Field(max_length=10_000), AfterValidator(_printable)] | None = None
    url: Annotated[
        str,
        Field(
            min_length=9,
            max_length=2_000,
            pattern="^https://",
            description="where the file is; it is not looked at",
            examples=["https://files.test/m-int4.tflite"],
        ),
        AfterValidator(_https),
    ]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")] | None = Field(default=None, description="of the file, in hex")


class Judged(BaseModel):
    """What an admin says of a version."""

    model_config = ConfigDict(extra="forbid")
    status: Status


def of_repository(connection: Connection, hugging_face_id: str, caller: Caller, url: str) -> list[dict[str, Any]]:
    """What users added, oldest first: the newest MOST_SHOWN, and what is supported before what is not, so that nobody crowds it out.

    Who did is told to themselves and to admins; to others, by a name that says only who did the same."""
    found = rows(connection, NEWEST, {"id": hugging_face_id, "most": MOST_SHOWN})
    known = [caller.tier == "admin" or row["user_id"] == caller.user_id for row in found]
    return [row if knows else row | {"user_id": pseudonym(url, row["user_id"])} for row, knows in zip(found, known, strict=True)]


def add(connection: Connection, hugging_face_id: str, user_id: str, new: NewVersion) -> dict[str, Any]:
    """Add a version. Raises Problem (409) where the user has one of that name there, or too many."""
    bound = {"id": hugging_face_id, "user_id": user_id, **new.model_dump()}
    connection.execute(LOCK, bound)
    count = connection.execute(text(ADDED), bound).one()
    if count.here >= MOST:
        raise Problem(409, "TOO_MANY_VERSIONS", f"You have added {MOST} versions to this model. Delete one first.")
    if count.pending >= MOST_PENDING:
        said = f"{MOST_PENDING} versions that you added wait for an admin's word. Wait for it, or delete one first."
        raise Problem(409, "TOO_MANY_VERSIONS", said)
    try:
        return rows(
            connection,
            "insert into access.user_version (hugging_face_id, version, changelog, url, sha256, user_id)"
            f" values (:id, :version, :changelog, :url, :sha256, :user_id) returning {COLUMNS}",
            bound,
        )[0]
    except IntegrityError:
        raise Problem(409, "VERSION_EXISTS", f"You have added a version {new.version!r} to this model. Name this one otherwise.") from None


def author_of(connection: Connection, hugging_face_id: str, version_id: int) -> str | None:
    """Who added a version, which is locked until the end of the transaction; null where there is none."""
    query = text("select user_id from access.user_version where hugging_face_id = :id and version_id = :version_id for update")
    return connection.execute(query, {"id": hugging_face_id, "version_id": version_id}).scalar()


def judge(connection: Connection, hugging_face_id: str, version_id: int, status: Status) -> dict[str, Any] | None:
    """Set the status of a version; null where there is none."""
    bound = {"id": hugging_face_id, "version_id": version_id, "status": status}
    found = rows(
        connection,
        f"update access.user_version set status = :status where hugging_face_id = :id and version_id = :version_id returning {COLUMNS}",
        bound,
    )
    return found[0] if found else None


def delete(connection: Connection, version_id: int) -> None:
    """Take a version away; the audit keeps what it was."""
    connection.execute(text("delete from access.user_version where version_id = :version_id"), {"version_id": version_id})
