"""What the OpenAPI document says beyond the routes: about the whole, and the errors that any route may answer."""

from typing import Any

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute

from model_assets.api import callers
from model_assets.api.errors import CODES, documented
from model_assets.api.parameters import within
from model_assets.api.routes import ROUTERS

ABOUT: dict[str, Any] = {
    "title": "Model Assets",
    "version": "1",
    "summary": "Which AI models exist, what each costs, how well it does and who may use it; today and on any past day.",
    "description": (
        "Every amount is text, an exact decimal; every time is in UTC with a Z. A caller is known by a JWT (`Authorization: Bearer`); the tier is that of the"
        " account, and what a tier may not see is as if it was not there. Without a token a caller has the tier free. An id of a model may be any id of any"
        " source, slashes included. Answers that depend on what is published have an ETag: its number."
    ),
    "docs_url": None,
    "redoc_url": None,
    "openapi_url": "/openapi.json",
}
#: what any route may answer: bad bytes, too slow, too large, too often, the database away
ANYWHERE = (400, 401, 408, 413, 422, 429, 431, 503)


def describe(app: FastAPI) -> None:
    """Let the document name the errors of any route, in the one shape; made once, when it is asked for first."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            said = get_openapi(
                title=app.title,
                version=app.version,
                summary=app.summary,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            optional = _token_is_optional()
            for path, operations in said["paths"].items():
                for method, operation in operations.items():
                    for status in ANYWHERE:
                        operation["responses"][str(status)] = _answer(status, operation["responses"].get(str(status)))
                    if (path, method) in optional:
                        operation["security"] = [{}, *operation["security"]]
            said["components"]["schemas"].pop("HTTPValidationError", None)
            said["components"]["schemas"].pop("ValidationError", None)
            app.openapi_schema = said
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]


def _token_is_optional() -> set[tuple[str, str]]:
    """The addresses, with their methods, where a caller may have a token and need not."""
    found = set()
    for route in (route for router in ROUTERS for route in router.routes if isinstance(route, APIRoute)):
        asked = {asked.call for asked in within(route.dependant)}
        if (
            callers.BEARER in asked
            and callers.user not in asked
            and (callers.anyone in asked or asked == {route.dependant.call, callers.BEARER})
        ):
            found |= {(route.path_format, method.lower()) for method in route.methods or ()}
    return found


def _answer(status: int, of_route: dict[str, Any] | None) -> dict[str, Any]:
    """An error of any route; where a route answers with this status in a shape of its own, that one or the other."""
    description = documented(status)[status]["description"]
    schema: dict[str, Any] = {"$ref": "#/components/schemas/Error"}
    own = (of_route or {}).get("content", {}).get("application/json", {}).get("schema", schema)
    if own != schema and own != {"$ref": "#/components/schemas/HTTPValidationError"}:
        schema = {"anyOf": [own, schema]}
    return {"description": description, "content": {"application/json": {"schema": schema}}}


assert set(ANYWHERE) <= CODES.keys()
