"""The soak, a day at a time: the world moves on, the sources are read with their faults, alerts are sent, and everything is looked at."""

import random
import time
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import yaml

from bench.soak import faults, imports
from bench.soak.books import Alerts, unheard
from bench.soak.claims import Claims
from bench.soak.clock import Clock
from bench.soak.disasters import sync_with_disasters
from bench.soak.faults import Day
from bench.soak.growth import Growth
from bench.soak.oracle import Oracle
from bench.soak.payloads import Files, render
from bench.soak.processes import Worker
from bench.soak.server import Server
from bench.soak.web import Listener, Web
from bench.soak.world import World
from model_assets import database
from model_assets.soundness import unsound

LOOK = timedelta(hours=1)  # after the sync
SETTLING = timedelta(minutes=1)  # what ended just now is told of a little later
COMPARED_EVERY, PURGED_EVERY, SETTLED_EVERY = 50, 7, 5  # days
REMEMBERED = 12  # days of payloads, for what comes late
EXPLAINED = 5  # days in which a doubt follows from what was odd about prices: by then all that follows from the ledger was made anew

PUBLISHED = "a source without a lasting fault is published that day"
STOPPED = "a source with a lasting fault is not published that day"


class Soak:
    """One soak. `start` is the first day's 02:00 UTC; the last day is about now, since the ledger takes nothing from the future."""

    def __init__(self, folder: Path, seed: int, days: int, models: int, claims: Claims) -> None:
        self.folder, self.seed, self.claims = folder, seed, claims
        self.start = datetime.now(UTC).replace(hour=2, minute=0, second=0, microsecond=0) - timedelta(days=days + 1)
        self.world = World(seed, models)
        self.clock, self.web, self.listener = Clock(folder), Web(), Listener()
        self.alerts, self.oracle, self.growth = Alerts(), Oracle(), Growth()
        self.past: dict[int, dict[str, Files]] = {}
        self.recovering: dict[str, int] = {}
        self.syncs_to_recover: list[int] = []
        self.last_odd_day = -EXPLAINED
        self.seconds_of_sync = 0.5
        self.clean_days = self.false_alerts = 0

    def open(self) -> None:
        """Start the server and the workers, and migrate."""
        self.clock.set(self.start - timedelta(hours=1))
        self.server = Server(self.folder, self.clock)
        self.server.start()
        with self.server.connect("postgres") as admin:
            admin.execute("create database soak")
        self.url = self.server.url()
        self.write_files({"curated": b"models: []"}, ("one", "two"))
        self.worker, self.spare = self.new_worker(), self.new_worker()
        self.worker.do("migrate")

    def new_worker(self) -> Worker:
        """A worker, which takes a second to come up."""
        return Worker(self.folder, self.clock, self.url)

    def close(self) -> None:
        """End everything that was started."""
        for worker in (getattr(self, "worker", None), getattr(self, "spare", None)):
            if worker:
                worker.end()
        if hasattr(self, "url"):
            database.engine(self.url).dispose()
        if hasattr(self, "server"):
            self.server.stop()
        self.web.close()
        self.listener.close()

    def write_files(self, files: Mapping[str, bytes], feeds: tuple[str, ...] = ()) -> None:
        """What two sources read from the disk."""
        (self.folder / "curated.yml").write_bytes(files["curated"])
        if feeds:
            (self.folder / "feeds.yml").write_text(yaml.safe_dump({"feeds": [f"{self.web.base('news')}/{feed}.xml" for feed in feeds]}))

    def at(self, number: int, hours: float = 0) -> datetime:
        """An instant of a day, counted from its sync."""
        return self.start + timedelta(days=number, hours=hours)

    # --- one day ------------------------------------------------------------------------------------------------------------------------

    def run(self, number: int) -> None:
        """Live through a day."""
        plan, chance = faults.schedule(self.seed, number), random.Random(f"{self.seed} chance {number}")
        self.serve(number, plan, chance)
        self.clock.set(self.at(number))
        self.listener.down = faults.channel_is_down(self.seed, number)
        errors = sync_with_disasters(self, number, plan, chance)
        self.judge(number, plan, errors)
        imports.late_and_twice(self, number, plan, chance)
        self.evening(number, plan, chance)
        self.check(number, plan)

    def serve(self, number: int, plan: Day, chance: random.Random) -> None:
        """Put the day's payloads on the servers, spoiled where a fault says so."""
        clean = {name: render(name, self.world) for name in faults.SOURCES}
        self.past[number] = clean
        self.past.pop(number - REMEMBERED, None)
        older = self.past.get(number - chance.randint(1, 3), clean)
        self.web.faults, self.web.files = dict(plan.upstream), {}
        self.web.met.clear()
        for name, files in clean.items():
            self.web.files[name] = faults.spoiled(name, plan.upstream.get(name, ""), files, older[name])
        self.write_files({"curated": self.web.files["curated"][""]})

    def asked(self, plan: Day, die: object = None) -> dict[str, Any]:
        """What a worker is told of the day's sync."""
        impatient = [name for name, fault in plan.upstream.items() if fault in (*faults.SLOW, "connection refused")]
        return {"bases": {name: self.web.base(name) for name in faults.SOURCES}, "impatient": impatient, "die": die}

    def sync(self, plan: Day) -> dict[str, list[str]]:
        """A sync without disasters: what went wrong, by source."""
        began = time.monotonic()
        found: dict[str, list[str]] = self.worker.do("sync", **self.asked(plan))
        if not plan.upstream:
            self.seconds_of_sync = time.monotonic() - began
        return found

    # --- what must be true of it --------------------------------------------------------------------------------------------------------

    def judge(self, number: int, plan: Day, errors: dict[str, list[str]]) -> None:
        """Whether what was published is what had to be."""
        due = [name for name in faults.SOURCES if not plan.lasting(name)]
        self.claims.look(number, PUBLISHED, [f"{name} ({plan.upstream.get(name, 'no fault')}): {errors[name]}" for name in due if errors[name]],
                         times=len(due), share=0.999)  # fmt: skip
        lasting = [name for name in faults.SOURCES if plan.lasting(name)]
        if lasting:
            passed = [f"{name}: {plan.upstream[name]}" for name in lasting if not errors[name]]
            self.claims.look(number, STOPPED, passed, times=len(lasting))
        for name in lasting:
            self.recovering[name] = 0
        for name in due:
            if name in self.recovering:
                self.recovering[name] += 1
                if not errors[name]:
                    self.syncs_to_recover.append(self.recovering.pop(name))
        unmet = [f"{name}: {fault}" for name, fault in plan.upstream.items() if name != "curated" and not self.web.met[name]]
        if plan.upstream:
            self.claims.look(number, "a fault of a source was met by a request", unmet, times=len(plan.upstream))

    def evening(self, number: int, plan: Day, chance: random.Random) -> None:
        """An hour later: what is stuck is freed, what is old taken away, what follows from the ledger made, and alerts are sent."""
        self.clock.set(self.at(number) + LOOK)
        if "stuck row" in plan.others:
            with self.server.connect() as connection:
                connection.execute(
                    "insert into ops.sync_run (source, day, started_by, started_at) values (%s, %s, 'the soak', now() - interval '3 hours')",
                    [chance.choice(faults.SOURCES), self.at(number - 30).date()],
                )
        self.worker.do("free stuck")
        if number % PURGED_EVERY == 0:
            self.worker.do("purge")
        if "a price a thousand times too high" in plan.upstream.values() or number % SETTLED_EVERY == 0:
            self.worker.do("settle")
        self.clock.set(self.at(number) + LOOK + SETTLING)
        said = self.worker.do("look", listener=self.listener.url)
        expected = self.listener.down
        reached = [] if expected or not any(said) else [f"a channel that is up was not reached: {said}"]
        self.claims.look(number, "a channel that is up is reached", reached)

    def check(self, number: int, plan: Day) -> None:
        """Look at everything that must hold at the end of a day."""
        with self.server.connect() as connection:
            missing, many = self.alerts.follow(connection)
            self.claims.look(number, "each failure, refusal, end of a failure and abandoned sync is told, once",
                             [f"{one} was not told" for one in missing] + [f"{one} was told too often" for one in many],
                             times=1 + len(plan.upstream))  # fmt: skip
            self.doubts(number, plan)
            idle = connection.execute("select pid from pg_stat_activity where state like 'idle in transaction%'").fetchall()
            running = connection.execute("select run_id from ops.sync_run where status = 'running'").fetchall()
            self.claims.look(number, "no session idles in a transaction, and no sync is left running", [str(one) for one in idle + running])
            self.growth.note(number, self.worker.resident_mib, connection)
            if number % COMPARED_EVERY == 0:
                self.compare(number, connection)
            else:
                self.oracle.read(connection)
        if plan.upstream or plan.others or number % COMPARED_EVERY == 0:
            self.sound(number)

    def doubts(self, number: int, plan: Day) -> None:
        """A price that nobody confirms is told of on the same day; a digest of doubts that follows from nothing wrong is a false alert."""
        told = str(self.at(number).date()) in self.alerts.doubts
        wrong = [name for name, fault in plan.upstream.items() if fault == "a price a thousand times too high"]
        if wrong:
            self.claims.look(number, "a price a thousand times too high is told of as doubtful", [] if told else wrong)
        if self.world.swung or "past day imported late" in plan.others or plan.upstream.keys() & set(faults.PRICES):
            self.last_odd_day = number
        if number - self.last_odd_day > EXPLAINED:
            self.clean_days += 1
            self.false_alerts += told

    def compare(self, number: int, connection: Any) -> None:
        """The whole ledger against the replay."""
        compared, wrong = self.oracle.differences(connection)
        self.claims.look(number, "the ledger equals a plain replay of the accepted payloads, claim by claim", wrong, times=compared)

    def sound(self, number: int) -> None:
        """All that `verify-db` asks, which is what must hold whatever happened."""
        with database.connect(self.url) as connection:
            found = unsound(connection)
        broken = [f"{claim}: {example}" for claim, examples in found.items() for example in examples]
        self.claims.look(number, "the database is sound (all that verify-db asks)", broken, times=len(found))

    def finish(self, number: int) -> None:
        """The last looks, after the last day."""
        self.listener.down = False
        self.clock.set(self.at(number) + timedelta(hours=5))
        self.worker.do("look", listener=self.listener.url)
        with self.server.connect() as connection:
            self.compare(number, connection)
            self.claims.look(number, "each alert was heard once, late ones after the channel was down", unheard(connection, self.listener.messages),
                             times=max(1, self.alerts.raised.total() + len(self.alerts.doubts)))  # fmt: skip
        self.sound(number)
        if self.syncs_to_recover:
            p95 = sorted(self.syncs_to_recover)[int(0.95 * (len(self.syncs_to_recover) - 1))]
            self.claims.look(number, "syncs until a source is published again: p95 below 2", [] if p95 < 2 else [f"p95 is {p95}"],
                             times=len(self.syncs_to_recover))  # fmt: skip
        if self.clean_days:
            most = max(self.clean_days / 100, 1)
            self.claims.look(number, "at most one digest of doubts in 100 days on which nothing is odd about prices",
                             [] if self.false_alerts <= most else [str(self.false_alerts)], times=self.clean_days)  # fmt: skip
            print(f"false alerts: {self.false_alerts} on {self.clean_days} clean days")
        self.growth.judge(self.claims, number)
