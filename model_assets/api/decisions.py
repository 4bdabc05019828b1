"""An admin's words on models, as requests say them: written, audited and served in one transaction, or nothing of it."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from fastapi import Request

from model_assets.access.words import Trouble, Word, WordsRefused, change
from model_assets.api.admin import request_id
from model_assets.api.callers import Caller
from model_assets.api.errors import Problem
from model_assets.publishing import line_up, publish_decisions
from model_assets.sql_models import SqlModel, load_models

#: what is said of a model, by name; null takes it back, what is not there stays as it is
Said = dict[str, Any]
STATUS = {"unknown_model": 404, "version_conflict": 412, "named_twice": 422, "bad_value": 422}


def say(
    request: Request, caller: Caller, words: Sequence[tuple[str, Said, int | None]], why: str
) -> tuple[list[dict[str, Any]], Sequence[Trouble]]:
    """(the rows of access.model_access after it, nothing), or (nothing, what is wrong) where none of it was written. `words` are (model id, what
    is said, the version it is said of; null: any)."""
    actor, parts = str(caller.user_id), request.app.state.parts
    try:
        with parts.database.in_line(), parts.database.writing(actor, request_id(request), why) as connection:
            line_up(connection)
            rows = change(
                connection, [(model_id, Word(**said), version) for model_id, said, version in words], actor, why, request_id(request)
            )
            number = publish_decisions(connection, _models(), [row["model_id"] for row in rows])
    except WordsRefused as refused:
        return [], refused.troubles
    parts.watch.at_least(number)
    return rows, ()


@cache
def _models() -> dict[str, SqlModel]:
    return load_models()


def one_problem(trouble: Trouble) -> Problem:
    """What is wrong with the change of one model, as an answer."""
    return Problem(STATUS[trouble.code], None, trouble.message)


def rows_problem(troubles: Sequence[Trouble]) -> Problem:
    """What is wrong with which of several changes: the gravest decides the status, `details` has them all."""
    statuses = {STATUS[one.code] for one in troubles}
    status = next(one for one in (422, 404, 412) if one in statuses)
    details = [{"place": one.place, "model_id": one.model_id, "code": one.code, "message": one.message} for one in troubles]
    many = f"{len(troubles)} of the changes" if len(troubles) > 1 else "One of the changes"
    return Problem(status, None, f"Nothing was changed: {many} cannot be made. {troubles[0].message}", details)
