"""Disasters in the middle of a sync: a worker killed, Postgres killed, sessions terminated, two syncs at once; and the sync after them."""

import random
import time
from collections.abc import Callable
from contextlib import suppress
from datetime import timedelta
from typing import TYPE_CHECKING

from bench.soak.faults import Day
from bench.soak.processes import WorkerGone, deadly_point

if TYPE_CHECKING:
    from bench.soak.days import Soak

RETRY = timedelta(minutes=10)


def sync_with_disasters(soak: "Soak", number: int, plan: Day, chance: random.Random) -> dict[str, list[str]]:
    """The day's sync; after a disaster once more, ten minutes later. Returns what went wrong in the last."""
    if "two syncs at once" in plan.others:
        return _two_at_once(soak, number, plan)
    if "worker killed" in plan.others:
        _kill_worker(soak, number, plan, chance)
    elif "Postgres killed" in plan.others:
        _with_a_blow(soak, number, plan, chance, "Postgres was killed", _shoot)
    elif "session terminated" in plan.others:
        _with_a_blow(soak, number, plan, chance, "sessions were terminated", _terminate)
    else:
        return soak.sync(plan)
    soak.clock.set(soak.at(number) + RETRY)
    errors = soak.sync(plan)
    late = [name for name, said in errors.items() if said and not plan.lasting(name)]
    soak.syncs_to_recover.append(2 if late else 1)
    return errors


def _kill_worker(soak: "Soak", number: int, plan: Day, chance: random.Random) -> None:
    """Kill the second worker at a random point of its sync, or at a random time."""
    by_point = chance.random() < 0.7
    soak.spare.do("ready")
    soak.spare.ask("sync", **soak.asked(plan, deadly_point(chance) if by_point else None))
    if by_point:
        with suppress(WorkerGone):
            soak.spare.answer()  # the point was not reached: it dies idle
    else:
        time.sleep(chance.uniform(0, soak.seconds_of_sync))
    soak.spare.kill()
    soak.claims.look(number, "a worker that is killed with SIGKILL is gone", [] if soak.spare.process.returncode == -9 else ["it lives"])
    soak.spare = soak.new_worker()


def _with_a_blow(soak: "Soak", number: int, plan: Day, chance: random.Random, words: str, blow: Callable[["Soak"], bool]) -> None:
    """A sync in whose middle something happens to the database."""
    soak.worker.ask("sync", **soak.asked(plan))
    time.sleep(chance.uniform(0, soak.seconds_of_sync * 0.7))
    hit = blow(soak)
    answer = soak.worker.answer()
    soak.claims.look(number, f"{words} in the middle of a sync, and the worker lived on", [] if hit and answer else ["nothing was hit"])


def _shoot(soak: "Soak") -> bool:
    """Kill the server and start it again."""
    soak.server.shoot()
    soak.server.start()
    return True


def _terminate(soak: "Soak") -> bool:
    """Terminate half of the worker's sessions, as an administrator or a proxy may."""
    with soak.server.connect() as admin:
        query = "select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'model-assets' and datname = 'soak' and pid % 2 = 0"
        return bool(admin.execute(query).fetchall()) or bool(admin.execute(query.replace("= 0", "= 1")).fetchall())


def _two_at_once(soak: "Soak", number: int, plan: Day) -> dict[str, list[str]]:
    """Two workers sync at the same time: of each source one goes first, and both may succeed one after the other."""
    soak.spare.do("ready")
    asked = soak.asked(plan)
    for worker in (soak.worker, soak.spare):
        worker.ask("sync", **asked)
    one, other = (worker.answer()["done"] for worker in (soak.worker, soak.spare))
    busy = [name for name in one if one[name] and other[name] and not plan.lasting(name)]
    soak.claims.look(number, "of two syncs at once, one of each source succeeds", busy)
    return {name: [] if not one[name] or not other[name] else one[name] for name in one}
