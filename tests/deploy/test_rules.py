"""promtool accepts the rules, alerts fire when they should, and each has an entry in the runbook."""

from __future__ import annotations

import json
import re
from pathlib import Path

import yaml

from tests.deploy.prometheus import DASHBOARD, RULES, alert_queries, recorded_queries, write_rules
from tests.deploy.tools import ROOT, one, run, tool

RUNBOOK = ROOT / "docs" / "runbook.md"
UNIT_TESTS = Path(__file__).with_name("rules_test.yaml")


def test_promtool_accepts_the_rules(tmp_path: Path) -> None:
    write_rules(tmp_path / "rules.json")
    run(tool("promtool"), "check", "rules", "--lint-fatal", str(tmp_path / "rules.json"))


def test_alerts_fire_when_they_should_and_only_then(tmp_path: Path) -> None:
    """tests/deploy/rules_test.yaml says when. Each of its tests has only the rules that it is about."""
    document = yaml.safe_load(UNIT_TESTS.read_text("utf-8"))
    files = []
    for number, test in enumerate(document["tests"]):
        rules = f"rules-{number}.json"
        alerts = {check["alertname"] for check in test.get("alert_rule_test", [])}
        write_rules(tmp_path / rules, alerts=alerts or None)
        files.append(f"test-{number}.json")
        (tmp_path / files[-1]).write_text(
            json.dumps(document | {"rule_files": [rules], "tests": [test]}), "utf-8"
        )
    assert files
    run(tool("promtool"), "test", "rules", *files, cwd=tmp_path)


def test_every_alert_is_unit_tested() -> None:
    tested = set(re.findall(r"alertname: (\w+)", UNIT_TESTS.read_text("utf-8")))
    assert tested == set(alert_queries())


def test_every_alert_has_its_entry_in_the_runbook() -> None:
    headings = set(re.findall(r"^### (\w+)$", RUNBOOK.read_text("utf-8"), re.MULTILINE))
    assert headings == set(alert_queries())
    for rule in RULES:
        if "alert" in rule:
            assert rule["annotations"]["runbook"] == f"docs/runbook.md#{rule['alert'].lower()}"
            assert rule["labels"]["severity"] in {"critical", "warning", "info"}


def test_every_recorded_series_is_used() -> None:
    asked = " ".join([*alert_queries().values(), *recorded_queries().values(), str(DASHBOARD)])
    for name in recorded_queries():
        assert name in asked, name


def test_the_dashboard_is_provisioned_unchanged() -> None:
    provisioned = one("overlays/production", "ConfigMap", "meetstems-dashboard")
    assert provisioned["metadata"]["labels"]["grafana_dashboard"] == "1"
    source = ROOT / "deploy" / "k8s" / "base" / "dashboard.json"
    assert provisioned["data"]["meetstems.json"] == source.read_text("utf-8")


def test_the_dashboards_rows_are_known_and_its_panels_do_not_overlap() -> None:
    panels = DASHBOARD["panels"]
    rows = [panel["title"] for panel in panels if panel["type"] == "row"]
    assert rows == ["Fleet", "Outcomes", "Capture quality", "Delivery", "API", "Cost"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    taken: set[tuple[int, int]] = set()
    for panel in panels:
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert not taken & cells, panel["title"]
        assert at["x"] + at["w"] <= 24
        taken |= cells
