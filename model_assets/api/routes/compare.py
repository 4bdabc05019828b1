"""Models side by side."""

from typing import Annotated, Any

from fastapi import APIRouter, Query, Request
from pydantic import AfterValidator, BaseModel, Field
from starlette.responses import Response

from model_assets.api import model_facts as facts
from model_assets.api.asking import Meta, Seen, answer, storable
from model_assets.api.callers import Anyone
from model_assets.api.errors import documented
from model_assets.api.finding import find
from model_assets.api.routes.catalogue import Item
from model_assets.api.routes.model import Strict

router = APIRouter(prefix="/api/v1", tags=["models"])
#: what says which model it is, or when somebody looked: no attribute to compare
NOT_COMPARED = ("id", "first_seen", "changed_at")
MOST, LONGEST = 10, 300  # ids; characters of one of them


def _two_to_ten(given: str) -> str:
    if not 2 <= len(_ids(given)) <= MOST:
        raise ValueError("name two to ten different ids, separated by commas")
    if any(len(one) > LONGEST for one in _ids(given)):
        raise ValueError(f"no id has more than {LONGEST} characters")
    return given


def _ids(given: str) -> list[str]:
    return list(dict.fromkeys(one.strip() for one in given.split(",") if one.strip()))


class Compared(Strict):
    """What to compare."""

    ids: Annotated[str, AfterValidator(storable), AfterValidator(_two_to_ten)] = Field(
        min_length=1,
        max_length=MOST * (LONGEST + 2),  # a comma and a blank between them
        description="two to ten ids of any source, separated by commas",
        examples=["openai/gpt-4o,openai/gpt-4o-mini"],
    )


class Comparison(BaseModel):
    """Models side by side, in the order in which they were asked for."""

    models: list[Item]
    attributes: dict[str, list[Any]] = Field(description="attribute -> its value in each model")
    differing: list[str] = Field(description="the attributes that are not the same in all")
    asked: dict[str, str] = Field(description="id as it was asked for -> id of the model it stands for")


class ComparedModels(BaseModel):
    """A comparison."""

    data: Comparison
    meta: Meta


@router.get("/models/compare", response_model=ComparedModels, responses=documented(404, 409))
def compare(request: Request, caller: Anyone, asked: Annotated[Compared, Query()]) -> Response:
    """Two to ten models side by side, with what differs. An id that you see no model by is a 404, whichever it is of them."""

    def make(seen: Seen) -> object:
        cards = {given: find(seen, given).card for given in _ids(asked.ids)}
        items = facts.items(seen, [*cards.values()])
        models = [items[card] for card in dict.fromkeys(cards.values())]
        names = [name for name in models[0] if name not in NOT_COMPARED]
        attributes = {name: [model[name] for model in models] for name in names}
        differing = [name for name, values in attributes.items() if any(value != values[0] for value in values)]
        return {"models": models, "attributes": attributes, "differing": differing, "asked": cards}

    return answer(request, caller, make)
