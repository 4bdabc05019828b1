"""A block in the user's crontab. All other lines stay as they are, byte for byte, and mean what they meant: the block sets no variables."""

import shlex
from datetime import UTC, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

from model_assets.errors import ModelAssetsError
from model_assets.schedule.plan import Plan, environment_file, rendered, write
from model_assets.schedule.programs import run, said

BEGIN = b"# >>> model-assets: `model-assets install-schedule cron` writes all down to the end mark >>>\n"
END = b"# <<< model-assets <<<\n"
SEND = '{command} alerts send 9>&- || echo "$(now) [Sync] alerts were not sent, exit code $?"\n'
NO_CRON = "Install cron (Debian: apt-get install cron), or use `model-assets install-schedule systemd`."


def log_of(plan: Plan) -> Path:
    """Where what the syncs say is appended."""
    return plan.log_file or plan.home / "logs" / "schedule.log"


def files(plan: Plan) -> dict[Path, tuple[str, int]]:
    """path -> (content, mode) of what the block needs."""
    environment, script = plan.folder / "cron.env", plan.folder / "sync.sh"
    values = {
        "ENVIRONMENT": shlex.quote(str(environment)),
        "PROJECT": shlex.quote(str(plan.project)),
        "LOCK": shlex.quote(str(plan.folder / "sync.lock")),
        "COMMAND": shlex.join(plan.command),
        "ALERTS": SEND.format(command=shlex.join(plan.command)) if plan.alerting else "",
    }
    return {environment: (environment_file(plan.variables), 0o600), script: (rendered("sync.sh", values), 0o700)}


def line(plan: Plan, utc: bool) -> str:
    """The line of the crontab. `utc`: the machine's zone is UTC all year.

    Cron knows no zone but the machine's. Elsewhere a daily schedule is looked at each quarter of an hour (all zones differ from UTC by
    quarters) and runs at its minute of UTC; another schedule is in the machine's time.
    """
    script = _cron_word(str(plan.folder / "sync.sh"))
    logged = f"{script} >> {_cron_word(str(log_of(plan)))} 2>&1"
    if utc or plan.daily_at is None:
        return f"{plan.schedule} {logged}"
    hour, minute = plan.daily_at
    quarters = ",".join(str(one) for one in sorted((minute + shift) % 60 for shift in (0, 15, 30, 45)))
    return f'{quarters} * * * * test "$(date -u +\\%H\\%M)" = {hour:02}{minute:02} && {logged}'


def _cron_word(text: str) -> str:
    """A word for the shell in a crontab, where a % would end the command."""
    return shlex.quote(text).replace("%", "\\%")


def in_utc(local_time: Path = Path("/etc/localtime"), year: int | None = None) -> bool:
    """Whether the machine's zone is UTC all year; London's is not."""
    if not local_time.exists():
        return True
    with local_time.open("rb") as file:
        zone = ZoneInfo.from_file(file)
    year = year or datetime.now(UTC).year
    return not any(datetime(year, month, 15, tzinfo=zone).utcoffset() for month in range(1, 13))


def with_block(crontab: bytes, block: bytes) -> bytes:
    """`crontab` with `block` where ours is, or at the end; an empty one takes ours out.

    Raises ModelAssetsError where a mark has lost its other half: what is ours cannot be told then.
    """
    before, begun, rest = crontab.partition(BEGIN)
    ours, ended, after = rest.partition(END)
    if bool(begun) != bool(ended) or any(mark in part for mark in (BEGIN, END) for part in (before, ours, after)):
        raise ModelAssetsError(
            f"the marks {BEGIN.decode().strip()!r} and {END.decode().strip()!r} in the crontab are not one pair. Mend them with `crontab -e`."
        )
    if begun:
        return before + block + after
    if not block:
        return crontab
    return crontab + (b"" if crontab.endswith(b"\n") or not crontab else b"\n") + block


def read() -> bytes:
    """This user's crontab; empty where there is none. Raises ModelAssetsError where it cannot be read."""
    done = run("crontab", "-l", missing=NO_CRON)
    if done.returncode == 0:
        return done.stdout
    if b"no crontab for" in done.stderr:
        return b""
    raise ModelAssetsError(f"the crontab cannot be read ({said(done)}), and nothing was changed. Let this user use cron, or use systemd.")


def replace(block: bytes) -> None:
    """Put `block` into this user's crontab, in place of the one there; an empty one takes it out. Raises ModelAssetsError."""
    found = read()
    wanted = with_block(found, block)
    if wanted == found:
        return
    done = run("crontab", "-", given=wanted, missing=NO_CRON)
    if done.returncode:
        raise ModelAssetsError(f"cron did not take the new crontab ({said(done)}); the old one stays. Correct what it names.")


def install(plan: Plan, utc: bool) -> None:
    """The files are written and the crontab has the block afterwards. Raises ModelAssetsError."""
    read()  # first of all: without cron, nothing is written
    for path, (content, mode) in files(plan).items():
        write(path, content, mode)
    log_of(plan).parent.mkdir(parents=True, exist_ok=True)
    replace(BEGIN + line(plan, utc).encode() + b"\n" + END)


def remove(plan: Plan) -> None:
    """The block and its files are gone afterwards; the log stays."""
    replace(b"")
    for path in files(plan):
        path.unlink(missing_ok=True)
