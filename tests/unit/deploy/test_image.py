"""The Dockerfile builds what pyproject.toml describes, and runs it without privileges."""

from __future__ import annotations

import re
import tomllib
from typing import Any

import pytest

from tests.unit.deploy import stack

PROJECT: dict[str, Any] = tomllib.loads((stack.ROOT / "pyproject.toml").read_text())["project"]
TARGETS = sorted({stack.target_of(service) for service in stack.OWN})


def copies(name: str) -> list[tuple[str | None, list[str]]]:
    """A stage's COPY lines: the stage copied from, if any, and the sources."""
    found = []
    for line in stack.lines_of(name, "COPY"):
        words = line.split()
        source = words.pop(0).removeprefix("--from=") if words[0].startswith("--") else None
        found.append((source, words[:-1]))
    return found


def installed(target: str) -> list[str]:
    """The pip commands whose result ends in the image."""
    behind = [source for source, _ in copies(target) if source]
    return [
        run for name in [target, *behind] for run in stack.lines_of(name, "RUN") if "pip" in run
    ]


def extras(target: str) -> set[str]:
    found = re.findall(r"\.\[([\w,]+)\]", " ".join(installed(target)))
    return {extra for group in found for extra in group.split(",")}


def test_everything_that_is_copied_exists_and_is_let_in() -> None:
    sources = {
        s for name in stack.stages() for stage, found in copies(name) if not stage for s in found
    }
    ignored, *exceptions = [
        line for line in (stack.ROOT / ".dockerignore").read_text().splitlines() if line[0] != "#"
    ]
    assert not [source for source in sources if not (stack.ROOT / source).exists()]
    assert ignored == "*"
    assert sources == {line[1:] for line in exceptions if line[0] == "!"}


def test_what_packaging_and_the_models_need_is_copied() -> None:
    needed = {"pyproject.toml", "constraints.txt", "streamer", PROJECT["readme"]}
    for target in ("worker", "encoder"):
        (build,) = [source for source, _ in copies(target) if source]
        assert needed <= {source for _, found in copies(build) for source in found}
        environment = stack.image_environment(target)
        assert environment["STREAMER_MODEL_STORE"].endswith("/model_store")
        assert (None, ["model_store"]) in copies(target)
        assert stack.image_environment(build)["PIP_CONSTRAINT"] == "/build/constraints.txt"
        assert stack.lines_of(build, "WORKDIR") == ["/build"]


def test_stages_are_built_on_stages_that_exist_and_on_a_python_that_fits() -> None:
    for stage in stack.stages().values():
        image = re.fullmatch(r"python:(\d+\.\d+)-slim", stage.base)
        assert stage.base in stack.stages() or image
        assert not image or PROJECT["requires-python"] == f">={image[1]}"
        assert {source for source, _ in copies(stage.name) if source} <= set(stack.stages())


def test_every_target_that_compose_builds_exists() -> None:
    for service in stack.OWN:
        build = stack.compose()["services"][service]["build"]
        assert (stack.ROOT / build["context"] / build["dockerfile"]).is_file()
        arguments = set(stack.lines_of("build-encoder", "ARG"))
        assert {f"{name}=" for name in build.get("args", {})} <= arguments
    assert set(TARGETS) <= set(stack.stages())


@pytest.mark.parametrize("target", TARGETS)
def test_only_the_encoder_has_torch(target: str) -> None:
    optional = PROJECT["optional-dependencies"]
    assert extras(target) <= set(optional)
    wanted = [*PROJECT["dependencies"], *(r for extra in extras(target) for r in optional[extra])]
    named = " ".join([*wanted, *installed(target)])
    assert bool(re.search(r"\btorch\b", named)) == (target == "encoder")


def test_the_program_is_one_that_pyproject_installs() -> None:
    for service in stack.OWN:
        assert stack.command(service)[0] in PROJECT["scripts"]


@pytest.mark.parametrize("target", TARGETS)
def test_it_does_not_run_as_root(target: str) -> None:
    user = stack.lines_of(target, "USER")[-1].split(":")[0]
    assert int(user) > 0
    (made,) = [run for run in stack.lines_of(target, "RUN") if "useradd" in run]
    assert f"--uid {user} " in made
    entry = [keyword for keyword, _ in stack.stages()[target].lines]
    assert entry.count("HEALTHCHECK") == entry.count("CMD") == 1
