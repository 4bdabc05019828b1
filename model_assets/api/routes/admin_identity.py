"""Identity, for admins: what is not resolved, and people's corrections."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Annotated, Any, Literal, Self

from fastapi import APIRouter, Path, Query, Request
from pydantic import BaseModel, Field, model_validator

from model_assets import answers
from model_assets.api.admin import Admin, AdminRoute, Asked, Id, Instant, Reason, writing_as
from model_assets.api.errors import Problem, documented
from model_assets.api.routes.admin_held import Kept, kept
from model_assets.errors import ModelAssetsError
from model_assets.identity.corrections import keep_correction, keep_undoing
from model_assets.sources import SOURCES

router = APIRouter(prefix="/api/admin/identity", tags=["administering"], route_class=AdminRoute, responses=documented(403))


class IdentityAsked(Asked):
    """What is asked for."""

    what: Literal["unresolved", "scores", "corrections"] = Field(
        "unresolved", description="listings that are no known model; names that benchmarks use for no known model; people's corrections"
    )
    limit: int = Field(100, ge=1, le=500)


class Rows(BaseModel):
    """Rows as `model-assets identity ... --json` has them."""

    data: list[dict[str, Any]]


class Correction(Asked):
    """Which model a listed id is."""

    listed_id: Id = Field(description="as the source spells it, letter for letter")
    model: Id | None = Field(description="a canonical id author/name; null: none that is known", examples=["openai/gpt-4o"])
    source: Id | None = Field(None, description="only in this source")
    provider: Id | None = Field(None, description="only at this provider, as the source spells it")
    since: Instant | None = Field(None, description="from this instant on; left out: from now on, the past keeps its link")
    always: bool = Field(False, description="also for the past: it was never anything else")
    why: Reason

    @model_validator(mode="after")
    def _one_time(self) -> Self:
        if self.since and self.always:
            raise ValueError("since and always contradict each other")
        if self.source is not None and self.source not in SOURCES:
            raise ValueError("there is no such source")
        return self


class Undoing(Asked):
    """Why a correction is taken back."""

    why: Reason


@router.get("", response_model=Rows)
def identity(request: Request, caller: Admin, asked: Annotated[IdentityAsked, Query()]) -> Any:
    """What is not resolved, with the nearest models as suggestions; or people's corrections, undone ones too, newest first."""
    with request.app.state.parts.database.reading() as connection:
        if asked.what == "corrections":
            return {"data": answers.corrections(connection)[: asked.limit]}
        return {"data": (answers.unresolved_names if asked.what == "scores" else answers.unresolved)(connection, asked.limit)}


@router.post("", status_code=202, response_model=Kept, responses=documented(404))
def correct(request: Request, caller: Admin, word: Correction) -> dict[str, Any]:
    """Say which model a listed id is. It overrides every rule until it is undone, and is served as soon as the daemon has followed it."""
    since = None if word.always else word.since or datetime.now(UTC)
    with writing_as(request, caller, word.why) as connection, told():
        number = keep_correction(
            connection,
            word.listed_id,
            word.model,
            source=word.source,
            provider=word.provider,
            since=since,
            why=word.why,
            by=str(caller.user_id),
        )
    return kept(number)


@router.delete("/{number}", status_code=202, response_model=Kept, responses=documented(404))
def undo(
    request: Request, caller: Admin, number: Annotated[int, Path(ge=1, le=2**62)], asked: Annotated[Undoing, Query()]
) -> dict[str, Any]:
    """Take a correction back, by its number: then it never counted."""
    with writing_as(request, caller, asked.why) as connection, told():
        keep_undoing(connection, number, why=asked.why, by=str(caller.user_id))
    return kept(number)


@contextmanager
def told() -> Iterator[None]:
    """What is not there to be corrected is a 404."""
    try:
        yield
    except ModelAssetsError as unknown:
        raise Problem(404, None, str(unknown)) from None
