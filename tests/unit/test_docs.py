"""The documents keep up with the code: what they name exists, what they show runs."""

from __future__ import annotations

import ast
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from threading import Timer
from typing import Any

import pytest
import typer
from kafka import KafkaProducer

from streamer import errors, metrics
from streamer.cli import app
from streamer.events import LaunchRank, RankChange
from streamer.settings import Settings
from streamer.wire import pack

ROOT = Path(__file__).parents[2]
PAGES = sorted(p for p in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
GENERATED = {"topics.md", "reference.md"}
LATER = {"docs/board.png"}
"""Targets of links that are made last."""
OF_THE_TESTS = {"STREAMER_TEST_KAFKA"}
"""What tests take from the environment, no setting."""


def code(page: Path, language: str) -> list[str]:
    blocks = re.findall(r"^```(\w*)\n(.*?)^```$", page.read_text(), re.M | re.S)
    return [text for found, text in blocks if found == language]


def commands() -> Iterator[tuple[str, list[str]]]:
    for page in PAGES:
        for block in code(page, ""):
            for line in block.splitlines():
                words = (
                    shlex.split(line) if re.match(r"(\.venv/bin/)?streamer |make ", line) else []
                )
                if words:
                    yield page.name, words


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "page" in metafunc.fixturenames:
        metafunc.parametrize("page", PAGES, ids=lambda page: page.name)


def test_commands_parse_and_targets_exist(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    root = typer.main.get_command(app)
    targets = set(re.findall(r"^(\w+):.*## ", (ROOT / "Makefile").read_text(), re.M))
    shown = list(commands())
    assert {"make demo", "streamer run"} <= {
        f"{Path(words[0]).name} {words[1]}" for _, words in shown
    }
    for page, (program, *arguments) in shown:
        if program == "make":
            assert arguments[0] in targets, f"{page}: make {arguments[0]}"
        else:
            parse(root, arguments, page)


def parse(command: Any, arguments: list[str], page: str) -> None:
    """Parses down to the last command, without running it, where the files it names exist."""
    while children := getattr(command, "commands", None):
        name = next(iter(arguments), "")
        assert name in children, f"{page}: streamer {name}"
        command, arguments = children[name], arguments[1:]
    for argument in arguments:
        if re.fullmatch(r"\w[\w/]*\.\w+", argument):
            Path(argument).parent.mkdir(parents=True, exist_ok=True)
            Path(argument).touch()
    command.make_context(command.name, list(arguments))


def test_commands_that_are_named_in_a_sentence_exist(page: Path) -> None:
    known = set(typer.main.get_command(app).commands)
    assert set(re.findall(r"`streamer ([a-z-]+)", page.read_text())) <= known


def test_links_lead_somewhere(page: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text()):
        if "://" not in target:
            file = (page.parent / target).resolve()
            assert file.exists() or str(file.relative_to(ROOT)) in LATER, target


def test_settings_metrics_files_and_tests_that_are_named_exist(page: Path) -> None:
    text = page.read_text()
    known = {f"STREAMER_{name.upper()}" for name in Settings.model_fields} | OF_THE_TESTS
    assert set(re.findall(r"\bSTREAMER_[A-Z_]+[A-Z]\b", text)) <= known

    named = set(re.findall(r"`(streamer_[a-z_]+)", text))
    assert page.name in GENERATED or named <= _metric_names()

    for path, test in re.findall(r"`(tests/[\w/.]+\.py)::(\w+)`", text):
        assert re.search(rf"^(async )?def {test}\(", (ROOT / path).read_text(), re.M), test
    for path in re.findall(r"`(streamer/[\w/]+\.(?:py|lua))`", text):
        assert (ROOT / path).exists(), path


def _metric_names() -> set[str]:
    families = [
        family
        for metric in vars(metrics).values()
        if not isinstance(metric, type) and hasattr(metric, "collect")
        for family in metric.collect()
    ]
    return {f"{f.name}_total" if f.type == "counter" else f.name for f in families}


def test_the_module_map_of_the_architecture_page_is_true() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| [^|]+ \| ((?:`[\w/.]+`(?:, )?)+) \|$", page, re.M)
    named = [path for row in rows for path in re.findall(r"`([\w/.]+)`", row)]
    assert len(named) > 20
    for path in named:
        assert (ROOT / "streamer" / path).exists() or (ROOT / path).exists(), path


def test_operations_tells_every_exit_code_and_every_reason_of_a_dead_letter() -> None:
    page = (ROOT / "docs" / "operations.md").read_text()
    for error in vars(errors).values():
        if isinstance(error, type) and getattr(error, "exit_code", 1) > 1:
            leaf = not error.__subclasses__() or error.__name__ == "ConfigurationError"
            assert not leaf or re.search(
                rf"^\| {error.exit_code} \| .*`{error.__name__}`", page, re.M
            )
    codes = {
        reason
        for file in (ROOT / "streamer").rglob("*.py")
        for reason in re.findall(r'BadEvent\(\s*"([a-z-]+)"', file.read_text())
    }
    assert codes
    for reason in codes:
        assert f"`{reason}`" in page, reason


def test_the_consumer_of_the_readme_rebuilds_boards(broker_address: str) -> None:
    (script,) = code(ROOT / "README.md", "python")
    ast.parse(script)
    assert len([line for line in script.splitlines() if line]) <= 15
    tea = RankChange(item_id="tea", change="entered", rank=1, probability=0.7)
    mug = RankChange(item_id="mug", change="entered", rank=1, probability=0.9)
    moved = RankChange(item_id="tea", change="moved", rank=2, probability=0.7)
    left = RankChange(item_id="mug", change="left", previous_rank=1)
    back = RankChange(item_id="tea", change="moved", rank=1, probability=0.7)
    first = LaunchRank(board="all", sequence=1, snapshot=True, changes=[tea], time=1.0)
    second = LaunchRank(board="all", sequence=2, snapshot=False, changes=[mug, moved], time=2.0)
    third = LaunchRank(board="all", sequence=3, snapshot=False, changes=[left, back], time=3.0)

    producer = KafkaProducer(bootstrap_servers=broker_address)
    for told in (second, first, second, first, second, third, second):
        producer.send("launch-rank", key=b"all", value=pack(told)).get(timeout=30)
    producer.close()

    consumer = subprocess.Popen(
        [sys.executable, "-c", script.replace("127.0.0.1:9092", broker_address)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONWARNINGS": "ignore"},
    )
    patience = Timer(60, consumer.kill)
    patience.start()
    try:
        assert consumer.stdout
        told_lines = [consumer.stdout.readline().strip() for _ in range(3)]
    finally:
        patience.cancel()
        consumer.kill()
        consumer.communicate()
    assert told_lines == ["all 1 ['tea']", "all 2 ['mug', 'tea']", "all 3 ['tea']"]
