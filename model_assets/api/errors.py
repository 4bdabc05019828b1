"""Errors in one shape: a code for programs, a message for people, the request's id; whatever was the cause."""

import logging
from datetime import UTC, datetime
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from pydantic import BaseModel, Field
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from model_assets.database import is_down, refusal
from model_assets.errors import DatabaseDown, ModelAssetsError
from model_assets.readiness import CONTENDED, sqlstate

LOG = logging.getLogger(__name__)
RETRY_AFTER = 2  # seconds that a client is asked to wait for the database
NO_TABLES = ("3F000", "42P01")  # a schema or a relation is not there
#: the code of each status, where a route names no better one
CODES = {
    400: "BAD_REQUEST", 401: "UNAUTHORIZED", 403: "FORBIDDEN", 404: "NOT_FOUND", 405: "METHOD_NOT_ALLOWED", 406: "NOT_ACCEPTABLE", 408: "TIMEOUT",
    409: "CONFLICT", 410: "GONE", 412: "PRECONDITION_FAILED", 413: "TOO_LARGE", 422: "VALIDATION_ERROR",
    428: "PRECONDITION_REQUIRED", 429: "TOO_MANY_REQUESTS", 431: "TOO_LARGE", 500: "INTERNAL_ERROR", 502: "UPSTREAM_ERROR", 503: "SERVICE_UNAVAILABLE",
}  # fmt: skip


class Problem(Exception):
    """What went wrong with a request: its status, a code for programs, and a message that says what was found and what to do."""

    def __init__(
        self,
        status: int,
        code: str | None,
        message: str,
        details: object = None,
        headers: dict[str, str] | None = None,
        extra: dict[str, Any] | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.code = code or CODES.get(status, "ERROR")
        self.message = message
        self.details = details
        self.headers = headers or {}
        self.extra = extra or {}  # fields that a script reads beside the error


class ErrorBody(BaseModel):
    """What an error says of itself."""

    code: str = Field(description="for programs", examples=["NOT_FOUND"])
    message: str = Field(description="for people: what was found, and what to do", examples=["There is no model 'openai/gpt-9'."])
    request_id: str = Field(description="also in the header X-Request-Id and in the log", examples=["0190f3c2b1a84d0f9f6a"])
    details: Any = Field(default=None, description="what is wrong in which part, where there is more to say")


class Error(BaseModel):
    """The shape of every error."""

    error: ErrorBody
    timestamp: datetime


def documented(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The errors of a route, for its OpenAPI entry. Those that any route may answer are added by the app."""
    return {status: {"model": Error, "description": CODES[status].replace("_", " ").capitalize()} for status in statuses}


NOTHING = "There is nothing at this address. GET /openapi.json describes each that there is."
#: where one sees what there is
_LOOK = {
    "model": "GET /api/v1/models?q=... searches those that you may see.",
    "offer": "GET /v1/models lists those that you may see.",
    "repository": "GET /models?search=... searches those that are read and that you may see.",
    "source": "GET /admin/model-sync/providers names them.",
    "sync": "GET /v1/admin/sync/history lists those that were asked for.",
    "version": "GET /models/{id}/versions lists them.",
    "webhook": "GET /api/v1/webhooks lists yours.",
}


def not_found(what: str, given: str) -> Problem:
    """What is not there, or not for this caller: the two look the same."""
    return Problem(404, None, f"There is no {what} {given[:200]!r}. {_LOOK[what]}")


def response_to(request: Request, problem: Problem) -> Response:
    """The error as an answer."""
    request_id = request.scope.get("request_id", "")
    body = {"code": problem.code, "message": problem.message, "request_id": request_id, "details": problem.details}
    said = {**problem.extra, "error": body, "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")}
    return JSONResponse(said, problem.status, headers={"Cache-Control": "no-store", **problem.headers})


def add_handlers(app: FastAPI) -> None:
    """Whatever a route raises becomes an error of the one shape."""

    def handler(problem_of: Any) -> Any:
        return lambda request, error: response_to(request, problem_of(error))

    app.add_exception_handler(Problem, handler(lambda problem: problem))
    app.add_exception_handler(RequestValidationError, handler(_invalid))
    app.add_exception_handler(HTTPException, handler(_of_http))
    app.add_exception_handler(ModelAssetsError, handler(_of_ours))
    app.add_exception_handler(DBAPIError, handler(_of_database))
    app.add_exception_handler(PoolTimeout, handler(lambda _: unavailable("Every connection to the database is busy.")))
    app.add_exception_handler(Exception, handler(unforeseen))


def unavailable(why: str, seconds: int = RETRY_AFTER) -> Problem:
    """The database, or what else is needed, is away for now."""
    return Problem(503, None, f"{why} Try again in {seconds} s.", headers={"Retry-After": str(seconds)})


def _invalid(error: RequestValidationError) -> Problem:
    """What is wrong with the request; never the value itself, which may be a secret."""
    wrong = [{"where": [str(part) for part in one["loc"]], "what": _what(one)} for one in error.errors()[:20]]
    first = f"{'.'.join(wrong[0]['where'])}: {wrong[0]['what']}" if wrong else "it cannot be read"
    return Problem(422, None, f"The request is not valid: {first}.", details=wrong)


def _what(one: dict[str, Any]) -> str:
    """What is wrong at one place, in our words where the validator's own are for programmers in Python."""
    ours = {
        "extra_forbidden": f"there is no such {'parameter' if one['loc'][0] == 'query' else 'field'}",
        "missing": "it is missing",
        "json_invalid": "that is no JSON",
        "model_attributes_type": "it is no JSON object. Send one, with Content-Type: application/json",
    }
    return ours.get(one["type"], str(one["msg"]).removeprefix("Value error, ").removesuffix("."))


def _of_http(error: HTTPException) -> Problem:
    said = {404: NOTHING, 405: "This address does not have that method."}
    return Problem(error.status_code, None, said.get(error.status_code, str(error.detail)), headers=dict(error.headers or {}))


def _of_ours(error: ModelAssetsError) -> Problem:
    if isinstance(error, DatabaseDown):
        return unavailable("The database does not answer.")
    return Problem(422, None, str(error))


def _of_database(error: DBAPIError) -> Problem:
    if isinstance(error, OperationalError) and (error.connection_invalidated or is_down(error)):
        return unavailable("The database does not answer.")
    if sqlstate(error) in CONTENDED:
        return unavailable("The database is busy.")
    if sqlstate(error) in NO_TABLES:
        LOG.warning("the database is not as this version needs it: %s", refusal(error))
        return unavailable("The database is not ready: somebody has to run `model-assets migrate`.")
    if sqlstate(error).startswith("22"):  # text or a number that Postgres cannot hold
        return Problem(400, None, "The request holds a value that cannot be used: characters or numbers that the database does not have.")
    return unforeseen(error)


def unforeseen(error: Exception) -> Problem:
    """What nobody thought of: in the log in full, in the answer not at all."""
    LOG.error("a request failed in a way that nobody foresaw", exc_info=error)
    return Problem(500, None, "Something failed that nobody foresaw. The log has it under this request's id.")
