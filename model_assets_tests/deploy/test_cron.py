"""`install-schedule cron`: what it does to a crontab, and what cron then does."""

import datetime as dt
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text

from model_assets.database import connect
from model_assets.errors import ModelAssetsError
from model_assets.schedule import cron
from model_assets.schedule.plan import Plan
from model_assets_tests.conftest import Run
from model_assets_tests.deploy.machine import command_line, recorded

BARE = {"HOME": "/", "LOGNAME": "nobody", "SHELL": "/bin/sh", "PATH": "/usr/bin:/bin"}  # what cron sets, and nothing else
OTHERS = b"MAILTO=ann\n# mine\n*/5 * * * * /usr/bin/true # 100\\%\n\n@daily echo \xff\xfe"
BLOCK = cron.BEGIN + b"0 2 * * * it\n" + cron.END
lines = st.lists(st.binary(max_size=20).filter(lambda one: b"\n" not in one), max_size=5).map(
    lambda found: b"".join(one + b"\n" for one in found)
)


def plan(schedule: str = "0 2 * * *", home: str = "/h", log_file: Path | None = None) -> Plan:
    return Plan(schedule, Path(home), {"DATABASE_URL": "postgresql://localhost/db"}, embedded=False, log_file=log_file)


# --- the crontab ------------------------------------------------------------------------------------------------------------------------


@given(before=lines, after=lines)
def test_all_other_lines_stay_byte_for_byte(before: bytes, after: bytes) -> None:
    new = BLOCK.replace(b"it", b"that")
    assert cron.with_block(before + BLOCK + after, new) == before + new + after
    assert cron.with_block(before + BLOCK + after, b"") == before + after
    assert cron.with_block(cron.with_block(before, BLOCK), b"") == before


@pytest.mark.parametrize("broken", [cron.BEGIN, cron.END, cron.END + cron.BEGIN, BLOCK + BLOCK, BLOCK + cron.END], ids=range(5))
def test_a_crontab_with_half_a_block_is_left_alone(broken: bytes) -> None:
    with pytest.raises(ModelAssetsError, match=r"are not one pair. Mend them with `crontab -e`"):
        cron.with_block(broken, BLOCK)


def test_a_schedule_is_installed_once_however_often_and_taken_out_again(run: Run, crontab: Path, home: Path) -> None:
    crontab.write_bytes(OTHERS)
    for _ in range(2):
        code, out, err = run("install-schedule", "cron", "--time", "03:30")
        assert (code, err) == (0, "")
    assert crontab.read_bytes().startswith(OTHERS + b"\n" + cron.BEGIN)
    assert crontab.read_bytes().count(cron.BEGIN) == 1
    assert "cron runs `model-assets sync` at '30 3 * * *' UTC" in out
    assert run("install-schedule", "cron", "--schedule", "0 */6 * * *")[0] == 0
    assert b"\n0 */6 * * * " in crontab.read_bytes()
    assert b"30 3" not in crontab.read_bytes()
    assert run("install-schedule", "cron", "--remove") == (0, "cron does not run syncs any more\n", "")
    assert crontab.read_bytes() == OTHERS + b"\n"
    assert list((home / "schedule").iterdir()) == []


def test_where_there_is_no_crontab_yet_one_is_made(run: Run, crontab: Path, home: Path) -> None:
    assert run("install-schedule", "cron")[0] == 0
    assert crontab.read_bytes().startswith(cron.BEGIN + b"0 2 * * * ")  # the default of MODEL_SYNC_SCHEDULE


def test_the_schedule_of_the_environment_is_the_default(run: Run, crontab: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MODEL_SYNC_SCHEDULE", "@hourly")
    assert run("install-schedule", "cron")[0] == 0
    assert b"\n0 * * * * " in crontab.read_bytes()


def test_a_crontab_that_cron_refuses_leaves_the_old_one(run: Run, crontab: Path, home: Path) -> None:
    crontab.write_bytes(b"refuse me\n")
    code, out, err = run("install-schedule", "cron")
    assert (code, out, crontab.read_bytes()) == (1, "", b"refuse me\n")
    assert 'cron did not take the new crontab ("-":1: bad minute); the old one stays.' in err


def test_secrets_are_in_a_file_of_mode_0600_and_nowhere_else(run: Run, crontab: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PGPASSWORD", "hunter2")
    code, out, err = run("install-schedule", "cron")
    shown = run("install-schedule", "cron", "--dry-run")[1]
    environment = home / "schedule" / "cron.env"
    assert "hunter2" in environment.read_text()
    assert environment.stat().st_mode & 0o777 == 0o600
    for told in (out, err, shown, crontab.read_text(), (home / "schedule" / "sync.sh").read_text()):
        assert "hunter2" not in told
    assert f"{environment} (mode 0600) has DATABASE_URL, " in out
    assert "PGPASSWORD" in out


def test_a_dry_run_changes_nothing(run: Run, crontab: Path, home: Path) -> None:
    code, out, _ = run("install-schedule", "cron", "--dry-run", "--time", "02:00")
    assert (code, crontab.exists(), home.exists()) == (0, False, False)
    assert "0 2 * * * '" in out
    assert "[Sync] started" in out


def test_without_cron_nothing_is_written(run: Run, only: Callable[[dict[str, str]], Path], home: Path) -> None:
    only({})
    code, out, err = run("install-schedule", "cron")
    assert (code, out, home.exists()) == (1, "", False)
    assert "there is no program `crontab` here. Install cron (Debian: apt-get install cron)" in err


def test_without_a_database_nothing_is_written(run: Run, crontab: Path, home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://127.0.0.1:9/nothing")
    code, out, err = run("install-schedule", "cron")
    assert (code, out, crontab.exists(), home.exists()) == (2, "", False, False)
    assert "does not answer" in err


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("cron --time 24:00", "--time is '24:00', which is no time of day. Use 02:00."),
        ("cron --time 2am", "which is no time of day"),
        ("cron --schedule hourly", "--schedule is 'hourly', which is no cron expression"),
        ("cron --schedule '60 * * * *'", "which is no cron expression"),
        ("cron --time 2:00 --schedule '0 2 * * *'", "say the same thing"),
        ("cron --system", "--user and --system are for systemd"),
        ("launchd", "'launchd' is not one of"),
    ],
)
def test_what_cannot_be_installed_is_refused(words: str, said: str, run: Run, crontab: Path, home: Path) -> None:
    code, out, err = run("install-schedule", *shlex.split(words))
    assert (code, out, crontab.exists(), home.exists()) == (2, "", False, False)
    assert said in err


# --- the line ---------------------------------------------------------------------------------------------------------------------------


def test_a_percent_sign_does_not_end_the_command() -> None:
    assert cron.line(plan(home="/50% of it"), True) == (r"0 2 * * * '/50\% of it/schedule/sync.sh' >> '/50\% of it/logs/schedule.log' 2>&1")
    assert cron.line(plan(log_file=Path("/var/log/sync.log")), True).endswith("/h/schedule/sync.sh >> /var/log/sync.log 2>&1")


@pytest.mark.parametrize(("zone", "utc"), [("UTC", True), ("Etc/GMT", True), ("Europe/London", False), ("Asia/Kathmandu", False)])
def test_the_zone_of_the_machine_is_looked_up(zone: str, utc: bool) -> None:
    file = Path("/usr/share/zoneinfo") / zone
    if not file.exists():
        pytest.skip("no time zones here (Debian: apt-get install tzdata)")
    assert cron.in_utc(file, 2026) is utc
    assert cron.in_utc(Path("/nonexistent")) is True


@pytest.mark.parametrize("zone", ["Europe/Berlin", "Asia/Kathmandu", "America/St_Johns", "Australia/Eucla", "Pacific/Kiritimati"])
def test_in_any_zone_a_daily_schedule_runs_once_a_day_at_its_minute_of_utc(zone: str, tmp_path: Path) -> None:
    """The line is taken at its word: at each local minute that its fields name, the shell decides with the date of that moment."""
    line = cron.line(plan("10 2 * * *"), False)
    fields, command = line.split(" ", 5)[:5], line.split(" ", 5)[5].replace("\\%", "%")
    assert fields[1:] == ["*"] * 4
    begin = dt.datetime(2026, 3, 28, tzinfo=dt.UTC)  # over Europe's change to summer time
    moments = [begin + dt.timedelta(minutes=minute) for minute in range(3 * 1440)]
    due = [one for one in moments if str(one.astimezone(ZoneInfo(zone)).minute) in fields[0].split(",")]
    guard = command.partition(" && ")[0]
    (tmp_path / "date").write_text('#!/bin/sh\necho "$NOW"\n')
    (tmp_path / "date").chmod(0o755)
    script = "\n".join(f"export NOW={one:%H%M}; {guard} && echo {one:%dT%H%M}" for one in due)
    ran = subprocess.run(["sh", "-c", script], env={"PATH": f"{tmp_path}:/bin"}, capture_output=True, text=True).stdout.split()
    assert ran == ["28T0210", "29T0210", "30T0210"]


# --- what it does -----------------------------------------------------------------------------------------------------------------------


def synced(url: str) -> list[str]:
    with connect(url) as connection:
        found = connection.execute(text("select source || ' ' || status from ops.sync_run order by run_id"))
        return list(found.scalars())


@pytest.fixture
def installed(run: Run, crontab: Path, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[Path], str]:
    """Installs a schedule of every minute that runs a given command line: the block in the crontab."""

    def install(program: Path) -> str:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "executable", str(program))
            code, _, err = run("install-schedule", "cron", "--schedule", "* * * * *")
        assert (code, err) == (0, "")
        return crontab.read_text()

    return install


def command_of(block: str) -> str:
    return block.splitlines()[1].split(" ", 5)[5].replace("\\%", "%")


def test_what_is_installed_syncs_with_nothing_but_the_environment_of_cron(
    installed: Callable[[Path], str], url: str, home: Path, tmp_path: Path
) -> None:
    with command_line(tmp_path, {"openrouter": recorded("openrouter")}) as program:
        command = command_of(installed(program))
        done = subprocess.run(["/bin/sh", "-c", command], env=BARE, cwd="/", capture_output=True, text=True, timeout=120)
    log = (home / "logs" / "schedule.log").read_text()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", ""), log
    assert synced(url) == ["openrouter succeeded"]
    assert "Z [Sync] started\n" in log
    assert log.splitlines()[-1].endswith("Z [Sync] ended with exit code 0") or "alerts" in log


def test_a_sync_that_fails_says_so_in_the_log_and_in_its_exit_code(
    installed: Callable[[Path], str], url: str, home: Path, tmp_path: Path
) -> None:
    with command_line(tmp_path, {"openrouter": b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"}) as program:
        command = command_of(installed(program))
        done = subprocess.run(["/bin/sh", "-c", command], env=BARE, cwd="/", capture_output=True, timeout=120)
    assert done.returncode == 1
    assert "[Sync] ended with exit code 1" in (home / "logs" / "schedule.log").read_text()
    assert synced(url) == ["openrouter failed"]


def test_a_sync_that_is_due_while_one_runs_is_left_out(installed: Callable[[Path], str], url: str, home: Path, tmp_path: Path) -> None:
    slow = tmp_path / "slow"
    slow.write_text(f"#!/bin/sh\n[ $3 = sync ] || exit 0\necho $$ > {tmp_path}/running\nwhile [ ! -e {tmp_path}/go ]; do sleep 0.1; done\n")
    slow.chmod(0o755)
    command = command_of(installed(slow))
    first = subprocess.Popen(["/bin/sh", "-c", command], env=BARE)
    wait_for(lambda: (tmp_path / "running").exists())
    second = subprocess.run(["/bin/sh", "-c", command], env=BARE, timeout=60)
    (tmp_path / "go").touch()
    assert (first.wait(60), second.returncode) == (0, 75)
    assert (home / "logs" / "schedule.log").read_text().count("this one is left out") == 1


def test_what_a_sync_leaves_running_does_not_keep_the_next_one_out(installed: Callable[[Path], str], home: Path, tmp_path: Path) -> None:
    """As the embedded Postgres does, which the first sync starts."""
    starter = tmp_path / "starter"
    starter.write_text(f"#!/bin/sh\n[ $3 = sync ] || exit 0\n(while [ ! -e {tmp_path}/go ]; do sleep 0.1; done) > /dev/null 2>&1 &\n")
    starter.chmod(0o755)
    command = command_of(installed(starter))
    try:
        codes = [subprocess.run(["/bin/sh", "-c", command], env=BARE, timeout=60).returncode for _ in range(2)]
    finally:
        (tmp_path / "go").touch()
    assert codes == [0, 0]


def wait_for(condition: Callable[[], bool], seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "waited in vain"
        time.sleep(0.1)


CRON = Path("/usr/sbin/cron")
NAMESPACE = ["unshare", "--mount", "sh", "-c"]
can_run_cron = (
    CRON.exists() and os.geteuid() == 0
    and subprocess.run([*NAMESPACE, "mount -t tmpfs none /var/spool/cron/crontabs"], capture_output=True).returncode == 0
)  # fmt: skip


@pytest.mark.skipif(not can_run_cron, reason="needs Debian's cron (apt-get install cron), and root with mount namespaces to hide its files")
def test_cron_itself_takes_the_crontab_and_runs_it(run: Run, home: Path, url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Debian's cron, whose folders are empty ones in a mount namespace of this test's: the machine's own jobs are not run."""
    with command_line(tmp_path, {"openrouter": recorded("openrouter")}) as program:
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        words = [sys.executable, "-c", INSTALL.format(program=str(program))]
        (tmp_path / "etc-crontab").touch()
        hide = "for folder in /var/spool/cron/crontabs /etc/cron.d /run; do mount -t tmpfs none $folder || exit 3; done"
        hide += f"; mount --bind {shlex.quote(str(tmp_path / 'etc-crontab'))} /etc/crontab"
        script = f"{hide} && {shlex.join(words)} && crontab -l && exec {CRON} -f"
        daemon = subprocess.Popen([*NAMESPACE, script], env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        try:
            log = home / "logs" / "schedule.log"
            wait_for(lambda: daemon.poll() is not None or (log.exists() and "ended with exit code" in log.read_text()), 200)
        finally:
            daemon.terminate()
            said, _ = daemon.communicate(timeout=30)
    assert log.exists(), said
    assert "[Sync] ended with exit code 0" in log.read_text(), said
    assert set(synced(url)) == {"openrouter succeeded"}


#: every minute, so that the test waits for one at most
INSTALL = """
import sys
from model_assets import cli
sys.executable = {program!r}
cli.main(["install-schedule", "cron", "--schedule", "* * * * *"])
"""
