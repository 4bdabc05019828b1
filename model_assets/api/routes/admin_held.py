"""Held changes, for admins: what the gate doubts, and people's word on it."""

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, Field

from model_assets import answers
from model_assets.api.admin import Admin, AdminRoute, Asked, Id, Instant, Reason, writing_as
from model_assets.api.errors import Problem, documented
from model_assets.errors import ModelAssetsError
from model_assets.gate.held_changes import NothingToDecide, keep_word
from model_assets.people_spoke import SERVED_WITHIN_SECONDS

router = APIRouter(prefix="/api/admin", tags=["administering"], route_class=AdminRoute, responses=documented(403))


class HeldAsked(Asked):
    """Which changes are asked for, newest first."""

    everything: bool = Field(False, alias="all", description="those of the past as well")
    since: Instant | None = Field(None, description="only changes of this instant and later")
    limit: int = Field(100, ge=1, le=500)


class HeldChange(BaseModel):
    """A change of a price that the gate doubts: `held` is not served, `marked` is served as unconfirmed."""

    held_id: str
    kind: Literal["held", "marked"]
    source: str
    provider: str
    listed_id: str
    model: str | None
    meter: str
    from_state: str
    from_amount: str | None
    to_state: str
    to_amount: str | None
    reasons: list[str]
    evidence: dict[str, Any]
    outcome: str = Field(description="open, released, rejected or withdrawn")
    changed_at: datetime
    held_until: datetime | None


class HeldChanges(BaseModel):
    """Changes, newest first."""

    data: list[HeldChange]


class Verdict(Asked):
    """A person's word on a change."""

    held_id: Id
    verdict: Literal["release", "reject"] = Field(description="release: believe the new price; reject: the last good one goes on")
    why: Reason


class Kept(BaseModel):
    """A word that was kept and is not served yet."""

    status: Literal["kept"]
    id: str
    served_within_seconds: int = Field(description="where the daemon runs; without one, with the next sync")


def kept(id: object) -> dict[str, Any]:
    """The answer to a word that is followed soon."""
    return {"status": "kept", "id": str(id), "served_within_seconds": SERVED_WITHIN_SECONDS}


@router.get("/held", response_model=HeldChanges)
def held(request: Request, caller: Admin, asked: Annotated[HeldAsked, Query()]) -> Any:
    """What is held or unconfirmed now."""
    with request.app.state.parts.database.reading() as connection:
        return {"data": answers.held(connection, everything=asked.everything, limit=asked.limit, since=asked.since)}


@router.post("/held", status_code=202, response_model=Kept, responses=documented(404, 409))
def decide_held(request: Request, caller: Admin, word: Verdict) -> dict[str, Any]:
    """Release or reject a held change. The word is kept and audited at once; what follows from it is found by the daemon, and served then."""
    with writing_as(request, caller, word.why) as connection:
        try:
            keep_word(connection, word.held_id, word.verdict, why=word.why, by=str(caller.user_id))
        except NothingToDecide as over:
            raise Problem(409, None, str(over)) from None
        except ModelAssetsError as unknown:
            raise Problem(404, None, str(unknown)) from None
    return kept(word.held_id)
