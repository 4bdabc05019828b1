"""The job that Kubernetes is asked to run: made by Dagster's own launcher with the file of deploy/k8s, caught by a server on loopback that stands
for the cluster's, and checked against the schema of Kubernetes."""

import json
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import dagster as dg
import kubernetes_validate
import psycopg
import pytest
import yaml
from dagster._core.definitions.reconstruct import ReconstructableRepository
from dagster._core.launcher import LaunchRunContext
from sqlalchemy.engine import make_url

from model_assets import dagster_home
from model_assets.database import dagster_url
from model_assets_tests.scaling.celery_world import PROJECT

DAGSTER_YAML = PROJECT / "deploy" / "k8s" / "dagster.yaml"
HELM_VALUES = PROJECT / "deploy" / "helm" / "values.yaml"
IMAGE = "registry.example.com/model-assets:of-the-code-server"
CANARIES = {"DATABASE_URL": "postgresql://me:canary-1@db.example/models", "ALERT_URLS": "slack://canary-2", "HF_TOKEN": "canary-3"}
VERSIONS = ["1.30", "1.33", kubernetes_validate.latest_version()]


class Cluster(ThreadingHTTPServer):
    """Takes what is posted, as the API server does, and says so."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answer)
        self.posted: list[tuple[str, bytes]] = []


class Answer(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        assert isinstance(self.server, Cluster)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.posted.append((self.path, body))
        self.send_response(201)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """The standard error of the tests is for errors."""


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with Cluster() as cluster:
        thread = threading.Thread(target=cluster.serve_forever)
        thread.start()
        yield cluster
        cluster.shutdown()
        thread.join()


@pytest.fixture
def instance(tmp_path: Path, cluster: Cluster, url: str, server: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[dg.DagsterInstance]:
    """An instance of the deployed file; only the address of the cluster is another one, outside of any."""
    content = yaml.safe_load(DAGSTER_YAML.read_text())
    at = f"http://127.0.0.1:{cluster.server_port}"
    kubeconfig = {
        "apiVersion": "v1", "kind": "Config", "current-context": "here", "users": [{"name": "me", "user": {}}],
        "clusters": [{"name": "here", "cluster": {"server": at}}], "contexts": [{"name": "here", "context": {"cluster": "here", "user": "me"}}],
    }  # fmt: skip
    (tmp_path / "kubeconfig").write_text(yaml.safe_dump(kubeconfig))
    content["run_launcher"]["config"] |= {"load_incluster_config": False, "kubeconfig_file": str(tmp_path / "kubeconfig")}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(content))
    own = {"DAGSTER_HOME": str(tmp_path), "DAGSTER_PG_URL": dagster_url(url)}
    for name, value in {**CANARIES, **own}.items():
        monkeypatch.setenv(name, value)
    dagster_home.create_tables(own)
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        yield instance
    with psycopg.connect(server.format(name="postgres"), autocommit=True) as admin:
        admin.execute(f'drop database if exists "{make_url(url).database}_dagster" with (force)'.encode())


@pytest.fixture
def job(instance: dg.DagsterInstance, cluster: Cluster) -> dict[str, Any]:
    """What is posted for a run of the job `sync`."""
    repository = ReconstructableRepository.for_module("model_assets", "defs", working_directory=None, container_image=IMAGE)
    sync = repository.get_reconstructable_job("sync")
    run = instance.create_run_for_job(sync.get_definition(), job_code_origin=sync.get_python_origin(), tags={"source": "openrouter"})
    instance.run_launcher.launch_run(LaunchRunContext(run, workspace=None))
    [(path, body)] = cluster.posted
    assert path == "/apis/batch/v1/namespaces/default/jobs"
    posted: dict[str, Any] = json.loads(body)
    assert run.run_id in posted["metadata"]["name"]
    return posted


def test_the_job_of_a_run_is_what_kubernetes_takes_with_limits_without_rights_and_with_the_image_of_the_code_server(
    job: dict[str, Any],
) -> None:
    for version in VERSIONS:
        kubernetes_validate.validate(job, version, strict=True)
        with pytest.raises(kubernetes_validate.ValidationError):  # it does look: a misspelt key is refused
            kubernetes_validate.validate({**job, "spec": {**job["spec"], "ttlSecondsAfterFinnished": 1}}, version, strict=True)
    template = job["spec"]["template"]["spec"]
    [container] = template["containers"]
    assert container["image"] == IMAGE
    assert container["resources"] == {"requests": {"cpu": "250m", "memory": "512Mi"}, "limits": {"memory": "2Gi"}}
    assert container["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert template["securityContext"]["runAsNonRoot"] is True
    assert template["restartPolicy"] == "Never"
    assert (job["spec"]["backoffLimit"], job["spec"]["ttlSecondsAfterFinished"]) == (0, 86400)
    assert container["args"][:3] == ["dagster", "api", "execute_run"]


def test_secrets_reach_the_job_of_a_run_by_their_names_only(job: dict[str, Any]) -> None:
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert {"secretRef": {"name": "model-assets"}} in container["envFrom"]
    text = json.dumps(job)
    assert "canary" not in text
    assert "DAGSTER_PG_URL" in text, "the job is told of the instance, whose database is named by its variable"
    assert not re.search("postgres[a-z0-9+]*://", text)


def test_the_chart_is_told_the_same_as_the_file() -> None:
    file, chart = yaml.safe_load(DAGSTER_YAML.read_text()), yaml.safe_load(HELM_VALUES.read_text())
    assert {name: file[name] for name in chart["additionalInstanceConfig"]} == chart["additionalInstanceConfig"]
    launcher = chart["runLauncher"]
    assert launcher["type"] == file["run_launcher"]["class"]
    ours, theirs = file["run_launcher"]["config"], launcher["config"]["k8sRunLauncher"]
    assert [secret["name"] for secret in theirs["envSecrets"]] == ours["env_secrets"]
    same = ("image_pull_policy", "load_incluster_config", "fail_pod_on_run_failure", "resources", "run_k8s_config")
    assert {camel(name): in_camels(ours[name]) for name in same} == {camel(name): theirs[camel(name)] for name in same}


def camel(name: str) -> str:
    """A name as the chart spells it."""
    first, *others = name.split("_")
    return "".join([first, *(word.capitalize() for word in others)])


def in_camels(value: Any) -> Any:
    """A value whose keys, however deep, are as the chart spells them."""
    return {camel(key): in_camels(inner) for key, inner in value.items()} if isinstance(value, dict) else value
