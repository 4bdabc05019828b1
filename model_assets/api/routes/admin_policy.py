"""The policy, for admins: the rules that count, and what others would change for whom."""

import json
import threading
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import yaml
from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from sqlalchemy import text

from model_assets.access.dry_run import dry_run
from model_assets.access.policy import Policy, read_policy, stored_policy
from model_assets.api.admin import Admin, AdminRoute, Asked
from model_assets.api.errors import Problem, documented
from model_assets.database import connect
from model_assets.errors import SettingsError
from model_assets.ledger.describe import decimal_text

router = APIRouter(prefix="/api/admin/policy", tags=["administering"], route_class=AdminRoute, responses=documented(403))
TRIAL_SECONDS = 60  # that one statement of a trial may take
LONGEST, DEEPEST = 50_000, 10  # characters; lists and mappings in one another
_ONE_AT_A_TIME = threading.Lock()
Document = dict[str, Any]


class InForce(BaseModel):
    """The rules in force, in the form of the policy file."""

    policy: Document


class Trial(Asked):
    """Rules to try."""

    policy: str | Document = Field(description="a policy: as an object, or as the text of a policy file (YAML)", examples=[{"rules": []}])


class Touched(BaseModel):
    """A model that a tier would gain or lose, and the rule; null: a person allowed it."""

    model_id: str
    rule: str | None


class TierTouched(BaseModel):
    """What would change for a tier."""

    tier: str
    users: int = Field(description="those known to have the tier")
    gained: list[Touched]
    lost: list[Touched]


class TrialResult(BaseModel):
    """What would change for whom."""

    data: list[TierTouched]


@router.get("", response_model=InForce)
def policy(request: Request, caller: Admin) -> dict[str, Any]:
    """The rules in force. They come from the policy file of the installation (MODEL_POLICY_FILE) and are changed there."""
    with request.app.state.parts.database.reading() as connection:
        return {"policy": document_of(stored_policy(connection))}


@router.post("/dry-run", response_model=TrialResult, responses=documented(409))
def try_policy(request: Request, caller: Admin, trial: Trial) -> dict[str, Any]:
    """What other rules would change, tier by tier: the models gained and lost, by which rule, and how many users have the tier. They are tried
    in the database, by the same statements that publish, on copies; one trial at a time."""
    wanted = _read(trial.policy)
    if not _ONE_AT_A_TIME.acquire(blocking=False):
        raise Problem(409, None, "Another trial of a policy is running. Try again when it has ended.", headers={"Retry-After": "5"})
    try:
        with connect(request.app.state.parts.database.url) as connection:
            connection.execute(text("set transaction isolation level repeatable read"))
            connection.execute(text(f"set local statement_timeout = '{TRIAL_SECONDS}s'"))
            return {"data": [change.as_dict() for change in dry_run(connection, wanted)]}
    finally:
        _ONE_AT_A_TIME.release()


def document_of(policy: Policy) -> Document:
    """A policy in the form of its file; amounts as text."""
    rules = [
        {name: _plain(value) for name, value in asdict(rule).items() if value is not None and name != "position"} for rule in policy.rules
    ]
    after = policy.activate_new_after
    return {"rules": rules} | ({} if after is None else {"new_models": {"activate_after_days": after.days}})


def _plain(value: Any) -> Any:
    return decimal_text(value) if isinstance(value, Decimal) else value


def _read(given: str | Document) -> Policy:
    """Raises SettingsError, which is a 422, where it cannot be used."""
    said = given if isinstance(given, str) else json.dumps(given, ensure_ascii=False)
    try:
        _check_shape(said)
        return read_policy(said, "the policy")
    except yaml.YAMLError as broken:
        raise SettingsError(f"the policy is not YAML: {' '.join(str(broken).split())[:500]}") from None


def _check_shape(said: str) -> None:
    """Raises SettingsError for what costs much more to read than to write."""
    if len(said) > LONGEST:
        raise SettingsError(f"the policy is longer than {LONGEST} characters. Try a shorter one.")
    depth = 0
    for event in yaml.parse(said, Loader=yaml.SafeLoader):
        depth += isinstance(event, yaml.CollectionStartEvent) - isinstance(event, yaml.CollectionEndEvent)
        if depth > DEEPEST:
            raise SettingsError("the policy is nested too deeply. A list of rules, each of `key: value` lines, is expected.")
        if isinstance(event, yaml.AliasEvent):  # a few of them can stand for gigabytes
            raise SettingsError("the policy uses an alias (*name). Write out what it stands for.")
