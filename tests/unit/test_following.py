"""A process has in use what its store names: it notices, swaps, refuses, and mends itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from prometheus_client import REGISTRY

from streamer import following, heads, models
from streamer.encoding import sentiment
from streamer.encoding.sentiment import Head
from streamer.errors import BundleError
from streamer.following import Follower
from streamer.judge import Judge
from streamer.registry import bundles, pointer
from streamer.registry.pointer import Change
from streamer.registry.promotion import rollback
from streamer.settings import Settings
from streamer.state.features import VERSIONS
from tests.support.bundles import promoted, random_predictor, write_bundle
from tests.unit.encoding.fakes import DIMENSIONS, CountingBackend, service, text


def sample(name: str, **labels: str) -> float | None:
    return REGISTRY.get_sample_value(name, labels)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """`one` is in use, `two` and `three` are there."""
    for seed, name in enumerate(("one", "two", "three")):
        write_bundle(tmp_path, name, seed)
    promoted(tmp_path, "one")
    return tmp_path


class Process:
    """What follows a store: the judges it took, one after the other."""

    def __init__(self, store: Path) -> None:
        judge = models.judge_in_use(store)
        self.taken = [judge.bundle.name]
        self.follower: Follower[Judge] = models.follow(
            store, judge, lambda other: self.taken.append(other.bundle.name)
        )

    def look(self) -> None:
        asyncio.run(self.follower.look())


@pytest.fixture
def process(store: Path) -> Iterator[Process]:
    yield Process(store)
    for metric in ("MODEL_INFO", "MODEL_REFUSED"):
        getattr(following.metrics, metric).clear()


def damage(store: Path, name: str) -> None:
    (store / name / bundles.CARD).write_text("changed")


def mend(store: Path, name: str) -> None:
    (store / name / bundles.CARD).write_text("# A bundle for tests\n")


def test_a_promotion_and_a_way_back_are_noticed(store: Path, process: Process) -> None:
    process.look()
    promoted(store, "two")
    process.look()
    process.look()
    assert process.taken == ["one", "two"]
    assert sample("streamer_model_info", bundle="two") == 1
    assert sample("streamer_model_info", bundle="one") is None
    rollback(store)
    process.look()
    assert process.taken == ["one", "two", "one"]


def test_a_bundle_that_can_not_be_used_is_refused_loudly_and_the_old_one_stays(
    store: Path, process: Process, capsys: pytest.CaptureFixture[str]
) -> None:
    promoted(store, "two")
    damage(store, "two")
    before = sample("streamer_model_swaps_total", outcome="refused") or 0.0
    for _ in range(3):
        process.look()
    assert process.taken == ["one"]
    assert sample("streamer_model_refused", bundle="two") == 1
    assert sample("streamer_model_swaps_total", outcome="refused") == before + 1
    assert sample("streamer_model_info", bundle="one") == 1
    (line,) = [x for x in capsys.readouterr().out.splitlines() if "refused" in x]
    assert "README.md does not match its hash" in line


def test_what_was_refused_is_taken_once_it_is_sound(
    store: Path, process: Process, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its files may have been on their way, or another one is promoted, or it is undone."""
    monkeypatch.setattr(following, "RETRY_SECONDS", 0.0)
    promoted(store, "two")
    damage(store, "two")
    process.look()
    mend(store, "two")
    process.look()
    assert process.taken == ["one", "two"]
    assert sample("streamer_model_refused", bundle="two") is None

    promoted(store, "three")
    damage(store, "three")
    process.look()
    assert sample("streamer_model_refused", bundle="three") == 1
    rollback(store)
    process.look()
    assert process.taken == ["one", "two"]
    assert sample("streamer_model_refused", bundle="three") is None


def test_a_store_that_is_gone_for_a_while_changes_nothing(store: Path, process: Process) -> None:
    away = store.rename(store.parent / "away")
    process.look()
    assert process.taken == ["one"]
    away.rename(store)
    promoted(store, "two")
    process.look()
    assert process.taken == ["one", "two"]


def test_a_bundle_that_can_be_read_but_not_score_is_refused(store: Path, process: Process) -> None:
    predictor = random_predictor()
    arrays = predictor.arrays()
    about = {
        "encoder": "test-encoder",
        "dimensions": 384,
        "features": list(predictor.features),
        "groups": list(predictor.groups),
    }
    odd = {
        "endless": {**arrays, "bias": np.full(3, np.inf)},
        "misshapen": {**arrays, "weights2": np.ones((3, 2, 2), np.float32)},
    }
    for name, tensors in odd.items():
        bundles.write(store, name, "launch", tensors, about, "# odd")
        with pytest.raises(BundleError, match="can't score"):
            models.open_judge(store, name)
        with pytest.raises(BundleError, match="can't score"):
            promoted(store, name)
        by_another_hand = Change(slot="launch", to=name, before="one", at="", by="", why="")
        with pointer.locked(store):
            pointer.append(store, by_another_hand)
        process.look()
    assert process.taken == ["one"]


def test_who_starts_while_the_bundle_in_use_is_damaged_takes_the_one_before(store: Path) -> None:
    promoted(store, "two", "three")
    damage(store, "three")
    late = Process(store)
    assert late.taken == ["two"]
    assert sample("streamer_model_refused", bundle="three") == 1
    mend(store, "three")
    late.look()
    assert late.taken == ["two", "three"]


def test_who_starts_with_features_defined_anew_takes_no_bundle_that_learnt_the_former(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(VERSIONS, "views", 7)
    with pytest.raises(BundleError, match="one learnt views by another definition than this"):
        Process(store)
    write_bundle(store, "four")
    promoted(store, "four")
    assert Process(store).taken == ["four"]


def test_who_starts_without_any_usable_bundle_says_what_is_wrong_with_the_one_in_use(
    store: Path,
) -> None:
    promoted(store, "two")
    for name in ("one", "two"):
        damage(store, name)
    with pytest.raises(BundleError, match="bundle two is damaged"):
        models.judge_in_use(store)
    (store / pointer.ACTIVE).unlink()
    with pytest.raises(BundleError, match="no active bundle"):
        models.judge_in_use(store)


def test_an_encoder_takes_the_promoted_sentiment_and_forgets_what_the_old_one_read(
    tmp_path: Path,
) -> None:
    glad, sad = (Head(np.zeros(DIMENSIONS, np.float32), bias) for bias in (9.0, -9.0))
    for name, head in (("sentiment-glad", glad), ("sentiment-sad", sad)):
        sentiment.save(tmp_path / name, head, {"encoder_fingerprint": "fake"}, "# card")
    narrow = Head(np.zeros(DIMENSIONS + 1, np.float32), 0.0)
    sentiment.save(tmp_path / "narrow", narrow, {"encoder_fingerprint": "fake"}, "# card")

    async def scenario() -> list[float | None]:
        serving = service(CountingBackend())
        await serving.start()
        follower = heads.follow(Settings(model_store=tmp_path), serving)
        seen = []
        for name in ("sentiment-glad", "sentiment-sad", "narrow", "sentiment-glad"):
            promoted(tmp_path, name)
            await follower.look()
            seen.append((await serving.encode(text("fine"))).sentiment)
        described = await serving.encode(text("fine", "description"))
        assert described.sentiment is None
        await serving.stop()
        return seen

    sad_p = pytest.approx(0.0, abs=1e-3)
    assert asyncio.run(scenario()) == [
        pytest.approx(1.0, abs=1e-3),
        sad_p,
        sad_p,
        pytest.approx(1.0, abs=1e-3),
    ]
