"""The list of models as OpenRouter serves it, of what the caller may use."""

import json
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query, Request
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import Response

from model_assets.api.callers import Anyone
from model_assets.api.errors import documented
from model_assets.api.openrouter_shape import DEFAULT, LISTED, in_shape
from model_assets.api.pages import INWARD, Page, send

router = APIRouter(tags=["OpenRouter's shape"])
#: what only admins may see, gone or not: by its own id, and by each under which OpenRouter lists or listed it
HIDDEN = """
select coalesce(json_agg(named.id), '[]')::text
from access.model_access as access
cross join lateral (
    select access.model_id as id
    union
    select link.listed_id from history.link as link
    where link.source = 'openrouter'
        and access.model_id in (link.model || case when link.variant <> '' then ':' || link.variant else '' end, link.offer)
) as named
where access.decided_status <> 'active'
"""


class Architecture(BaseModel):
    """What goes in and what comes out."""

    modality: str = Field(examples=["text+image->text"])
    input_modalities: list[str]
    output_modalities: list[str]
    tokenizer: str | None
    instruct_type: str | None


class Model(BaseModel):
    """A model as OpenRouter lists it."""

    model_config = ConfigDict(extra="allow")
    id: str = Field(examples=["openai/gpt-4o"])
    canonical_slug: str | None = None
    hugging_face_id: str | None = None
    name: str | None = None
    created: int | None = Field(default=None, description="when OpenRouter listed it, in seconds since 1970")
    description: str | None = None
    context_length: int | None = None
    architecture: Architecture | None = None
    pricing: dict[str, Any] = Field(
        default={},
        description="USD per token, image, request or search, exact, as text. What is not known is left out; -1 depends on the route.",
        examples=[{"prompt": "0.0000025", "completion": "0.00001", "input_cache_read": "0.00000125"}],
    )
    top_provider: dict[str, Any] | None = None
    per_request_limits: dict[str, Any] | None = None
    supported_parameters: list[str] = []


class Models(BaseModel):
    """The models that the caller may use at OpenRouter; the default model of the caller's account first, then the newest."""

    data: list[Model]


class Asked(BaseModel):
    """How to list."""

    model_config = ConfigDict(extra="forbid")
    enhanced: Literal["true", "false"] = Field(
        default="false", description="`true`: each model also has `access`: its status here, the tiers that may use it, and its limits"
    )


SAID = {
    "X-Models-Source": {"description": "database, openrouter or environment", "schema": {"type": "string"}},
    "X-Models-Count": {"description": "how many there are", "schema": {"type": "integer"}},
}


@router.get(
    "/api/models",
    response_model=Models,
    responses={
        200: {"description": "The list", "headers": SAID},
        304: {"description": "What you have is what there is"},
        **documented(503),
    },
)
def models(request: Request, caller: Anyone, asked: Annotated[Asked, Query()]) -> Response:
    """The models that the caller's tier may use at OpenRouter, in OpenRouter's shape. While none was loaded yet, OpenRouter's own list, kept
    for ten minutes; else what OPENROUTER_MODELS_LIST names: without prices known here, only what is free for certain to those who do not pay."""
    parts = request.app.state.parts
    enhanced = asked.enhanced == "true"
    key = INWARD + request.scope["query_string"]  # what is kept is not sent at once: the caller's own default may have to come first
    page = parts.pages.get(caller.tier, "/api/models", key)
    if page is None:
        text = parts.database.json(LISTED, {"tier": caller.tier})
        found = json.loads(text)
        if not found["listed"]:
            return _elsewhere(request, caller.tier)
        body = body_of([in_shape(row, enhanced=enhanced) for row in found["models"]])
        page = Page(body, parts.pages.etag(found["version"], caller.tier))
        parts.pages.keep(caller.tier, "/api/models", key, found["version"], page)
    if caller.user_id is not None and (default := parts.database.json(DEFAULT, {"user_id": caller.user_id})):
        body, place = with_first(page.body, default)
        if place:
            page = Page(body, page.etag and f'{page.etag[:-1]}-{place}"')
    return _told(send(request, page), "database", page.body)


def body_of(models: list[dict[str, Any]]) -> bytes:
    """The list as JSON, a line for each model: text within JSON holds no line break, so a line is found again without reading the whole."""
    lines = [json.dumps(model, ensure_ascii=False, separators=(",", ":")) for model in models]
    return ('{"data":[\n' + ",\n".join(lines) + "\n]}").encode("utf-8", "replace")


def with_first(body: bytes, model_id: str) -> tuple[bytes, int]:
    """A list with one of its models first, and the place that it was at, from 0; as it is where the model is not in it."""
    begins = b'{"id":' + json.dumps(model_id, ensure_ascii=False).encode("utf-8", "replace") + b","
    at = body.find(b"\n" + begins) + 1
    if not at:
        return body, 0
    first, end = len(b'{"data":[\n'), body.index(b"\n", at)
    if at == first:
        return body, 0
    line = body[at:end].removesuffix(b",")
    rest = body[first : at - len(b",\n")] + (body[end - 1 : end] if body[end - 1 : end] == b"," else b"") + body[end:]
    return body[:first] + line + b",\n" + rest, body.count(b"\n", first, at)


def _elsewhere(request: Request, tier: str) -> Response:
    parts = request.app.state.parts
    found = parts.fallback.models(tier, json.loads(parts.database.json(HIDDEN)))
    body = json.dumps({"data": found.models}, default=float).encode()
    answer = Response(body, media_type="application/json", headers={"Cache-Control": "no-store"})
    answer.headers["X-Models-Source"] = found.source
    answer.headers["X-Models-Count"] = str(len(found.models))
    return answer


def _told(answer: Response, source: str, body: bytes) -> Response:
    answer.headers["X-Models-Source"] = source
    answer.headers["X-Models-Count"] = str(body.count(b'\n{"id":'))
    return answer
