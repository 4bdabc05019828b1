"""`sync` against servers on loopback that replay the bundled recordings: side by side, dry, busy, and with a source that fails."""

import dataclasses
import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from model_assets import loading, pipeline, recording_files
from model_assets.attempts import attempt
from model_assets.database import connect
from model_assets.errors import DatabaseDown
from model_assets.fetching import patience
from model_assets.fetching.http import Policy
from model_assets.settings import BUNDLED_RECORDINGS
from model_assets.sources import SOURCES
from model_assets.sources.base import Source
from model_assets_tests.conftest import Run
from model_assets_tests.fetching.misbehaving import Answer, answer, serving
from model_assets_tests.shared_data import BUNDLED

ONCE = Policy(attempts=1, connect_timeout=2, read_timeout=5, body_deadline=10, total_deadline=15, allow_loopback=True)
Serve = Callable[..., Source]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Serves answers on loopback, and gives the source that reads them there."""
    with ExitStack() as servers:
        yield lambda name, *answers: dataclasses.replace(SOURCES[name], url=servers.enter_context(serving(*answers)).url())


def body(name: str, day: int) -> bytes:
    return gzip.decompress((BUNDLED_RECORDINGS / name / f"2026-05-{day}T0200Z.json.gz").read_bytes())


def replay(name: str, day: int = 18) -> bytes:
    return answer(200, body(name, day), "Content-Type: application/json", f'ETag: "{name}-{day}"')


def quiet(_: str) -> None:
    pass


def sync(url: str, *sources: Source, dry_run: bool = False) -> dict[str, loading.Report]:
    return {report.source: report for report in loading.sync(url, sources, ONCE, quiet, dry_run=dry_run)}


def load_first_day(url: str) -> None:
    first = [one for one in recording_files.find(BUNDLED_RECORDINGS, SOURCES).recordings if one.observed_at.day == 18]
    assert [report.errors for report in loading.import_recordings(url, first, quiet)] == [[]] * len(BUNDLED)


def contents(url: str) -> dict[str, tuple[int, str]]:
    """table -> (rows, digest of them all), for everything that is stored."""
    with connect(url) as connection:
        tables = connection.execute(
            text(
                "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname in ('raw', 'staged', 'history', 'ops', 'catalog')"
            )
        ).scalars()
        count = "select count(*), coalesce(md5(string_agg(t::text, chr(10) order by t::text)), '') from {} t"
        return {table: tuple(connection.execute(text(count.format(table))).one()) for table in tables}


def served(url: str) -> dict[str, int]:
    with connect(url) as connection:
        rows = connection.execute(text("select source, count(*) as prices from catalog.price_claim group by source"))
        return {row.source: row.prices for row in rows}


def runs(url: str) -> list[tuple[str, str, str | None]]:
    with connect(url) as connection:
        found = connection.execute(text("select source, status, error_class from ops.sync_run order by source, run_id"))
        return [tuple(row) for row in found]


# --- side by side -----------------------------------------------------------------------------------------------------------------------


def test_all_sources_are_read_side_by_side_and_merged(url: str, serve: Serve) -> None:
    everyone_asked = threading.Barrier(len(BUNDLED), timeout=20)

    def together(name: str) -> Callable[[socket.socket], None]:
        def say(connection: socket.socket) -> None:
            everyone_asked.wait()  # breaks, and nobody is answered, unless as many requests wait at the same time
            time.sleep(0.5)
            connection.sendall(replay(name))

        return say

    started = time.monotonic()
    reports = sync(url, *(serve(name, together(name)) for name in BUNDLED))
    took = time.monotonic() - started
    assert {name: report.errors for name, report in reports.items()} == {name: [] for name in BUNDLED}
    assert took < sum(report.seconds for report in reports.values())
    assert {name: report.prices for name, report in reports.items()} == {
        name: reports[name].added - reports[name].listings for name in BUNDLED
    }
    assert all(served(url)[name] > 200 for name in BUNDLED if reports[name].prices)
    assert runs(url) == [(name, "succeeded", None) for name in sorted(BUNDLED)]


def test_a_slow_source_costs_the_others_nothing(url: str, serve: Serve) -> None:
    def slow(connection: socket.socket) -> None:
        time.sleep(1.5)
        connection.sendall(replay("openrouter"))

    reports = sync(url, serve("openrouter", slow), serve("litellm", replay("litellm")))
    assert reports["openrouter"].seconds > 1.5 > reports["litellm"].seconds


def test_sources_that_fail_are_named_and_do_not_stop_the_others(url: str, serve: Serve) -> None:
    reports = sync(
        url,
        serve("models_dev", answer(503)),
        serve("litellm", answer(200, b"<html>just a moment</html>")),
        serve("genai_prices", answer(200, body("genai_prices", 18)[:5000], length=90_000)),
        serve("openrouter", replay("openrouter")),
    )
    assert all(report.errors[0].startswith(name) for name, report in reports.items() if name != "openrouter")
    assert "answered 503" in reports["models_dev"].errors[0]
    assert "was refused" in reports["litellm"].errors[0]
    assert "body that was cut" in reports["genai_prices"].errors[0]
    assert reports["openrouter"].errors == []
    assert served(url).keys() == {"openrouter"}
    assert runs(url) == [
        ("genai_prices", "failed", "FetchFailed:cut"),
        ("litellm", "refused", "PayloadRefused"),
        ("models_dev", "failed", "FetchFailed:status"),
        ("openrouter", "succeeded", None),
    ]


def test_a_fault_that_nobody_foresaw_is_one_line_with_its_place_and_does_not_stop_the_others(url: str, serve: Serve) -> None:
    broken = dataclasses.replace(serve("litellm", replay("litellm")), parse=lambda payload: payload["no such key"])  # type: ignore[index]
    reports = sync(url, broken, serve("openrouter", replay("openrouter")))
    [said] = reports["litellm"].errors
    assert said.startswith("litellm was not loaded: KeyError: 'no such key' (base.py, line ")
    assert reports["openrouter"].errors == []
    assert runs(url) == [("litellm", "failed", "KeyError"), ("openrouter", "succeeded", None)]


def test_what_a_source_still_serves_is_not_sent_again_and_writes_no_claim(url: str, serve: Serve) -> None:
    source = serve("openrouter", replay("openrouter"), answer(304, b"", 'ETag: "openrouter-18"'))
    first = sync(url, source)["openrouter"]
    time.sleep(1.1)  # live observations are told apart by the second
    before = contents(url)
    second = sync(url, source)["openrouter"]
    assert (second.errors, second.observations, second.added, second.changed, second.closed) == ([], 1, 0, 0, 0)
    assert (second.listings, second.prices) == (first.listings, first.prices)
    after = contents(url)
    assert {table for table in after if after[table] != before[table]} == {
        "raw.payload", "ops.observation", "ops.source", "ops.sync_run", "ops.move"
    }  # fmt: skip


# --- a dry run --------------------------------------------------------------------------------------------------------------------------


def test_a_dry_run_brings_the_lines_of_the_change_set_and_writes_nothing_at_all(url: str, serve: Serve) -> None:
    load_first_day(url)
    before = contents(url)
    assert len(before) > 15
    reports = sync(url, *(serve(name, replay(name, 19)) for name in BUNDLED), dry_run=True)
    assert contents(url) == before
    assert {name: report.errors for name, report in reports.items()} == {name: [] for name in BUNDLED}
    found = reports["openrouter"]
    lines = {(line.change, line.relation, line.listed_id, line.what, line.before, line.after) for line in found.changes}
    assert ("changed", "price", "deepseek/deepseek-v4-flash", "input standard USD", "0.126", "0.112") in lines
    assert {line[2] for line in lines if line[:2] == ("opened", "listing")} == {"inclusionai/ring-2.6-1t"}
    assert len(found.changes) == found.added + found.changed + found.closed


def test_a_dry_run_does_what_the_sync_after_it_does(url: str, serve: Serve) -> None:
    load_first_day(url)
    source = serve("models_dev", replay("models_dev", 20))
    dry, wet = sync(url, source, dry_run=True)["models_dev"], sync(url, source)["models_dev"]
    counted = ("observations", "listings", "prices", "price_values", "added", "changed", "closed", "quarantined", "unmapped")
    assert {name: getattr(dry, name) for name in counted} == {name: getattr(wet, name) for name in counted}
    assert wet.changed > 0


def test_a_dry_run_of_what_is_held_already_changes_nothing_and_counts_what_is_there(url: str, serve: Serve) -> None:
    load_first_day(url)
    report = sync(url, serve("litellm", replay("litellm", 18)), dry_run=True)["litellm"]
    assert (report.errors, report.changes, report.added, report.changed, report.closed) == ([], [], 0, 0, 0)
    assert report.listings == 117
    assert report.prices > 400


def test_a_dry_run_says_that_the_gate_would_refuse_and_keeps_nothing_of_it(url: str, serve: Serve) -> None:
    load_first_day(url)
    short = json.dumps({"data": json.loads(body("openrouter", 19))["data"][:10]}).encode()
    before = contents(url)
    reports = sync(url, serve("openrouter", answer(200, short)), serve("litellm", answer(200, b"[]")), dry_run=True)
    assert contents(url) == before
    assert "would be refused: the payload lists 10 models, 84% fewer" in reports["openrouter"].errors[0]
    assert len(reports["litellm"].errors) == 1


# --- two at once ------------------------------------------------------------------------------------------------------------------------


def test_of_two_syncs_of_one_source_one_runs_and_the_other_says_which_run_holds_it(url: str) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def held(connection: socket.socket) -> None:
        asked.set()
        go_on.wait(20)
        connection.sendall(replay("openrouter"))

    with serving(held) as server:
        source = dataclasses.replace(SOURCES["openrouter"], url=server.url())
        first: dict[str, loading.Report] = {}
        running = threading.Thread(target=lambda: first.update(sync(url, source)))
        running.start()
        assert asked.wait(20)
        second = sync(url, source)["openrouter"]
        go_on.set()
        running.join(30)
        assert server.connections == 1
    with connect(url) as connection:
        [run_id] = connection.execute(text("select run_id from ops.sync_run")).scalars()
    assert f"is being synced by run {run_id} (model-assets sync, since " in second.errors[0]
    assert first["openrouter"].errors == []
    assert served(url).keys() == {"openrouter"}


def test_a_source_that_is_held_does_not_hold_the_others(url: str, serve: Serve) -> None:
    with attempt(url, "openrouter", pipeline.today(), "somebody else") as holder:
        reports = sync(url, serve("openrouter", replay("openrouter")), serve("litellm", replay("litellm")))
    assert f"by run {holder.run_id} (somebody else, since " in reports["openrouter"].errors[0]
    assert reports["litellm"].errors == []


# --- from the command line --------------------------------------------------------------------------------------------------------------


@pytest.fixture
def command(run: Run, serve: Serve, monkeypatch: pytest.MonkeyPatch) -> Run:
    """Runs the command line with sources on loopback that serve `answers`; returns (exit code, stdout, stderr)."""
    monkeypatch.setattr(patience, "fetch_policy", partial(patience.fetch_policy, allow_loopback=True))
    monkeypatch.setenv("MODEL_SYNC_RETRY_ATTEMPTS", "1")

    def go(answers: dict[str, Answer], *words: str) -> tuple[int, str, str]:
        for name, given in answers.items():
            monkeypatch.setitem(SOURCES, name, serve(name, given))
        return run(*words)

    return go


def test_the_command_syncs_every_source_and_brings_the_tables_of_changes_up_to_date(
    url: str, command: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    load_first_day(url)
    for name in SOURCES.keys() - BUNDLED.keys():
        monkeypatch.delitem(SOURCES, name)
    code, out, err = command({name: replay(name, 20) for name in BUNDLED}, "sync")
    assert (code, err) == (0, "")
    assert all(name in out for name in BUNDLED)
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from catalog.price_change where kind = 'changed'")).scalar_one() > 10


def test_the_exit_code_says_that_one_source_failed_and_json_is_all_there_is_on_stdout(command: Run) -> None:
    code, out, err = command({"litellm": answer(404), "openrouter": replay("openrouter")}, "sync", "openrouter", "litellm", "--json")
    assert code == 1
    assert err.startswith("model-assets: litellm: 127.0.0.1:")
    assert "answered 404" in err
    assert err.count("\n") == 1
    found = {one["source"]: one for one in json.loads(out)["sources"]}
    assert list(found) == ["openrouter", "litellm"]
    assert (found["openrouter"]["errors"], found["openrouter"]["listings"]) == ([], 61)
    assert len(found["litellm"]["errors"]) == 1


def test_the_command_prints_the_change_lines_of_a_dry_run_as_a_table_and_as_json(url: str, command: Run) -> None:
    load_first_day(url)
    before = contents(url)
    code, out, err = command({"openrouter": replay("openrouter", 19)}, "sync", "openrouter", "--dry-run")
    assert (code, err) == (0, "")
    [line] = [line for line in out.splitlines() if "deepseek-v4-flash" in line and "input" in line]
    assert "0.126" in line
    assert "0.112" in line
    code, out, err = command({}, "sync", "openrouter", "openrouter", "--dry-run", "--json")
    assert (code, err) == (0, "")
    [report] = json.loads(out)["sources"]
    assert {"change": "changed", "relation": "price", "provider": "openrouter", "listed_id": "deepseek/deepseek-v4-flash",
            "what": "input standard USD", "before": "0.126", "after": "0.112"} in report["changes"]  # fmt: skip
    assert contents(url) == before


def test_a_dry_run_does_not_even_make_tables(server: str, url: str, command: Run) -> None:
    with connect(url) as connection:
        for schema in ("access", "catalog", "history", "staged", "raw", "ops"):
            connection.execute(text(f"drop schema if exists {schema} cascade"))
    code, out, err = command({}, "sync", "--dry-run")
    assert (code, out) == (1, "")
    assert err.endswith("Run `model-assets migrate`.\n")
    with connect(url) as connection:
        assert connection.execute(text("select count(*) from pg_namespace where nspname in ('ops', 'raw')")).scalar() == 0


def test_a_database_that_goes_away_ends_the_sync_with_one_error(url: str, server: str, serve: Serve) -> None:
    def vanish(connection: socket.socket) -> None:
        with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
            admin.execute(f'drop database "{make_url(url).database}" with (force)'.encode())
        connection.sendall(replay("openrouter"))

    with pytest.raises(DatabaseDown, match="does not answer"):
        sync(url, serve("openrouter", vanish))
