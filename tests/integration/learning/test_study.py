"""A shop's own log, from files to a bundle that reads what shoppers do and say there."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from streamer import registry
from streamer.cli import app
from streamer.embedded import valkey
from streamer.errors import BundleError
from streamer.judge import Judge
from streamer.learning import teacher
from streamer.learning.encode import encode
from streamer.learning.launches import AtAges
from streamer.learning.metrics import auc
from streamer.learning.reading import Encoded
from streamer.learning.replay import Replay
from streamer.learning.study_file import open_study
from streamer.learning.survey import Survey, survey
from streamer.registry import Bundle, bundles
from streamer.replay.player import Player
from streamer.replay.sources.log import open_log
from streamer.settings import Settings, load
from streamer.state.connection import connected
from streamer.state.features import FEATURES
from streamer.state.keys import Keys
from streamer.state.layout import DAY
from streamer.state.store import Store
from tests.support.bundles import shipped_store
from tests.support.own_shop import OwnShop, own_shop
from tests.support.processes import own_group

ROUNDS = 60
"""Of trees: enough for so few launches."""


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[OwnShop]:
    """The shop's folder, with the store that ships in it, as the working directory."""
    made = own_shop(tmp_path_factory.mktemp("own"))
    shipped_store(made.folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(made.folder)
        patch.setenv("STREAMER_CACHE", str(made.folder / "cache"))
        patch.setenv("STREAMER_ENCODER_BACKEND", "fp32")
        patch.setattr(teacher, "ROUNDS", ROUNDS)
        yield made


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, list(arguments))


@pytest.fixture(scope="module")
def trained(shop: OwnShop) -> tuple[Bundle, Result]:
    before = set(bundles.names(shop.folder / "model_store"))
    done = run("train", "--study", "study.toml", "--report", "train.json")
    (name,) = set(bundles.names(shop.folder / "model_store")) - before
    return registry.load(shop.folder / "model_store", name), done


@pytest.fixture(scope="module")
def found(shop: OwnShop) -> Survey:
    return survey(open_study(shop.study, load()))


def test_what_the_log_has_is_read_and_tells_launches_apart(trained: tuple[Bundle, Result]) -> None:
    bundle, _ = trained
    predictor, metrics = bundle.predictor, bundle.manifest["metrics"]
    read = {predictor.features[place] for place in predictor.values}
    assert read >= {
        *("views", "views_24h", "interest", "conversion", "clicks_to_exposure", "exposure"),
        *("returns_share", "purchases", "reviews", "sentiment", "rating", "ratings", "review_v0"),
    }
    assert not len(predictor.termed)
    assert metrics["auc.age_1d"] > 0.7
    assert metrics["auc.age_1d"] > metrics["auc.age_first_sight"] + 0.1
    assert not any(name.startswith("review_term") for name in metrics)


def test_manifest_and_card_say_what_is_true_of_this_log(
    trained: tuple[Bundle, Result], shop: OwnShop
) -> None:
    bundle, done = trained
    about, card = (
        bundle.manifest,
        (shop.folder / "model_store" / bundle.name / "README.md").read_text(),
    )
    success = {"outcome": "buyers", "horizon_days": 10.0, "cohort_days": 15.0, "quantile": 0.8}
    assert about["success"] == success
    assert about["study"] == {
        "log": "items.jsonl and behaviour.jsonl",
        "from": "2025-01-05",
        "test_from": "2025-02-04",
        "until": "2025-02-18",
    }
    assert "review_term" not in about
    assert about["reviews"]["learnt_from"] > 500
    assert "items.jsonl" in about["trained_on"]
    for words in (
        "of your own",
        "2025-02-04",
        "within 10 days",
        f"{about['reviews']['learnt_from']} of launches",
    ):
        assert words in card
    for words in ("Complete Journey", "day 220", "no reviews", "What reviews add"):
        assert words not in card
    shipped = registry.active_name(shop.folder / "model_store")
    assert about["incumbent"]["name"] == shipped
    assert about["incumbent"]["metrics"].keys() == about["metrics"].keys()
    left_out = "1 id, 1 duplicate (item_id 'not an id' has spaces"
    assert left_out in card
    to_be_known = "1 of the log's purchases are of items that the catalogue does not have"
    assert to_be_known in card
    assert to_be_known in done.output
    assert isinstance(done.exception, BundleError)
    assert (
        f"saved: model_store/{bundle.name}; see how good it is: "
        f"streamer evaluate {bundle.name} --study study.toml\n"
    ) in done.output
    told = str(done.exception)
    assert told.startswith(
        f"{bundle.name} is not promoted: it says P of another success (buyers in 10 days above 80 % "
        f"of the launches of the same 15 days) than {shipped} (buyers in 56 days above 80 % of the "
        "launches of the same 30 days)"
    )
    assert told.endswith(
        f"To overrule that: streamer models promote {bundle.name} --force --why '…'"
    )
    assert "\n" not in told


def test_more_views_and_better_reviews_raise_the_score(trained: tuple[Bundle, Result]) -> None:
    predictor = trained[0].predictor
    usual = np.tile(predictor.mean, (2, 1))
    content = np.full((2, predictor.components.shape[1]), np.nan, np.float32)
    for names in (
        ("views", "views_1h", "views_24h", "views_168h"),
        ("sentiment", "sentiment_168h"),
    ):
        x = usual.copy()
        places = [FEATURES.index(name) for name in names]
        x[0, places], x[1, places] = predictor.least[places], predictor.greatest[places]
        low, high = predictor.score(x, content, np.array([1, 1])).logit
        assert high > low + 0.1, names


def test_a_worker_serves_what_was_measured(trained: tuple[Bundle, Result], found: Survey) -> None:
    """Through state, features and judge, the test launches a day after their launch."""
    bundle, study, outcomes = trained[0], found.study, found.outcomes
    tested = replace(study.launches, first_day=study.test_from_day)
    judge, served = Judge(bundle), dict[str, float]()
    texts = [text for text in found.texts if tested.has(outcomes.launched[text.item_id])]
    encodings, _, _ = encode(load(), texts)

    async def serve(settings: Settings) -> None:
        async with connected(settings) as client:
            store = Store(client, Keys("served", shards=1), user_retention_seconds=0)
            replay = Replay(store, AtAges(tested, (1.0,)), Encoded(encodings))
            async for look in replay.run(study.source, lambda _: None):
                for place, item_id in enumerate(look.items.ids):
                    items = look.items.part(place, place + 1)
                    judged = judge.judge(items, look.kin, look.time[place])
                    served[item_id] = float(judged.scores.logit[0])

    with tempfile.TemporaryDirectory() as folder:
        server, url = valkey(Path(folder))
        with server:
            asyncio.run(serve(load(redis=url)))
    labels = outcomes.labels()
    measured = auc(np.array([labels[i] for i in served]), np.array(list(served.values())))
    assert measured == pytest.approx(bundle.manifest["metrics"]["auc.age_1d"], abs=0.005)


def test_the_topics_hold_the_same_log(shop: OwnShop, broker_address: str, redis_url: str) -> None:
    """Also where an item is much older than the behaviour, and another is changed after it."""
    items = [json.loads(line) for line in (shop.folder / "items.jsonl").read_text().splitlines()]
    old = items[0] | {"item_id": "old", "event_id": "old", "time": items[0]["time"] - 400 * DAY}
    late = items[0] | {"event_id": "late", "time": items[-1]["time"] + 40 * DAY}
    shop.write("all.jsonl", [old, *items, late])
    settings = own_group(broker_address, redis_url)
    files = open_log([shop.folder / "behaviour.jsonl"], shop.folder / "all.jsonl")
    asyncio.run(Player(files, settings).play())
    text = shop.study.read_text()
    before, behind = shop.folder / "files.toml", shop.folder / "topics.toml"
    before.write_text(text.replace("items.jsonl", "all.jsonl"))
    behind.write_text("[log]\ntopics = true\n" + text[text.index("[launches]") :])
    found, there = (survey(open_study(study, settings)) for study in (before, behind))
    assert there.study.launches == found.study.launches
    assert there.study.period == found.study.period
    assert there.events == found.events
    assert there.outcomes.labels() == found.outcomes.labels()
    assert len(there.reviews) == len(found.reviews)


def test_it_is_evaluated_by_its_study(trained: tuple[Bundle, Result]) -> None:
    name = trained[0].name
    arguments = ("--study", "study.toml", "--seeds", "0", "--resamples", "20", "--report", "v.json")
    done = run("evaluate", name, *arguments)
    assert done.exit_code == 0, done.output
    assert "whose weeks no label looks into" in done.output
    assert "2025-02-14" in done.output
    assert "another success" not in done.output
    rows = json.loads(Path("v.json").read_text())["results"]
    own = {row["name"]: row["value"] for row in rows if row.get("peer") is None}
    metrics = trained[0].manifest["metrics"]
    assert own["evaluate.auc.age_1d"] == pytest.approx(metrics["auc.age_1d"], abs=1e-6)
    assert 0.5 < own["evaluate.ceiling.age_0d"] < 1.0
    assert {"recency", "all features (LightGBM)"} <= {row.get("peer") for row in rows}


def test_it_is_tuned_on_its_study() -> None:
    done = run("tune", "--study", "study.toml", "--trials", "1")
    assert done.exit_code == 0, done.output
    assert "streamer train --tuned runs/tuned.json --study study.toml" in done.output


def test_a_task_that_knows_no_study_says_so() -> None:
    done = run("evaluate", "--task", "recommend", "--study", "study.toml")
    assert "leave --study out" in str(done.exception)


@pytest.mark.slow
def test_without_reviews_what_they_add_is_another_shops_but_for_what_is_learnt_here(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The log has ratings, so the networks read these, and the term speaks of sentiment alone."""
    own_shop(tmp_path, reviews=False)
    store = shipped_store(tmp_path)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("STREAMER_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("STREAMER_ENCODER_BACKEND", "fp32")
    before = set(bundles.names(store))
    run("train", "--study", "study.toml")
    (name,) = set(bundles.names(store)) - before
    bundle = registry.load(store, name)
    predictor = bundle.predictor
    assert "rating" in {predictor.features[place] for place in predictor.values}
    assert [predictor.features[place] for place in predictor.termed] == [
        "sentiment",
        "sentiment_168h",
    ]
    assert bundle.manifest["metrics"]["auc.age_1d"] > 0.6
    assert "reviews" not in bundle.manifest
    card = (store / name / "README.md").read_text()
    assert "this log has 0 reviews of launches, too few to learn from" in card
    assert "## What reviews add" in card
