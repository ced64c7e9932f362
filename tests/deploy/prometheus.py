"""A real Prometheus that scrapes workers, and the queries of the dashboard and the rules."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Collection, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.deploy.tools import KUBERNETES, tool

STARTS_WITHIN: Final = 30.0
"""Seconds until Prometheus is ready."""

GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(
    (KUBERNETES / "base" / "prometheusrule.yaml").read_text("utf-8")
)["spec"]["groups"]
DASHBOARD: Final[dict[str, Any]] = json.loads((KUBERNETES / "base" / "dashboard.json").read_bytes())

RULES: Final[list[dict[str, Any]]] = [rule for group in GROUPS for rule in group["rules"]]


def recorded_queries() -> dict[str, str]:
    """Each recording rule's expression, by the name that it records."""
    return {rule["record"]: rule["expr"] for rule in RULES if "record" in rule}


def alert_queries() -> dict[str, str]:
    """Each alert's expression, by its name. It returns data when the alert fires."""
    return {rule["alert"]: rule["expr"] for rule in RULES if "alert" in rule}


def dashboard_queries(over: str = "5m") -> dict[str, str]:
    """Each panel's expressions by its title and number; Grafana's variables are at their defaults, its range is ``over``."""
    variables = {"namespace": ".*", "__range": over, "__rate_interval": "1m"}
    for variable in DASHBOARD["templating"]["list"]:
        if variable["type"] == "textbox":
            variables[variable["name"]] = variable["query"]
    queries = {}
    for panel in DASHBOARD["panels"]:
        for target in panel.get("targets", []):
            query = target["expr"]
            for name, value in variables.items():
                query = query.replace(f"${name}", value)
            assert "$" not in query, query
            queries[f"{panel['title']} {target['refId']}"] = query
    return queries


def write_rules(path: Path, interval: str | None = None, alerts: Collection[str] | None = None) -> None:
    """The rules as Prometheus reads them from a file; ``interval`` in place of every group's own.

    ``alerts``: only these, and what they ask for. promtool takes its time for each rule at each step, whether asked or not.
    """
    needed = {*alert_queries(), *recorded_queries()} if alerts is None else _with_what_they_ask_for(alerts)
    groups = [
        group
        | {
            "interval": interval or group["interval"],
            "rules": [rule for rule in group["rules"] if (rule.get("alert") or rule["record"]) in needed],
        }
        for group in GROUPS
    ]
    path.write_text(json.dumps({"groups": groups}), "utf-8")


def _with_what_they_ask_for(alerts: Collection[str]) -> set[str]:
    """``alerts``, and the names of all series that they need recorded."""
    needed = set(alerts)
    waiting = [alert_queries()[alert] for alert in alerts]
    while waiting:
        expression = waiting.pop()
        found = {name: query for name, query in recorded_queries().items() if name in expression}
        waiting += [query for name, query in found.items() if name not in needed]
        needed |= found.keys()
    return needed


class Prometheus:
    """Queries a running Prometheus."""

    def __init__(self, url: str) -> None:
        self._url = url

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The current instant vector of ``expression``, without samples that are NaN."""
        answer = self._get(f"/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
        return [sample for sample in answer["data"]["result"] if sample["value"][1] != "NaN"]

    def unanswered(self, queries: Mapping[str, str]) -> set[str]:
        """The names of the ``queries`` that return no data yet."""
        return {name for name, expression in queries.items() if not self.query(expression)}

    def ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._url}/-/ready", timeout=5):
                return True
        except (OSError, urllib.error.URLError):
            return False

    def _get(self, path: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}{path}", timeout=10) as response:
            answer: dict[str, Any] = json.load(response)
        return answer


@contextmanager
def prometheus(folder: Path, ports: Mapping[str, int]) -> Iterator[Prometheus]:
    """Runs Prometheus in ``folder``; it scrapes 127.0.0.1 at ``ports`` (by pod name) and evaluates the rules every second."""
    write_rules(folder / "rules.json", "1s")
    (folder / "prometheus.json").write_text(json.dumps(_configuration(ports.items())), "utf-8")
    port = _free_port()
    command = [
        tool("prometheus"),
        f"--config.file={folder / 'prometheus.json'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address=127.0.0.1:{port}",
    ]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stderr=log) as process:
        try:
            running = Prometheus(f"http://127.0.0.1:{port}")
            _wait_until_ready(running, process, folder / "prometheus.log")
            yield running
        finally:
            process.terminate()


def _configuration(targets: Iterable[tuple[str, int]]) -> dict[str, Any]:
    return {
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.json"],
        "scrape_configs": [
            {
                "job_name": "meetstems",
                "static_configs": [
                    {"targets": [f"127.0.0.1:{port}"], "labels": {"namespace": "test", "pod": pod}}
                    for pod, port in targets
                ],
            }
        ],
    }


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port: int = taken.getsockname()[1]
    return port


def _wait_until_ready(running: Prometheus, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + STARTS_WITHIN
    while not running.ready():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text("utf-8")
        time.sleep(0.1)
