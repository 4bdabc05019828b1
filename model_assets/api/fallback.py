"""Where `GET /api/models` gets its list while no listing of OpenRouter is published: from OpenRouter itself, else from OPENROUTER_MODELS_LIST.

Nothing that decides is there then: no decision, no policy's verdict on a listing. So it is decided carefully. An admin sees all. Of OpenRouter's
list, who has a tier that pays sees what has a price, or none, for certain; who has not sees what is free by that list's own prices. Of the
variable's list, the operator's own word, those who pay see all, and the others what it says is free, or what is named `:free`. What a person
disabled, or nobody admitted yet, stays hidden from everybody but admins.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from decimal import Decimal
from typing import Any, NamedTuple

from model_assets.api.errors import unavailable
from model_assets.errors import BadPayload, FetchFailed
from model_assets.fetching import strict_json
from model_assets.fetching.http import NotModified, Policy, fetch
from model_assets.sources import SOURCES
from model_assets.sources.amounts import BadAmount, exact
from model_assets.sources.base import id_problem

LOG = logging.getLogger(__name__)
KEPT_FOR = 600.0  # seconds
STALE_FOR = 24 * 3600.0  # seconds that a list is still given where a newer one cannot be had
AGAIN_AFTER = 30.0  # seconds after a fetch that failed
#: somebody waits for the answer
IMPATIENT = Policy(attempts=1, connect_timeout=3, read_timeout=5, body_deadline=10, total_deadline=10)
Model = Mapping[str, Any]


class Found(NamedTuple):
    """Models in OpenRouter's shape, and where they are from: openrouter or environment."""

    models: list[Model]
    source: str


class Fallback:
    """Lists of models from elsewhere. `named` are those of OPENROUTER_MODELS_LIST; `clock` counts seconds."""

    def __init__(
        self,
        named: Iterable[Model],
        url: str = SOURCES["openrouter"].url,
        policy: Policy = IMPATIENT,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.named, self.url, self.policy, self.clock = list(named), url, policy, clock
        self._lock = threading.Lock()
        self._live: list[Model] | None = None
        self._fetched_at = self._next_try = float("-inf")

    def models(self, tier: str, hidden: Iterable[str]) -> Found:
        """What a tier gets; `hidden` are ids that only an admin may see, with all their variants. Raises a Problem (503) where there is no list."""
        live = self._current()
        if live is None and not self.named:
            raise unavailable(
                "No list of models was loaded yet, OpenRouter does not answer, and OPENROUTER_MODELS_LIST is empty. Run `model-assets sync openrouter`.",
                30,
            )
        found, source = (live, "openrouter") if live is not None else (self.named, "environment")
        if tier != "admin":
            away = set(hidden)
            found = [model for model in found if not away & {model["id"], model["id"].partition(":")[0]} and may_use(tier, model, source)]
        return Found(list(found), source)

    def _current(self) -> list[Model] | None:
        """OpenRouter's list, at most ten minutes old where it can be had, else the last one; null where there is none. One asks, nobody twice."""
        now = self.clock()
        # who comes while somebody asks gets the last list; without one they wait, ten seconds at most
        if self._lock.acquire(blocking=now - self._fetched_at >= STALE_FOR):
            try:
                self._refresh()
            finally:
                self._lock.release()
        return self._live if now - self._fetched_at < STALE_FOR else None

    def _refresh(self) -> None:
        now = self.clock()
        if now - self._fetched_at < KEPT_FOR or now < self._next_try:
            return
        try:
            self._live = self._fetch()
            self._fetched_at = self.clock()
        except (FetchFailed, BadPayload) as error:
            LOG.warning("OpenRouter's list is not to be had: %s", error)
            self._next_try = self.clock() + AGAIN_AFTER

    def _fetch(self) -> list[Model]:
        answer = fetch(self.url, policy=self.policy)
        assert not isinstance(answer, NotModified)
        SOURCES["openrouter"].rows(answer.body)  # a list that a sync would refuse is none; raises BadPayload
        payload = strict_json.loads(answer.body)
        assert isinstance(payload, dict)
        return [shown(model) for model in payload["data"] if isinstance(model, dict) and id_problem(model.get("id")) is None]


def shown(model: Model) -> Model:
    """An entry of the list as it is passed on: prices as exact text, digits written out; one that is no price is left out."""
    pricing = model.get("pricing")
    return {**model, "pricing": _texts(pricing) if isinstance(pricing, dict) else {}}


def may_use(tier: str, model: Model, source: str) -> bool:
    """Whether a tier gets a model by what a list says of it."""
    if is_free(model):
        return True
    if source == "environment":
        return tier != "free" or (":" in model["id"] and model["id"].endswith(":free"))
    prices = [amount_of(model["pricing"].get(key)) for key in ("prompt", "completion")]
    return tier != "free" and all(price is not None and price >= 0 for price in prices)


def is_free(model: Model) -> bool:
    """Whether the prompt and the answer are confirmed at 0, and nothing else of it has a price or could have one."""
    pricing = model.get("pricing")
    if not isinstance(pricing, dict) or "overrides" in pricing:
        return False
    prices = [amount_of(pricing.get(key)) for key in ("prompt", "completion")]
    return prices == [0, 0] and all(amount_of(found) == 0 for found in pricing.values() if found is not None)


def amount_of(found: object) -> Decimal | None:
    """A price as a number; null where it is none."""
    try:
        return None if found is None else exact(found)
    except BadAmount:
        return None


def _texts(found: Mapping[str, Any]) -> dict[str, Any]:
    said: dict[str, Any] = {}
    for key, value in found.items():
        if key == "overrides" and isinstance(value, list):
            said[key] = [{name: _text(name, one) for name, one in item.items()} for item in value if isinstance(item, dict)]
        elif (amount := amount_of(value)) is not None:
            said[key] = format(amount, "f")
    return said


def _text(name: str, found: object) -> object:
    """A price of an override as text; the numbers and lists of its conditions as they are."""
    amount = amount_of(found) if isinstance(found, str) else None
    return found if amount is None else format(amount, "f")
