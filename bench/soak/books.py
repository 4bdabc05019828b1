"""Which alerts must have been raised, worked out from how attempts and payloads ended; and what was raised, and heard."""

import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from typing import Any

import psycopg

NO_FAULT = ("Fenced", "KeyboardInterrupt")


class Alerts:
    """Follows the books day by day. `expected` and `raised` count alerts by key, the ends of lasting ones together as "over".

    `failing` has the sources whose failure lasts, with the last day that failed: only a sync of that day or a later one ends it.
    """

    def __init__(self) -> None:
        self.expected: Counter[str] = Counter()
        self.raised: Counter[str] = Counter()
        self.doubts: list[str] = []
        self.failing: dict[str, date] = {}
        self._attempts_told: set[int] = set()
        self._last_alert = 0

    def follow(self, connection: psycopg.Connection) -> tuple[list[str], list[str]]:
        """(alerts missing, alerts too many), of what happened since the last time."""
        before = self.expected - self.raised, self.raised - self.expected
        self._expect(connection)
        for number, key in connection.execute("select alert_id, key from ops.alert where alert_id > %s order by 1", [self._last_alert]):
            self._last_alert = number
            if key.startswith("doubts:"):
                self.doubts.append(key.partition(":")[2])
            else:
                self.raised[re.sub(r"^over:.*", "over", key)] += 1
        missing, many = self.expected - self.raised - before[0], self.raised - self.expected - before[1]
        return sorted(missing.elements()), sorted(many.elements())

    def _expect(self, connection: psycopg.Connection) -> None:
        ended = connection.execute(
            "select run_id, source, day, status, error_class from ops.sync_run where status <> 'running' and not run_id = any(%s) order by finished_at, run_id",
            [list(self._attempts_told)],
        ).fetchall()
        for run_id, source, day, status, error_class in ended:
            self._attempts_told.add(run_id)
            if status == "abandoned":
                self.expected[f"abandoned:{run_id}"] += 1
            elif status == "succeeded" and source in self.failing and day >= self.failing[source]:
                del self.failing[source]
                self.expected["over"] += 1
            elif status == "failed" and error_class not in NO_FAULT:
                self.expected[f"source_failed:{source}"] += source not in self.failing
                self.failing[source] = max(day, self.failing.get(source, day))
        refused = connection.execute(
            "select distinct source, (judged_at at time zone 'UTC')::date from ops.observation where verdict = 'refused'"
        )
        for source, day in refused:
            self.expected[f"refused:{source}:{day}"] = 1


def unheard(connection: psycopg.Connection, messages: Iterable[dict[str, Any]]) -> list[str]:
    """What differs between the alerts in the outbox and what the channel heard: each must have been told once."""
    titles = Counter(title for (title,) in connection.execute("select title from ops.alert"))
    heard: Counter[str] = Counter()
    uncounted = 0
    for message in messages:
        title = message["title"].removeprefix("Model Assets: ")
        lines = re.findall(r"(?m)^- (?:error|warning|info): (.*?)\.(?= |$)", message["message"])
        heard.update(lines or [title])
        uncounted += sum(int(more) for more in re.findall(r"(?m)^- and (\d+) more:", message["message"]))
    wrong = [f"{title!r} was told {heard[title]} times and raised {titles[title]} times" for title in heard if heard[title] > titles[title]]
    if heard.total() + uncounted != titles.total():
        wrong.append(f"{titles.total()} alerts were raised, and {heard.total() + uncounted} told")
    return wrong
