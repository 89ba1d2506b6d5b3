"""docker-compose.yml says nothing that the code does not."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

import pytest
import typer
from aiohttp import web

from streamer.cli import app
from streamer.settings import Settings, load
from streamer.status import add_status_routes
from streamer.web.server import application
from streamer.window import Window
from tests.unit.deploy import stack

SERVICES: dict[str, Any] = stack.compose()["services"]
ENDING = {"topics", "models"}
"""Services that do one thing and end."""
LONG_RUNNING = [name for name in stack.OWN if name not in ENDING]
INTERPRETER = {"PATH", "PYTHONDONTWRITEBYTECODE"}


def settings_of(service: str, monkeypatch: pytest.MonkeyPatch, folder: Path) -> Settings:
    """The settings a service comes up with; ConfigurationError if a value is not valid."""
    monkeypatch.chdir(folder)
    for name, value in stack.environment(service).items():
        if name.startswith("STREAMER_"):
            monkeypatch.setenv(name, value)
    return load()


def routes(application: web.Application) -> set[str]:
    return {resource.canonical for resource in application.router.resources()}


def paths_of(service: str) -> set[str]:
    if service == "web":
        return routes(application(cast(Window, None)))
    bare = web.Application()
    add_status_routes(bare, lambda: True)
    return routes(bare)


def port_of(service: str, settings: Settings) -> int:
    return settings.web_port if service == "web" else settings.metrics_port


def ports(service: str) -> dict[int, int]:
    """Published on loopback: the host's port → the container's."""
    published = [text.rsplit(":", 2) for text in SERVICES[service].get("ports", ())]
    assert all(host == "127.0.0.1" for host, _, _ in published)
    return {int(outside): int(inside) for _, outside, inside in published}


def parse(arguments: list[str]) -> None:
    """Parses a command line as the typer app does, without running it; UsageError if it can't."""
    program, *rest = arguments
    assert program == "streamer"
    command: Any = typer.main.get_command(app)
    context = command.context_class(command, info_name=program)
    while hasattr(command, "resolve_command"):
        name, command, rest = command.resolve_command(context, rest)
        context = command.context_class(command, info_name=name, parent=context)
    command.make_context(command.name, rest)


@pytest.mark.parametrize("service", stack.OWN)
def test_every_variable_is_a_setting_and_valid(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    known = {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    assert set(stack.environment(service)) - INTERPRETER <= known
    settings_of(service, monkeypatch, tmp_path)


def test_variables_of_the_person_who_starts_it_are_documented() -> None:
    text = (stack.DEPLOY / "README.md").read_text()
    undocumented = {name for name in stack.variables() if name not in text}
    assert undocumented <= {f"STREAMER_{name.upper()}" for name in Settings.model_fields}
    assert not [name for name in undocumented if "KEY" in name]


@pytest.mark.parametrize("service", stack.OWN)
def test_every_command_is_one_of_ours(service: str) -> None:
    parse(stack.command(service))
    parse(stack.image_command(stack.target_of(service)))


def test_each_service_runs_what_it_is_named_for() -> None:
    assert {name: stack.command(name)[1] for name in stack.OWN} == {
        name: name for name in stack.OWN
    }
    assert [stack.target_of(name) for name in LONG_RUNNING] == LONG_RUNNING
    assert "--create" in stack.command("topics")
    assert SERVICES["worker"]["deploy"]["replicas"] == 2


@pytest.mark.parametrize("service", stack.OWN)
def test_all_share_one_model_store_that_they_may_write(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    mounts = dict(volume.split(":")[:2] for volume in SERVICES[service]["volumes"])
    store = settings_of(service, monkeypatch, tmp_path).model_store
    assert mounts["models"] == str(store)
    assert "models" in stack.compose()["volumes"]
    (made,) = [r for r in stack.lines_of(stack.target_of(service), "RUN") if "useradd" in r]
    user = stack.lines_of(stack.target_of(service), "USER")[-1].split(":")[0]
    assert f"install --directory --owner={user} --group={user} {store}" in made


def test_an_encoder_keeps_on_a_volume_of_its_own_what_it_has_unpacked() -> None:
    mounts = dict(volume.split(":") for volume in SERVICES["encoder"]["volumes"])
    cache = stack.environment("encoder")["STREAMER_CACHE"]
    assert mounts["encoder-cache"] == cache
    (made,) = [run for run in stack.lines_of("encoder", "RUN") if "useradd" in run]
    assert made.endswith(cache)


def test_the_shared_store_is_filled_from_the_images_own() -> None:
    own = stack.image_environment("worker")["STREAMER_MODEL_STORE"]
    assert stack.command("models")[1:] == ["models", "add", own]
    assert own != stack.environment("worker")["STREAMER_MODEL_STORE"]


def test_the_broker_and_redis_are_where_the_settings_say(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    kafka = SERVICES["kafka"]["environment"]
    advertised = dict(text.split("://") for text in kafka["KAFKA_ADVERTISED_LISTENERS"].split(","))
    for service in stack.OWN:
        settings = settings_of(service, monkeypatch, tmp_path)
        assert settings.broker == advertised["INTERNAL"]
        redis = urlsplit(settings.redis)
        assert redis.hostname in SERVICES
        assert redis.port == urlsplit(Settings.model_fields["redis"].default).port
        assert "--port" not in SERVICES["redis"]["command"]
    listening = dict(text.split("://:") for text in kafka["KAFKA_LISTENERS"].split(","))
    assert listening["INTERNAL"] == advertised["INTERNAL"].split(":")[1]
    assert advertised["INTERNAL"].split(":")[0] in SERVICES
    assert advertised["HOST"] == Settings.model_fields["broker"].default
    assert ports("kafka") == {int(advertised["HOST"].split(":")[1]): int(listening["HOST"])}


@pytest.mark.parametrize("service", LONG_RUNNING)
def test_it_listens_where_its_health_check_asks(
    service: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of(service, monkeypatch, tmp_path)
    port = port_of(service, settings)
    check = stack.lines_of(stack.target_of(service), "HEALTHCHECK")[-1]
    (address,) = re.findall(r"http://[^']+", check)
    assert urlsplit(address).port == port
    assert urlsplit(address).path in paths_of(service)
    assert [str(port)] == stack.lines_of(stack.target_of(service), "EXPOSE")
    assert {settings.web_host, settings.metrics_host} == {"0.0.0.0"}
    assert "healthcheck" not in SERVICES[service]


def test_the_page_is_published_where_everybody_expects_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of("web", monkeypatch, tmp_path)
    assert ports("web") == {Settings.model_fields["web_port"].default: settings.web_port}
    assert not [name for name in ("redis", "topics", "worker", "encoder") if ports(name)]


def test_nothing_starts_before_what_it_needs() -> None:
    for name, service in SERVICES.items():
        for other, how in service.get("depends_on", {}).items():
            ends = how["condition"] == "service_completed_successfully"
            assert ends == (other in ENDING), f"{name} waits for {other}"
            assert ends or "healthcheck" in SERVICES[other]
    for name in LONG_RUNNING:
        assert set(SERVICES[name]["depends_on"]) == {"redis", *ENDING}
    assert set(SERVICES["topics"]["depends_on"]) == {"kafka"}
    assert SERVICES["models"]["depends_on"] == {}
    for name in ENDING:
        assert SERVICES[name]["restart"].startswith("on-failure")


def test_nobody_starts_with_secrets_that_everybody_knows(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    settings = settings_of("worker", monkeypatch, tmp_path)
    password = SERVICES["grafana"]["environment"]["GF_SECURITY_ADMIN_PASSWORD"]
    assert {settings.user_key.get_secret_value(), password} == {stack.REQUIRED_VALUE}


@pytest.mark.parametrize("service", stack.OWN)
def test_our_containers_may_do_little(service: str) -> None:
    ours = SERVICES[service]
    assert ours["read_only"] is True
    assert ours["cap_drop"] == ["ALL"]
    assert not {"user", "privileged", "cap_add"} & set(ours)


@pytest.mark.parametrize("line", stack.documented())
def test_every_documented_command_parses(line: str) -> None:
    parse(shlex.split(line.replace("FILE", str(stack.ROOT / "README.md"))))


def test_only_topics_does_create_topics() -> None:
    assert SERVICES["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"
