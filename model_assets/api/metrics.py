"""What this process and the database say of themselves, for Prometheus. Fewer than 500 series, however many models, addresses or callers.

Requests are counted by group of routes and class of status, never by address: an address may hold an id or a secret. Sources are those that the
project has. With several workers the counts are of all of them together (prometheus_client's multiprocess mode, which `server` sets up).
"""

from collections import Counter
from collections.abc import Iterable, Mapping

from prometheus_client import CollectorRegistry, Histogram, disable_created_metrics, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from prometheus_client.registry import Collector
from starlette.routing import BaseRoute

BUCKETS = (0.01, 0.05, 0.2, 1.0)  # seconds
GROUPS = 9  # and what is in none of them
OTHER = "other"
CLASSES = {1: "ok", 2: "ok", 3: "ok", 4: "4xx", 5: "5xx"}
disable_created_metrics()
CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"


class Metrics:
    """Counts requests, and writes all that is known as text."""

    def __init__(self, collectors: Iterable[Collector] = ()) -> None:
        self._groups: Mapping[str, str] = {}
        own = CollectorRegistry()
        self._seconds = Histogram(
            "model_assets_api_request_seconds", "Time to answer a request, by group of routes and class of status.", ["group", "status"],
            buckets=BUCKETS, registry=own,
        )  # fmt: skip
        self.registry = CollectorRegistry()
        try:
            MultiProcessCollector(self.registry)
        except ValueError:  # there is no folder for several workers: this process is the only one
            self.registry = own
        for collector in collectors:
            self.registry.register(collector)

    def know(self, routes: Iterable[BaseRoute]) -> None:
        """The groups of routes are their first tags; of the largest ones, so that there are few series."""
        tagged = {str(getattr(route, "path", "")): str(tags[0]) for route in routes if (tags := getattr(route, "tags", []))}
        groups = {tag for tag, _ in Counter(tagged.values()).most_common(GROUPS)}
        self._groups = {path: tag for path, tag in tagged.items() if tag in groups}

    def observe(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count a request. `route` is the template of its address."""
        self._seconds.labels(self._groups.get(route, OTHER), CLASSES[status // 100]).observe(seconds)

    def text(self) -> bytes:
        """All of it, as Prometheus reads it (CONTENT_TYPE)."""
        return generate_latest(self.registry)
