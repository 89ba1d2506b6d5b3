"""What `pip install .` installs, also when the Dockerfile has built a stand-in before it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.unit.deploy import stack

PIP = f"""#!{sys.executable}
import sys
from setuptools import build_meta
build_meta.build_wheel(sys.argv[1])
"""
"""Stands in for pip: builds what lies in the folder, without an index and without installing it."""


def builds(stage: str) -> list[tuple[str, str]]:
    """The COPY and RUN lines of a stage and of those it is built on, in order."""
    own = stack.stages()[stage]
    before = builds(own.base) if own.base in stack.stages() else []
    return before + [line for line in own.lines if line[0] in ("COPY", "RUN")]


def copy(argument: str, folder: Path) -> None:
    """As Docker does it: what a folder holds, times kept; they are older than what was just built."""
    *sources, to = argument.split()
    for source in sources:
        origin = stack.ROOT / source
        if origin.is_dir():
            ignore = shutil.ignore_patterns("__pycache__")
            shutil.copytree(origin, folder / to, dirs_exist_ok=True, ignore=ignore)
        else:
            shutil.copy2(origin, folder / to)


def run(argument: str, folder: Path, tools: Path) -> None:
    if " install " in argument and " ." not in argument.replace("'", ""):
        return
    command = argument.replace("pip install", f"pip {tools} #")
    path = f"{tools}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(["sh", "-ec", command], cwd=folder, check=True, env={**os.environ, "PATH": path})


@pytest.fixture(params=["build-worker", "build-encoder"])
def wheel(request: pytest.FixtureRequest, tmp_path: Path) -> zipfile.ZipFile:
    """The last wheel that a stage of the image builds."""
    folder, tools = tmp_path / "build", tmp_path / "tools"
    folder.mkdir()
    tools.mkdir()
    (tools / "pip").write_text(PIP)
    (tools / "pip").chmod(0o755)
    for keyword, argument in builds(request.param):
        if keyword == "COPY":
            copy(argument, folder)
        elif "pip install" in argument:
            run(argument, folder, tools)
    (built,) = tools.glob("*.whl")
    return zipfile.ZipFile(built)


def test_every_file_of_the_package_is_installed_as_it_is(wheel: zipfile.ZipFile) -> None:
    kept = {".py", ".lua", ".html", ".js", ".css", ".typed"}
    here = {
        str(file.relative_to(stack.ROOT)): file.read_bytes()
        for file in (stack.ROOT / "streamer").rglob("*")
        if file.suffix in kept or file.name == "py.typed"
    }
    installed = {name: wheel.read(name) for name in wheel.namelist() if ".dist-info/" not in name}
    assert sorted(installed) == sorted(here)
    assert [name for name in here if installed[name] != here[name]] == []
