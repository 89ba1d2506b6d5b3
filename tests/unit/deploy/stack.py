"""The deployment files as data: docker-compose.yml with its variables filled in, the Dockerfile's
stages, what Prometheus scrapes and evaluates, what Grafana shows."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[3]
DEPLOY = ROOT / "deploy"
OWN = ("topics", "models", "worker", "encoder", "web")
"""Services that run our own image."""
REQUIRED_VALUE = "given-by-the-person-who-starts-it"

_VARIABLE = re.compile(r"\$\{(\w+):([-?])([^}]*)\}")


@dataclass
class Stage:
    """A stage of the Dockerfile: what it is built on and its (keyword, argument) lines."""

    name: str
    base: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def compose() -> dict[str, Any]:
    text = (ROOT / "docker-compose.yml").read_text()
    filled = _VARIABLE.sub(lambda m: m[3] if m[2] == "-" else REQUIRED_VALUE, text)
    found: dict[str, Any] = yaml.safe_load(filled)
    return found


def variables() -> set[str]:
    """Variables that docker-compose.yml takes from the environment or .env."""
    return {name for name, _, _ in _VARIABLE.findall((ROOT / "docker-compose.yml").read_text())}


def stages() -> dict[str, Stage]:
    text = (DEPLOY / "docker" / "Dockerfile").read_text()
    whole = re.sub(r"\\\n", " ", "\n".join(x for x in text.splitlines() if x[:1] != "#"))
    found: list[Stage] = []
    for line in filter(None, whole.splitlines()):
        keyword, _, argument = line.strip().partition(" ")
        if keyword == "FROM":
            base, _, name = argument.partition(" AS ")
            found.append(Stage(name, base))
        else:
            found[-1].lines.append((keyword, argument.strip()))
    return {stage.name: stage for stage in found}


def lines_of(name: str, keyword: str) -> list[str]:
    """A stage's arguments of a keyword, those that it inherits first."""
    stage = stages()[name]
    inherited = lines_of(stage.base, keyword) if stage.base in stages() else []
    return inherited + [argument for found, argument in stage.lines if found == keyword]


def image_environment(target: str) -> dict[str, str]:
    pairs = [pair for line in lines_of(target, "ENV") for pair in shlex.split(line)]
    return dict(pair.split("=", 1) for pair in pairs)


def target_of(service: str) -> str:
    target: str = compose()["services"][service]["build"]["target"]
    return target


def environment(service: str) -> dict[str, str]:
    """What a service of ours finds in its environment: the image's, then docker-compose.yml's."""
    own = compose()["services"][service].get("environment", {})
    return image_environment(target_of(service)) | {name: str(own[name]) for name in own}


def image_command(target: str) -> list[str]:
    """What an image runs when it is told nothing."""
    return [*_entry(target), *json.loads(lines_of(target, "CMD")[-1])]


def command(service: str) -> list[str]:
    """The whole command line of a service of ours."""
    given: list[str] = compose()["services"][service]["command"]
    return [*_entry(target_of(service)), *given]


def _entry(target: str) -> list[str]:
    found: list[str] = json.loads(lines_of(target, "ENTRYPOINT")[-1])
    return found


def prometheus() -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((DEPLOY / "prometheus" / "prometheus.yml").read_text())
    return found


def alerts() -> list[dict[str, Any]]:
    files = [DEPLOY / "prometheus" / name for name in prometheus()["rule_files"]]
    groups = [group for file in files for group in yaml.safe_load(file.read_text())["groups"]]
    return [rule for group in groups for rule in group["rules"]]


def dashboard() -> dict[str, Any]:
    (file,) = (DEPLOY / "grafana" / "dashboards").glob("*.json")
    found: dict[str, Any] = json.loads(file.read_text())
    return found


def provisioned(what: str) -> dict[str, Any]:
    (file,) = (DEPLOY / "grafana" / "provisioning" / what).glob("*.yml")
    found: dict[str, Any] = yaml.safe_load(file.read_text())
    return found


def targets() -> Iterator[tuple[str, str, str]]:
    """Of every query on the dashboard: the panel's title, its expression, its legend."""
    for panel in dashboard()["panels"]:
        for target in panel.get("targets", ()):
            yield panel["title"], target["expr"], target["legendFormat"]


def documented() -> list[str]:
    """The `streamer` command lines in deploy/README.md, on the dashboard and in the alerts."""
    text = (DEPLOY / "README.md").read_text()
    about = [panel.get("description", "") for panel in dashboard()["panels"]]
    quoted = "\n".join([text, *about, *(rule["annotations"]["action"] for rule in alerts())])
    inside = re.findall(r"docker compose run --rm \w+ ([^`\n]+)", text)
    return [*re.findall(r"\bstreamer [^`\n]+(?=`|$)", _commands(quoted), re.M)] + [
        f"streamer {arguments}" for arguments in inside
    ]


def _commands(text: str) -> str:
    """What stands in backticks or in a block of code, a line each."""
    blocks = re.findall(r"```sh\n(.*?)```", text, re.S)
    return "\n".join([*blocks, *re.findall(r"`([^`\n]+)`", text)])
