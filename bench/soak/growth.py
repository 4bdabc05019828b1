"""How memory and the database grow: in a straight line, by what is kept."""

from dataclasses import dataclass

import psycopg

from bench.soak.claims import Claims

WARM = 0.1  # of the days: caches fill, tables are made
MOST = 0.05  # above the line that the earlier days make
EVERY = 5  # days between two looks at the size of the database


@dataclass(frozen=True)
class Sample:
    """What was in use at the end of a day."""

    day: int
    resident_mib: float
    database_mib: float | None
    payload_mib: float
    claims: int


class Growth:
    """Samples of the worker's memory, each day, and of the database's size."""

    def __init__(self) -> None:
        self.samples: list[Sample] = []

    def note(self, day: int, resident_mib: float, connection: psycopg.Connection) -> None:
        """Take a sample."""
        size, payloads, claims = None, 0, 0
        if day % EVERY == 0 or not self.samples:
            [(size, payloads, claims)] = connection.execute(
                "select pg_database_size(current_database()), (select sum(octet_length(gzip)) from raw.body), (select count(*) from history.listing)"
                " + (select count(*) from history.price) + (select count(*) from history.score) + (select count(*) from history.mention)"
            )
        self.samples.append(Sample(day, resident_mib, size and size / 2**20, float(payloads or 0) / 2**20, claims))

    def judge(self, claims: Claims, number: int) -> None:
        """Compare the end with the line through the days before; with fewer than 40 days there is no line to speak of."""
        sized = [one for one in self.samples if one.database_mib is not None]
        first, last = sized[0], sized[-1]
        print(
            f"memory of the worker: {self.samples[0].resident_mib:.0f} MiB after the first day, {self.samples[-1].resident_mib:.0f} MiB after the last\n"
            f"database: {first.database_mib:.0f} -> {last.database_mib:.0f} MiB in {last.day - first.day} days;"
            f" payloads {first.payload_mib:.1f} -> {last.payload_mib:.1f} MiB, claims {first.claims:,} -> {last.claims:,}"
        )
        warm = [one for one in self.samples if one.day - self.samples[0].day >= WARM * len(self.samples)]
        if len(self.samples) < 40:
            return
        memory = [(one.day, one.resident_mib) for one in warm]
        size = [(one.day, one.database_mib) for one in warm if one.database_mib is not None]
        for words, points in (("the worker's memory", memory), ("the database", size)):
            above, slope = above_the_line(points)
            bad = [] if above < MOST else [f"{above:.1%} above"]
            print(f"{words}: {slope * 100:+.1f} MiB in 100 days; at the end {above:+.1%} against the line of the days before")
            claims.look(number, f"{words} grows no faster than in a straight line (less than 5 % above)", bad, times=len(points))


def above_the_line(points: list[tuple[int, float]]) -> tuple[float, float]:
    """(by which share the mean of the last quarter is above the line through the first three, the slope of that line a day)."""
    cut = len(points) * 3 // 4
    early, late = points[:cut], points[cut:]
    mean_day, mean = sum(day for day, _ in early) / len(early), sum(value for _, value in early) / len(early)
    spread = sum((day - mean_day) ** 2 for day, _ in early)
    slope = sum((day - mean_day) * (value - mean) for day, value in early) / spread
    expected = sum(mean + slope * (day - mean_day) for day, _ in late) / len(late)
    return sum(value for _, value in late) / len(late) / expected - 1, slope
