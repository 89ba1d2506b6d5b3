"""What a bundle would have earned in a shop that shows items at random and logs how likely that was."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgpack
import numpy as np
import pytest
from kafka import KafkaProducer
from typer.testing import CliRunner

from streamer import registry
from streamer.cli import app
from streamer.errors import ConfigurationError
from streamer.judge import Judge
from streamer.launch.boards import EVERYTHING
from streamer.learning.accepted import Accepted
from streamer.learning.bundle_policy import STEP_SECONDS, Course, Lists, Occasion, lists
from streamer.learning.exposures import Hope
from streamer.learning.offpolicy import ESTIMATORS, Log, evaluate
from streamer.learning.own_log import own_log
from streamer.replay.player import Player
from streamer.replay.record import Source
from streamer.replay.sources.log import open_log
from streamer.replay.sources.topics import TopicSource
from streamer.settings import Settings
from streamer.topology import USER_BEHAVIOUR
from tests.support.bundles import SHIPPED
from tests.support.logs import write
from tests.support.processes import call, own_group
from tests.support.steps import SilentSteps

pytest.importorskip("obp")

ITEMS, PLACES, HOURS, REQUESTS = 25, 3, 12, 2500
START = 1_700_000_000.0 // STEP_SECONDS * STEP_SECONDS
BRANDS = ("north", "south", "east", "west", "nowhere")
HOPE = Hope("click", 600.0)


@dataclass(frozen=True)
class Shop:
    """A log as JSON lines, and P(click) of each item in each place."""

    catalogue: Path
    behaviour: Path
    chance: np.ndarray

    @property
    def source(self) -> Source:
        return open_log([self.behaviour], self.catalogue)

    def truth(self, found: dict[Occasion, Lists], hours: np.ndarray, places: np.ndarray) -> float:
        """What the bundle's lists earn, were they shown instead."""
        earned = []
        for hour, place in zip(hours.tolist(), places.tolist(), strict=True):
            there = found[hour, EVERYTHING]
            rows = [int(name.removeprefix("item-")) for name in there.items]
            earned.append(there.chance[:, place] @ self.chance[rows, place])
        return float(np.mean(earned))


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Shop:
    """Every request shows three different items drawn evenly, so each place has each item with
    1/25; what sold before is clicked more often."""
    folder, rng = tmp_path_factory.mktemp("own"), np.random.default_rng(7)
    base = 0.05 + 0.12 * (np.arange(ITEMS) % len(BRANDS)) + rng.uniform(0.0, 0.1, ITEMS)
    chance = base[:, None] * np.array([1.0, 0.7, 0.5])
    catalogue = [
        {
            "item_id": f"item-{n}",
            "time": START + n,
            "title": f"Item {n}",
            "brand": BRANDS[n % len(BRANDS)],
            "category": ["Things"],
            "price": float(rng.uniform(1, 50)),
        }
        for n in range(ITEMS)
    ]
    events: list[dict[str, Any]] = [
        {
            "item_id": f"item-{n}",
            "type": "purchase",
            "time": START + 60 + m,
            "user_id": f"early-{m}",
            "value": 10.0,
        }
        for n in range(ITEMS)
        for m in range(4 * (n % len(BRANDS)))
    ]
    for request in range(REQUESTS):
        time = START + STEP_SECONDS * (1 + (HOURS - 1) * request / REQUESTS)
        for place, item in enumerate(rng.permutation(ITEMS)[:PLACES].tolist()):
            shown = {
                "item_id": f"item-{item}",
                "time": time,
                "session": f"request-{request}",
                "position": place + 1,
                "propensity": 1 / ITEMS,
            }
            events.append({**shown, "type": "impression"})
            if rng.random() < chance[item, place]:
                events.append({**shown, "type": "click", "time": time + 5})
    events.sort(key=lambda event: event["time"])
    catalogue_file, behaviour_file = folder / "catalogue.jsonl", folder / "behaviour.jsonl"
    for file, rows in ((catalogue_file, catalogue), (behaviour_file, events)):
        file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return Shop(catalogue_file, behaviour_file, chance)


def test_the_estimates_cover_what_the_bundles_lists_would_have_earned(shop: Shop) -> None:
    bundle, settings = registry.active(SHIPPED), Settings()
    found = own_log(shop.source, bundle, HOPE, settings, SilentSteps(), texts=False)
    log = found.log
    assert len(log) == PLACES * REQUESTS
    assert (log.propensity == 1 / ITEMS).all()
    assert (log.target / log.propensity).mean() == pytest.approx(1.0, abs=0.15)

    requests = np.repeat(np.arange(REQUESTS), PLACES)
    hours = (START + STEP_SECONDS * (1 + (HOURS - 1) * requests / REQUESTS)) // STEP_SECONDS
    course = Course(
        Judge(bundle),
        lambda _: (),
        {(int(hour), EVERYTHING): PLACES for hour in np.unique(hours)},
        settings.launch_window_days,
    )
    told: list[int] = []
    shown = lists(shop.source, course, told.append)
    assert told == sorted(told)
    places = np.tile(np.arange(PLACES), REQUESTS)
    truth = shop.truth(shown, hours.astype(int), places)
    assert truth > 1.1 * log.reward.mean()
    for name, value in evaluate(log).items():
        assert value.low <= truth <= value.high, name


def test_the_command_prints_and_reports_what_was_logged_and_what_would_have_been(
    shop: Shop, tmp_path: Path
) -> None:
    report = tmp_path / "offpolicy.json"
    files = [str(shop.behaviour), "--catalogue", str(shop.catalogue)]
    settings = Settings(model_store=SHIPPED)
    done = call(settings, tmp_path, "offpolicy", *files, "--no-texts", "--report", str(report))
    assert done.returncode == 0, done.stderr
    assert f"the lists of {registry.active_name(SHIPPED)}" in done.stdout
    assert "as logged" in done.stdout
    assert "clicks per 1,000 showings" in done.stdout
    rows = {row["name"]: row for row in json.loads(report.read_text())["results"]}
    place = "offpolicy.own"
    for name in ESTIMATORS:
        row = rows[f"{place}.{name}"]
        assert row["peer"] == "as logged"
        assert rows[f"{place}.{name}.low"]["value"] <= row["value"]
    assert rows[f"{place}.effective_rounds"]["value"] > 100


def test_the_topics_hold_the_same_log(
    shop: Shop, broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    settings = own_group(broker_address, redis_url, model_store=SHIPPED)
    asyncio.run(Player(shop.source, settings).play())
    unreadable = [(b"k", b"\xc1"), (b"k", None), (None, msgpack.packb({"time": START}))]
    timeless = msgpack.packb({"item_id": "item-1", "type": "view", "time": float("nan")})
    asyncio.run(write(settings, USER_BEHAVIOUR.name, [*unreadable, (b"item-1", timeless)]))
    there = TopicSource(settings)
    assert there.total == shop.source.total + 4
    bundle = registry.active(SHIPPED)
    of_files, of_topics = (
        own_log(source, bundle, HOPE, settings, SilentSteps(), texts=False)
        for source in (shop.source, there)
    )
    assert not of_files.refused
    for counted in ("1 undecodable", "1 empty", "1 invalid", "1 time"):
        assert counted in of_topics.refused
    found, same = of_files.log, of_topics.log
    np.testing.assert_array_equal(np.sort(found.reward), np.sort(same.reward))
    assert found.target.sum() == pytest.approx(same.target.sum(), rel=0.05)


def test_lists_and_folds_are_drawn_by_the_seed(shop: Shop) -> None:
    bundle, settings = registry.active(SHIPPED), Settings()

    def weighed(seed: int) -> Log:
        steps = SilentSteps()
        return own_log(shop.source, bundle, HOPE, settings, steps, texts=False, seed=seed).log

    one, again, other = weighed(1), weighed(1), weighed(2)
    np.testing.assert_array_equal(one.expected, again.expected)
    assert (one.target != other.target).any()
    assert (one.expected != other.expected).any()


def test_what_was_ahead_when_it_was_written_is_left_out_for_ever(
    broker_address: str, redis_url: str
) -> None:
    """As a worker refused it then, though its time has come meanwhile."""
    settings = own_group(broker_address, redis_url)
    view = {"item_id": "item-1", "type": "view"}
    producer = KafkaProducer(bootstrap_servers=broker_address)
    for time in (START, START + 86400.0):
        value = msgpack.packb(view | {"time": time})
        producer.send(settings.topic(USER_BEHAVIOUR.name), value, timestamp_ms=int(START * 1000))
    producer.close()
    taken = Accepted(TopicSource(settings), settings)
    assert [record.time for record in taken] == [START]
    assert taken.left_out == {"time": 1}


def test_files_and_topics_are_not_one_log(shop: Shop) -> None:
    for arguments in ([str(shop.behaviour)], ["--catalogue", str(shop.catalogue)]):
        done = CliRunner().invoke(app, ["offpolicy", *arguments, "--topics"])
        assert isinstance(done.exception, ConfigurationError)
        assert "leave out" in str(done.exception)
    alone = CliRunner().invoke(app, ["offpolicy", "--catalogue", str(shop.catalogue)])
    assert "give its files" in str(alone.exception)


def test_a_broker_without_a_log_is_told(broker_address: str, redis_url: str) -> None:
    with pytest.raises(ConfigurationError, match="retains nothing"):
        TopicSource(own_group(broker_address, redis_url))


def test_a_log_without_propensities_is_told(shop: Shop, tmp_path: Path) -> None:
    events = [json.loads(line) for line in shop.behaviour.read_text().splitlines()[:500]]
    bare = tmp_path / "bare.jsonl"
    bare.write_text("".join(json.dumps({**e, "propensity": None}) + "\n" for e in events))
    source = open_log([bare], shop.catalogue)
    with pytest.raises(ConfigurationError, match="lack a propensity"):
        own_log(source, registry.active(SHIPPED), HOPE, Settings(), SilentSteps(), texts=False)
