"""What Pocket AI serves: the repositories of Hugging Face that are read, their versions, and versions that users add to them."""

import re
from collections.abc import Callable
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection, text
from starlette.responses import Response

from model_assets.api import user_versions
from model_assets.api.asking import ModelId, Name, Words, as_bytes, rows, tier_of
from model_assets.api.callers import Admin, Anyone, Caller, User
from model_assets.api.database import again
from model_assets.api.errors import Problem, documented, not_found
from model_assets.api.pages import published
from model_assets.api.pocket_ai_shape import (
    MODEL,
    VERSIONS,
    PocketModel,
    PocketVersion,
    listed_for,
    model_of,
    one_model,
    synced_version,
    users_version,
)
from model_assets.api.user_versions import Judged, NewVersion

router = APIRouter(tags=["Pocket AI's shape"])
FOR_THE_CALLER = {"Cache-Control": "private, no-cache", "Vary": "Authorization, Accept"}
VersionId = Annotated[str, Path(min_length=1, max_length=100, examples=["17"])]


class Asked(BaseModel):
    """Which repositories."""

    model_config = ConfigDict(extra="forbid")
    task: Name | None = None
    licence_class: Literal["safe", "restricted", "custom", "gated", "unknown"] | None = None
    library: Name | None = Field(default=None, description="the framework, such as litert")
    author: Name | None = None
    search: Words | None = Field(default=None, description="in its id, description and tags")
    max_size_bytes: int | None = Field(default=None, ge=0, le=2**62)
    skip: int = Field(default=0, ge=0, le=10_000_000)
    limit: int = Field(default=1000, ge=1, le=1000)


@router.get(
    "/models",
    response_model=list[PocketModel],
    responses={200: {"headers": {"X-Total-Count": {"description": "how many there are in all", "schema": {"type": "integer"}}}}},
)
def models(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """The repositories of Hugging Face that are read (HF_FILTERS), by id."""
    parts, tier = request.app.state.parts, tier_of(request, caller)
    given = {name: value for name, value in asked.model_dump(exclude={"skip", "limit"}).items() if value is not None}
    listed = listed_for(tier, given)
    with parts.database.reading() as connection:
        total = connection.execute(text(f"select count(*) from {listed}"), given).scalar_one()
        found = rows(connection, MODEL.replace("{listed}", listed), {**given, "skip": asked.skip, "limit": asked.limit})
    headers = {"X-Total-Count": str(total), **FOR_THE_CALLER}
    return Response(as_bytes([model_of(row) for row in found]), media_type="application/json", headers=headers)


@router.get("/models/{model_id:path}/versions", response_model=list[PocketVersion], responses=documented(404))
def versions(request: Request, caller: Anyone, model_id: ModelId) -> Response:
    """The versions of a repository's weights that were seen, oldest first, and after them those that users added: the newest 500, and those that an
    admin called supported before others."""
    database = request.app.state.parts.database
    with database.reading() as connection:
        model = one_model(connection, tier_of(request, caller), model_id)
        seen = [synced_version(model, row) for row in rows(connection, VERSIONS, {"id": model_id})]
        added = [users_version(model_id, row) for row in user_versions.of_repository(connection, model_id, caller, database.url)]
    return Response(as_bytes(seen + added), media_type="application/json", headers=FOR_THE_CALLER)


@router.post("/models/{model_id:path}/versions", response_model=PocketVersion, status_code=201, responses=documented(404, 409))
def add_version(request: Request, caller: User, model_id: ModelId, new: NewVersion) -> dict[str, Any]:
    """Add a version to a repository. It is yours: you may delete it, and an admin judges it. At most 100 in a repository, and 200 in all that wait for
    an admin's word."""

    def write(connection: Connection) -> dict[str, Any]:
        return users_version(model_id, user_versions.add(connection, model_id, str(caller.user_id), new))

    return _writing(request, caller, model_id, write)


@router.patch("/models/{model_id:path}/versions/{version_id}", response_model=PocketVersion, responses=documented(403, 404))
def judge_version(request: Request, caller: Admin, model_id: ModelId, version_id: VersionId, judged: Judged) -> dict[str, Any]:
    """Say of a version that a user added whether it is supported. For admins."""

    def write(connection: Connection) -> dict[str, Any]:
        row = user_versions.judge(connection, model_id, _number(version_id), judged.status)
        if row is None:
            raise not_found("version", version_id)
        return users_version(model_id, row)

    return _writing(request, caller, model_id, write)


@router.delete("/models/{model_id:path}/versions/{version_id}", status_code=204, responses=documented(403, 404))
def delete_version(request: Request, caller: User, model_id: ModelId, version_id: VersionId) -> None:
    """Delete a version that you added; an admin may delete anybody's."""

    def write(connection: Connection) -> None:
        author = user_versions.author_of(connection, model_id, _number(version_id))
        if author is None:
            raise not_found("version", version_id)
        if author != caller.user_id and caller.tier != "admin":
            raise Problem(403, "NOT_YOURS", "Somebody else added this version. Only they and admins may delete it.")
        user_versions.delete(connection, int(version_id))

    _writing(request, caller, model_id, write)


@router.get("/models/{model_id:path}", response_model=PocketModel, responses=documented(404))
def model(request: Request, caller: Anyone, model_id: ModelId) -> Response:
    """One repository, by its id at Hugging Face."""
    parts, tier = request.app.state.parts, tier_of(request, caller)

    def made() -> tuple[int, bytes]:
        with parts.database.reading() as connection:
            version = connection.execute(text("select version from catalog.published")).scalar_one()
            return version, as_bytes(model_of(one_model(connection, tier, model_id)))

    response = published(request, parts.pages, tier, made)
    assert response is not None
    return response


@router.put("/models/{model_id:path}", status_code=403, responses=documented(403, 404))
@router.patch("/models/{model_id:path}", status_code=403, responses=documented(403, 404))
@router.delete("/models/{model_id:path}", status_code=403, responses=documented(403, 404))
def edit_model(request: Request, caller: User, model_id: ModelId) -> None:
    """Always 403: what was read from Hugging Face is not edited here, by admins either."""
    with request.app.state.parts.database.reading() as connection:
        one_model(connection, tier_of(request, caller), model_id)
    raise synced()


def synced() -> Problem:
    """What comes from a source stays as the source has it."""
    said = "This comes from Hugging Face, and follows what is published there. You can add versions to the model, and delete your own."
    return Problem(403, "SYNCED", said)


def _writing(request: Request, caller: Caller, model_id: str, write: Callable[[Connection], Any]) -> Any:
    """What `write` makes, in a transaction of the caller; where the repository is there for them."""

    def once() -> Any:
        with request.app.state.parts.database.writing(str(caller.user_id), request.scope["request_id"]) as connection:
            one_model(connection, tier_of(request, caller), model_id)
            return write(connection)

    return again(once)


def _number(version_id: str) -> int:
    """The number of a user's version. Raises Problem: what was synced is told by its revision, and stays."""
    if re.fullmatch("[0-9a-f]{40}", version_id):
        raise synced()
    if not re.fullmatch("[1-9][0-9]{0,17}", version_id):
        raise not_found("version", version_id)
    return int(version_id)
