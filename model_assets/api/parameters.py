"""Nothing that is asked is overlooked: a parameter that an address does not have is refused, and so is a body where none is read."""

import json
from collections.abc import Iterator

from fastapi import Request
from fastapi.dependencies.models import Dependant
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel

from model_assets.api.errors import Problem

SAYS_NOTHING = (b"", b"{}", b"null")  # clients send these by themselves
#: its programs sign a body, so they have one; what they say in it is for logs
SIGNED = "/api/internal/sync-models"


async def known_parameters(http: Request) -> None:
    """Raises RequestValidationError where there is a parameter that the address does not have. Models of parameters refuse those themselves."""
    known = _known(http.scope["route"]) if http.query_params else None
    if known is not None and (others := [name for name in http.query_params if name not in known]):
        raise RequestValidationError([{"type": "extra_forbidden", "loc": ("query", name), "msg": "unknown"} for name in others])


async def no_body(http: Request) -> None:
    """For addresses that read no body. Raises Problem, 422, where one says something: what it asks for would be overlooked."""
    route, body = http.scope["route"], (await http.body()).strip()
    known = _known(route) or frozenset()
    if body in SAYS_NOTHING or (route.path == SIGNED and not known & _fields(body)):
        return
    names = ", ".join(sorted(known)) or "none"
    raise Problem(
        422, None, f"A body was sent, and what it says is not read here. Use parameters, behind a ? in the address. There are: {names}."
    )


def within(dependant: Dependant) -> Iterator[Dependant]:
    """What a route depends on, itself included."""
    yield dependant
    for one in dependant.dependencies:
        yield from within(one)


def _known(route: APIRoute) -> frozenset[str] | None:
    """The names of a route's parameters; null where a model holds them."""
    fields = [field for one in within(route.dependant) for field in one.query_params]
    models = [kind for field in fields if isinstance(kind := field.field_info.annotation, type) and issubclass(kind, BaseModel)]
    return None if models else frozenset(field.alias for field in fields)


def _fields(body: bytes) -> set[str]:
    """The names of a JSON object's fields; none of anything else."""
    try:
        said = json.loads(body)
    except (ValueError, RecursionError):
        return set()
    return set(said) if isinstance(said, dict) else set()
