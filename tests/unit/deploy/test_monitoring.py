"""Prometheus and Grafana ask for nothing that the processes do not export."""

from __future__ import annotations

import re
from itertools import combinations
from typing import Any
from urllib.parse import urlsplit

import pytest
from aiohttp import web

from streamer.settings import Settings
from streamer.status import add_status_routes
from streamer.topology import TOPICS
from tests.unit.deploy import promql, stack
from tests.unit.deploy.exported import SCRAPED, Series, label_values, series

EXPORTED = series() | {"up": Series(SCRAPED, "gauge")}
QUERIES = [(f"dashboard: {title}", text, legend) for title, text, legend in stack.targets()]
ALERTS = [(f"alert: {rule['alert']}", rule["expr"], "") for rule in stack.alerts()]
EVERY = [pytest.param(text, legend, id=name) for name, text, legend in [*QUERIES, *ALERTS]]
SERVICES: dict[str, Any] = stack.compose()["services"]


def expression(text: str) -> promql.Expression:
    return promql.read(text.replace("$__rate_interval", "1m"))


@pytest.mark.parametrize(("text", "legend"), EVERY)
def test_every_series_is_exported_with_these_labels(text: str, legend: str) -> None:
    asked = expression(text)
    values = label_values() | {"job": {s["job_name"] for s in stack.prometheus()["scrape_configs"]}}
    assert asked.selectors
    for selector in asked.selectors:
        labels = EXPORTED[selector.name].labels
        assert {label for label, _ in selector.matchers} <= labels
        assert all(value in values[label] for label, value in selector.matchers)
        assert all(group <= labels for group in asked.groups)


@pytest.mark.parametrize(("text", "legend"), EVERY)
def test_counters_are_read_as_rates_and_buckets_as_quantiles(text: str, legend: str) -> None:
    asked = expression(text)
    for selector in asked.selectors:
        if selector.function in ("rate", "increase"):
            assert EXPORTED[selector.name].kind == "counter"
        quantile = "histogram_quantile" in asked.functions
        assert selector.name.endswith("_bucket") == quantile
        assert not quantile or all("le" in group for group in asked.groups)


@pytest.mark.parametrize(("text", "legend"), EVERY)
def test_legends_name_labels_that_are_there(text: str, legend: str) -> None:
    asked = expression(text)
    kept = set[str]().union(*asked.groups) if asked.aggregated else None
    for label in re.findall(r"{{(\w+)}}", legend):
        here = [EXPORTED[s.name].labels for s in asked.selectors] if kept is None else [kept]
        assert all(label in labels for labels in here)


@pytest.mark.parametrize("rule", stack.alerts(), ids=lambda rule: rule["alert"])
def test_an_alert_says_what_is_wrong_and_what_to_do(rule: dict[str, Any]) -> None:
    assert set(rule["annotations"]) == {"summary", "action"}
    assert rule["labels"]["severity"] in ("page", "warning")
    asked = expression(rule["expr"])
    kept = (
        set[str]().union(*asked.groups)
        if asked.aggregated
        else EXPORTED[asked.selectors[0].name].labels
    )
    assert set(re.findall(r"\$labels\.(\w+)", rule["annotations"]["summary"])) <= kept


def test_panels_speak_of_topics_and_commands_that_exist() -> None:
    about = " ".join(panel.get("description", "") for panel in stack.dashboard()["panels"])
    quoted = {text for text in re.findall(r"`([^`]+)`", about) if text not in stack.documented()}
    assert quoted
    assert quoted <= {topic.name for topic in TOPICS}


def test_every_process_is_scraped_where_it_listens() -> None:
    bare = web.Application()
    add_status_routes(bare, lambda: True)
    paths = {resource.canonical for resource in bare.router.resources()}
    found = {}
    for job in stack.prometheus()["scrape_configs"]:
        assert job.get("metrics_path", "/metrics") in paths
        for dns in job.get("dns_sd_configs", ()):
            found |= {name: int(dns["port"]) for name in dns["names"]}
        for static in job.get("static_configs", ()):
            found |= {t.split(":")[0]: int(t.split(":")[1]) for t in static["targets"]}
    expected = {
        name: int(stack.environment(name)[variable])
        for name, variable in (
            ("worker", "STREAMER_METRICS_PORT"),
            ("encoder", "STREAMER_METRICS_PORT"),
            ("web", "STREAMER_WEB_PORT"),
        )
    }
    assert found == expected
    assert {job["job_name"] for job in stack.prometheus()["scrape_configs"]} == set(expected)


def test_prometheus_starts_with_the_files_that_are_there() -> None:
    mounts = dict(v.split(":")[:2] for v in SERVICES["prometheus"]["volumes"])
    flags = dict(flag.lstrip("-").split("=") for flag in SERVICES["prometheus"]["command"])
    folder, name = flags["config.file"].rsplit("/", 1)
    assert mounts["./deploy/prometheus"] == folder
    assert (stack.DEPLOY / "prometheus" / name).is_file()
    assert mounts["prometheus-data"] == flags["storage.tsdb.path"]


def test_grafana_finds_its_source_and_its_dashboard() -> None:
    (source,) = stack.provisioned("datasources")["datasources"]
    (provider,) = stack.provisioned("dashboards")["providers"]
    mounts = dict(v.split(":")[:2] for v in SERVICES["grafana"]["volumes"])
    address = urlsplit(source["url"])
    assert address.hostname in SERVICES
    assert str(address.port) in SERVICES[address.hostname]["ports"][0].split(":")[-1:]
    assert mounts["./deploy/grafana/provisioning"] == "/etc/grafana/provisioning"
    assert mounts["./deploy/grafana/dashboards"] == provider["options"]["path"]
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    folder, name = home.rsplit("/", 1)
    assert folder == provider["options"]["path"]
    assert (stack.DEPLOY / "grafana" / "dashboards" / name).is_file()
    panels = [panel for panel in stack.dashboard()["panels"] if panel["type"] != "row"]
    used = [holder for p in panels for holder in (p, *p["targets"])]
    assert {holder["datasource"]["uid"] for holder in used} == {source["uid"]}


def test_panels_have_room_of_their_own() -> None:
    panels = stack.dashboard()["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        assert apart or one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]


def test_readme_names_the_ports_that_are_published() -> None:
    text = (stack.DEPLOY / "README.md").read_text()
    published = {port for s in SERVICES.values() for port in s.get("ports", ())}
    assert {f"127.0.0.1:{port}" for port in re.findall(r"127\.0\.0\.1:(\d+)", text)} == {
        port.rsplit(":", 1)[0] for port in published
    }
    assert Settings.model_fields["web_port"].default == 6066
