"""The files in deploy/ and the commands in docs/: what they name exists, and what they say is understood by whom they say it to."""

import contextlib
import itertools
import json
import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from dagster import DagsterInstance

from model_assets import dagster_home, settings
from model_assets.cli import cli
from model_assets.settings import PROJECT, is_cron, read_settings

DEPLOY, DOCS = PROJECT / "deploy", PROJECT / "docs"
SCRIPTS = PROJECT / "model_assets" / "schedule" / "templates"


def variables() -> set[str]:
    """Every variable that the settings read."""
    watched = settings._Watched({})
    read_settings(watched)
    return watched.asked | set(settings.LIBPQ)


# --- commands ---------------------------------------------------------------------------------------------------------------------------


def commands() -> Iterator[tuple[str, list[str]]]:
    """(file, words after `model-assets`) of each command line in deploy/, docs/ and the README."""
    for path in sorted([*DEPLOY.rglob("*"), *DOCS.rglob("*.md"), PROJECT / "README.md", *SCRIPTS.iterdir()]):
        if path.is_file():
            for line in path.read_text(encoding="utf-8").splitlines():
                yield from ((str(path.relative_to(PROJECT)), words) for words in _in_line(line))


def _in_line(line: str) -> Iterator[list[str]]:
    """Commands in a line of prose (within `backticks`), of a script, or of a list of words (["model-assets", "up"])."""
    line = re.sub(r'\["(model-assets)", (.*?)\]', lambda found: f"{found[1]} {' '.join(json.loads(f'[{found[2]}]'))}", line)
    for part in re.findall("`([^`]*)`", line) or [line]:
        for found in re.finditer("(?:model-assets|-m model_assets|@COMMAND@)(?= [a-z])", part):
            words = _first_command(part[found.end() :])
            if words and words[0] in cli.commands:
                yield words


def _first_command(text: str) -> list[str]:
    """The words up to where a shell sees the command end. What may be left out (in brackets) is there."""
    reader = shlex.shlex(re.sub(r"\[(-[^]]*)\]", r"\1", text), posix=True, punctuation_chars=True)
    reader.whitespace_split = True
    words: list[str] = []
    with contextlib.suppress(ValueError):  # a quotation that began before the command, and ends after it
        words.extend(itertools.takewhile(lambda word: not re.fullmatch(r"[();<>|&]+|\$", word), reader))
    return words[:-1] if words[-1:] == ["9"] or words[-1:] == ["2"] else words  # a descriptor, as in 2>&1


def understood(command: click.Command, words: list[str]) -> None:
    """The command line can read these words. They are examples (FILE, ID), so their values are not looked at."""
    context = click.Context(command, info_name=command.name, resilient_parsing=True)
    if isinstance(command, click.Group) and words:
        command.parse_args(context, list(words))  # puts in the command that is meant when none is named
        rest = [*context._protected_args, *context.args]
        if rest:
            assert rest[0] in command.commands, f"{command.name} has no command {rest[0]}"
            return understood(command.commands[rest[0]], rest[1:])
    last = next((one for one in command.params if words and words[-1] in one.opts), None)
    if isinstance(last, click.Option) and not last.is_flag:
        words = [*words, "what a sentence leaves out"]
    parser = command.make_parser(context)
    _, left, _ = parser.parse_args(list(words))
    assert left == [], f"{command.name} does not take {left}"


def test_there_are_commands_to_look_at() -> None:
    named = {words[0] for file, words in commands() if not file.startswith("README")}
    assert {"sync", "status", "up", "migrate", "verify-db", "alerts", "install-schedule", "backup"} <= named


@pytest.mark.parametrize(("file", "words"), sorted({(file, shlex.join(words)) for file, words in commands()}))
def test_every_command_that_is_named_exists_with_its_options(file: str, words: str) -> None:
    found = shlex.split(words)
    understood(cli.commands[found[0]], found[1:])


@pytest.mark.parametrize("path", sorted(str(path.relative_to(PROJECT)) for path in DOCS.rglob("*.md")))
def test_every_file_that_a_page_names_is_there(path: str) -> None:
    for name in re.findall(r"`(deploy/[\w./-]+)`", (PROJECT / path).read_text(encoding="utf-8")):
        assert (PROJECT / name).exists() or name == "deploy/.env", f"{path} names {name}"


@pytest.mark.parametrize("path", sorted(str(path.relative_to(PROJECT)) for path in DEPLOY.rglob("*") if path.is_file()))
def test_no_file_has_a_password(path: str) -> None:
    said = (PROJECT / path).read_text(encoding="utf-8")
    for _, password in re.findall(r"(\w+)://\w+:([^@\s]+)@", said):
        assert password == "${POSTGRES_PASSWORD}"
    assert not re.search(r"(?i)(password|secret|token)[\"']?\s*[:=]\s*[\"']?[0-9a-z]{12,}", said)


# --- cron, Railway, Vercel --------------------------------------------------------------------------------------------------------------


def test_the_crontab_has_the_usual_schedules_and_one_look_from_outside() -> None:
    lines = [line for line in (DEPLOY / "crontab").read_text().splitlines() if line and not line.startswith("#")]
    syncs = [line.split("  ", 1) for line in lines if "sync.sh" in line]
    assert {schedule for schedule, _ in syncs} == {
        "0 */2 * * *", "0 */4 * * *", "0 */6 * * *", "0 2 * * *", "0 2,14 * * *", "0 8-20/2 * * *", "0 3 * * 1-5", "0 1 * * *", "0 2 * * 1", "@reboot",
    }  # fmt: skip
    assert all(is_cron(schedule) for schedule, _ in syncs if schedule != "@reboot")
    assert {command for _, command in syncs} == {"/var/lib/model-assets/schedule/sync.sh >> /var/lib/model-assets/logs/schedule.log 2>&1"}
    assert next(line for line in lines if "status" in line).startswith("30 * * * *  ")
    assert len(lines) == len(syncs) + 1


#: https://docs.railway.com/config-as-code/reference
RAILWAY = {
    "build": {"builder", "buildCommand", "dockerfilePath", "watchPatterns"},
    "deploy": {
        "cronSchedule", "drainingSeconds", "healthcheckPath", "healthcheckTimeout", "overlapSeconds", "preDeployCommand", "restartPolicyMaxRetries",
        "restartPolicyType", "startCommand",
    },
}  # fmt: skip


def test_railway_builds_the_dockerfile_and_runs_a_sync_that_ends() -> None:
    found = tomllib.loads((DEPLOY / "railway.toml").read_text())
    assert {part: set(found[part]) - known for part, known in RAILWAY.items()} == {"build": set(), "deploy": set()}
    assert set(found) == set(RAILWAY)
    assert found["build"]["builder"] == "DOCKERFILE"
    assert (PROJECT / found["build"]["dockerfilePath"]).is_file()
    for pattern in found["build"]["watchPatterns"]:
        assert (PROJECT / pattern.removesuffix("/**")).exists()
    assert found["deploy"]["cronSchedule"] == "0 2 * * *"
    assert found["deploy"]["restartPolicyType"] in ("ON_FAILURE", "ALWAYS", "NEVER")


def test_vercel_calls_the_api_daily_where_it_is_handed_on() -> None:
    found = json.loads((DEPLOY / "vercel.json").read_text())
    assert set(found) == {"$schema", "crons", "rewrites"}
    assert found["crons"] == [{"path": "/api/cron/sync-models", "schedule": "0 2 * * *"}]
    assert [set(one) for one in found["rewrites"]] == [{"source", "destination"}]
    assert found["rewrites"][0]["source"] == found["crons"][0]["path"]
    assert found["rewrites"][0]["destination"].startswith("https://")


# --- Docker -----------------------------------------------------------------------------------------------------------------------------

INSTRUCTIONS = {"ARG", "CMD", "COPY", "ENV", "EXPOSE", "FROM", "HEALTHCHECK", "RUN", "USER", "VOLUME", "WORKDIR"}


def dockerfile() -> list[tuple[str, str]]:
    """(instruction, rest) of each, lines joined."""
    joined = re.sub(r"\\\n", " ", (DEPLOY / "Dockerfile").read_text())
    return [tuple(line.split(" ", 1)) for line in joined.splitlines() if line and not line.startswith("#")]  # type: ignore[misc]


def test_the_image_is_of_a_pinned_base_in_two_stages_and_runs_as_nobody_special() -> None:
    steps = dockerfile()
    assert {name for name, _ in steps} <= INSTRUCTIONS
    bases = [rest.split() for name, rest in steps if name == "FROM"]
    assert len(bases) == 2
    assert all(re.fullmatch(r"python:3\.11\.\d+-slim-bookworm", base[0]) for base in bases)
    assert [rest for name, rest in steps if name == "USER"] == ["10001:10001"]
    assert steps.index(("USER", "10001:10001")) > max(index for index, (name, _) in enumerate(steps) if name == "RUN")
    assert not [name for name, _ in steps if name == "ENTRYPOINT"]  # Dagster's launcher gives `dagster ...` as arguments
    assert [json.loads(rest) for name, rest in steps if name == "CMD"] == [
        ["model-assets", "up", "--host", "0.0.0.0", "--api-host", "0.0.0.0"]
    ]
    assert [rest.partition("CMD ")[2] for name, rest in steps if name == "HEALTHCHECK"] == ['["model-assets", "status"]']


def test_what_the_image_copies_is_there_and_not_ignored() -> None:
    copied = [rest.split() for name, rest in dockerfile() if name == "COPY" and not rest.startswith("--from")]
    named = {one for words in copied for one in words[:-1]}
    assert named == {"pyproject.toml", "setup.cfg", "README.md", "constraints.txt", "model_assets", "dbt_like_sql"}
    ignored = (DEPLOY / "Dockerfile.dockerignore").read_text().splitlines()
    assert {line[1:] for line in ignored if line.startswith("!")} == named
    assert all((PROJECT / one).exists() for one in named)


def test_what_pip_is_told_in_the_image_is_understood_and_is_a_part_of_the_project() -> None:
    from pip._internal.commands import create_command

    (line,) = [rest for name, rest in dockerfile() if name == "RUN" and "pip install" in rest]
    words = shlex.split(line)
    options, packages = create_command("install").parse_args(words[words.index("install") + 1 :])
    assert (options.constraints, packages) == (["constraints.txt"], [".${EXTRAS:+[$EXTRAS]}"])
    extras = tomllib.loads((PROJECT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    assert {"k8s", "celery"} <= set(extras)


def test_the_environment_of_the_image_has_no_secret() -> None:
    given = {word.partition("=")[0] for name, rest in dockerfile() if name in ("ENV", "ARG") for word in shlex.split(rest)}
    assert given - {"PATH", "PYTHONUNBUFFERED", "EXTRAS"} == {"MODEL_ASSETS_HOME"}


@pytest.fixture
def compose() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    return found


def test_compose_has_a_checked_postgres_and_restarts_what_dies(compose: dict[str, Any]) -> None:
    services = compose["services"]
    assert set(services) == {"postgres", "model-assets", "sync"}
    assert int(re.fullmatch(r"postgres:(\d+)\.\d+-bookworm", services["postgres"]["image"])[1]) >= 16  # type: ignore[index]
    for name in ("postgres", "model-assets"):
        assert services[name]["restart"] == "unless-stopped"
        assert services[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")
    assert services["model-assets"]["depends_on"] == {"postgres": {"condition": "service_healthy"}}
    assert services["sync"]["restart"] == "no"
    assert (DEPLOY / services["model-assets"]["build"]["context"] / services["model-assets"]["build"]["dockerfile"]).is_file()
    mounted = [mount.split(":") for service in services.values() for mount in service["volumes"]]
    assert {name for name, _ in mounted} == set(compose["volumes"])
    assert ["home", dict(dockerfile())["VOLUME"]] in mounted
    assert all(port.startswith("127.0.0.1:") for port in services["model-assets"]["ports"])


def test_compose_sets_variables_that_are_known_and_usable(compose: dict[str, Any]) -> None:
    environment = compose["services"]["model-assets"]["environment"]
    assert set(environment) <= variables()
    filled = {name: re.sub(r"\$\{\w+:-(.*?)\}", r"\1", value).replace("${POSTGRES_PASSWORD}", "x") for name, value in environment.items()}
    assert "$" not in "".join(filled.values())
    found = read_settings(filled)
    assert (found.model_sync_schedule, found.pricing_sync_interval_hours) == ("0 2 * * *", 6)
    assert "POSTGRES_PASSWORD:?" in compose["services"]["postgres"]["environment"]["POSTGRES_PASSWORD"]


def test_what_install_schedule_writes_from_is_in_the_package() -> None:
    patterns = tomllib.loads((PROJECT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["model_assets"]
    packaged = {path for pattern in patterns for path in (PROJECT / "model_assets").glob(pattern)}
    assert set(SCRIPTS.iterdir()) <= packaged


# --- Helm -------------------------------------------------------------------------------------------------------------------------------

#: keys of the chart's published schema (helm/dagster/values.schema.json) that ours may be among
CHART: dict[str, set[str]] = {
    "": {
        "additionalInstanceConfig", "computeLogManager", "dagster-user-deployments", "dagsterDaemon", "dagsterWebserver", "generatePostgresqlPasswordSecret",
        "global", "postgresql", "retention", "runLauncher", "telemetry",
    },
    "postgresql": {"enabled", "postgresqlHost", "postgresqlUsername", "postgresqlDatabase", "postgresqlScheme", "postgresqlParams", "service"},
    "global": {"postgresqlSecretName", "dagsterHome", "serviceAccountName"},
    "dagster-user-deployments": {"enabled", "enableSubchart", "deployments", "imagePullSecrets"},
    "dagsterWebserver": {"image", "service", "env", "envSecrets", "podSecurityContext", "securityContext", "resources", "replicaCount"},
    "dagsterDaemon": {
        "enabled", "image", "env", "envSecrets", "podSecurityContext", "securityContext", "resources", "runCoordinator", "runMonitoring", "runRetries",
    },
}  # fmt: skip
DEPLOYMENT = {
    "name",
    "image",
    "dagsterApiGrpcArgs",
    "port",
    "includeConfigInLaunchedRuns",
    "envSecrets",
    "podSecurityContext",
    "securityContext",
    "resources",
}
LAUNCHER = {
    "imagePullPolicy", "loadInclusterConfig", "envSecrets", "envVars", "volumeMounts", "volumes", "labels", "failPodOnRunFailure", "resources",
    "securityContext", "runK8sConfig", "jobNamespace",
}  # fmt: skip


@pytest.fixture
def values() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "helm" / "values.yaml").read_text())
    return found


def test_the_chart_knows_every_key(values: dict[str, Any]) -> None:
    assert {part: set(values[part] if part else values) - known for part, known in CHART.items()} == {part: set() for part in CHART}
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert set(deployment) <= DEPLOYMENT
    assert set(values["runLauncher"]["config"]) == {"k8sRunLauncher"}
    launcher = values["runLauncher"]["config"]["k8sRunLauncher"]
    assert set(launcher) <= LAUNCHER
    assert set(launcher["runK8sConfig"]) <= {"containerConfig", "podSpecConfig", "podTemplateSpecMetadata", "jobSpecConfig", "jobMetadata"}


def test_secrets_come_from_secrets_and_nobody_is_root(values: dict[str, Any]) -> None:
    (deployment,) = values["dagster-user-deployments"]["deployments"]
    assert "postgresqlPassword" not in values["postgresql"]
    assert values["generatePostgresqlPasswordSecret"] is False
    for part in (deployment, values["dagsterDaemon"], values["dagsterWebserver"]):
        assert part["envSecrets"] == [{"name": "model-assets"}]
        assert part["podSecurityContext"]["runAsUser"] == 10001
        assert part["image"] == deployment["image"]
        assert part["image"]["tag"] != "latest"
    assert values["dagsterWebserver"]["service"]["port"] > 1023
    assert deployment["dagsterApiGrpcArgs"] == ["--module-name", "model_assets"]


def test_dagster_loads_the_settings_of_the_instance_which_are_those_of_up(values: dict[str, Any], tmp_path: Path) -> None:
    given = values["additionalInstanceConfig"]
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump({**given, "telemetry": values["telemetry"]}))
    with DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled
        assert instance.get_concurrency_config().run_queue_config.max_concurrent_runs == 2  # type: ignore[union-attr]
    of_up = dagster_home.instance(tmp_path)
    times = {"poll_interval_seconds", "start_timeout_seconds", "cancel_timeout_seconds"}  # a pod needs longer than a process
    for name in ("nux", "concurrency", "run_retries", "retention", "run_monitoring"):
        assert {key: one for key, one in given[name].items() if key not in times} == {
            key: one for key, one in of_up[name].items() if key not in times
        }


def test_the_version_of_the_chart_is_that_of_dagster() -> None:
    pinned = re.search(r"^dagster==(\S+)$", (PROJECT / "constraints.txt").read_text(), re.M)
    assert pinned is not None
    for path in (DEPLOY / "helm" / "values.yaml", DOCS / "deployment.md"):
        assert set(re.findall(r"--version (\S+)", path.read_text())) == {pinned[1]}
