"""Which payloads are accepted does not depend on the order in which they are loaded, and neither does the ledger."""

import itertools
import json
import os
from datetime import UTC, datetime, timedelta

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import text

from model_assets import pipeline
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import PayloadRefused
from model_assets.ledger import observations
from model_assets.loading import Report, accept
from model_assets.soundness import unsound
from model_assets.sources import SOURCES

SOURCE = SOURCES["openrouter"]
START = datetime(2026, 1, 1, tzinfo=UTC)
TABLES = "history.listing, history.price, ops.source, ops.observation, ops.quarantine, ops.sync_run, raw.payload, staged.change_set"


def at(step: int) -> datetime:
    return START + timedelta(hours=step)


def payload(size: int, price: int = 1) -> bytes:
    entries = [{"id": f"lab/m{number}", "pricing": {"prompt": f"{price}e-6", "completion": "0"}} for number in range(size)]
    return json.dumps({"data": entries}).encode()


def load(url: str, step: int, body: bytes, source: str = SOURCE.name) -> Report:
    report = Report(source)
    with connect(url) as connection:
        one = observations.record(connection, source, at(step), body, url="http://x", origin="recording")
    try:
        with attempt(url, source, at(step).date(), "test") as running:
            report.add(pipeline.load(url, SOURCES[source], one, running))
    except PayloadRefused as error:
        report.errors.append(str(error))
    return report


def state(url: str) -> tuple[list[tuple[object, ...]], list[tuple[object, ...]]]:
    """(verdict by instant, the ledger), as a dump would have them."""
    with connect(url) as connection:
        verdicts = connection.execute(text("select observed_at, verdict from ops.observation order by 1"))
        claims = connection.execute(text("select listed_id, meter, amount, cast(seen as text) from history.price order by 1, 2, 4"))
        assert not any(unsound(connection).values())
        return [tuple(row) for row in verdicts], [tuple(row) for row in claims]


def empty(url: str) -> None:
    with connect(url) as connection:
        connection.execute(text(f"truncate {TABLES} cascade"))


def test_a_cut_list_is_refused_in_whatever_order_the_days_come(url: str) -> None:
    bodies = {1: payload(60), 2: payload(6), 3: payload(60, 2)}
    states = []
    for order in itertools.permutations(bodies):
        empty(url)
        for step in order:
            load(url, step, bodies[step])
        states.append(state(url))
    assert all(one == states[0] for one in states)
    assert [verdict for _, verdict in states[0][0]] == ["accepted", "refused", "accepted"]


def test_a_list_that_turns_out_to_be_cut_is_named_with_what_to_do(url: str) -> None:
    assert load(url, 2, payload(6)).errors == []
    [said] = load(url, 1, payload(60)).errors
    assert "openrouter 2026-01-01T02:00Z was refused: the payload lists 6 models, 90% fewer than the 60" in said
    assert said.endswith("model-assets accept openrouter 2026-01-01T02:00Z")


def test_what_was_taken_back_can_be_accepted_and_then_stays(url: str) -> None:
    load(url, 2, payload(6))
    load(url, 1, payload(60))
    accept(url, SOURCE, at(2), "somebody")
    load(url, 0, payload(59))
    assert [verdict for _, verdict in state(url)[0]] == ["accepted", "accepted", "accepted"]


def test_a_list_that_was_refused_for_its_size_is_accepted_when_the_one_before_it_turns_out_to_be_too_long(url: str) -> None:
    load(url, 2, payload(100))
    load(url, 3, payload(60))
    assert [verdict for _, verdict in state(url)[0]] == ["accepted", "refused"]
    load(url, 1, payload(130))
    assert [verdict for _, verdict in state(url)[0]] == ["accepted", "refused", "refused"]
    load(url, 2, payload(65))
    load(url, 1, payload(70))
    assert dict(state(url)[0])[at(3)] == "accepted"


@settings(
    max_examples=int(os.environ.get("LEDGER_EXAMPLES", "15")), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(sizes=st.lists(st.tuples(st.integers(4, 14), st.integers(1, 2)), min_size=2, max_size=5), data=st.data())
def test_any_order_ends_with_the_verdicts_and_the_ledger_of_the_order_of_time(
    url: str, sizes: list[tuple[int, int]], data: st.DataObject
) -> None:
    bodies = [payload(size, price) for size, price in sizes]
    empty(url)
    for step, body in enumerate(bodies):
        load(url, step, body)
    in_time = state(url)
    empty(url)
    for step in data.draw(st.permutations(range(len(bodies)))):
        load(url, step, bodies[step])
    assert state(url) == in_time


def test_counters_are_those_of_the_newest_payload_that_stays_accepted_in_whatever_order_the_days_come(url: str) -> None:
    def models(size: int, likes: int) -> bytes:
        return json.dumps([{"id": f"lab/m{number}", "likes": likes} for number in range(size)]).encode()

    # the third is cut; the second says the same as the first
    bodies = {1: models(60, 1), 2: models(60, 1), 3: models(6, 3)}
    for order in itertools.permutations(bodies):
        empty(url)
        with connect(url) as connection:
            connection.execute(text("truncate ops.popularity"))
        for step in order:
            load(url, step, bodies[step], "huggingface")
        with connect(url) as connection:
            kept = connection.execute(text("select observed_at, likes, count(*) from ops.popularity group by 1, 2")).all()
        assert kept == [(at(2), 1, 60)], order
