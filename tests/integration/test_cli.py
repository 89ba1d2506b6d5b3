"""The commands that look at a running system, typed as a user types them."""

from __future__ import annotations

import asyncio
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import redis

from streamer import broker
from streamer.embedded import free_port, valkey
from streamer.registry import bundles
from streamer.settings import Settings
from streamer.topology import ITEM_SCORES, NEW_ITEMS, TOPICS, USER_BEHAVIOUR
from tests.support.logs import read, write
from tests.support.processes import (
    HARD_LIMIT_SECONDS,
    call,
    environment,
    own_group,
    running,
    said,
    wait_until,
)
from tests.support.settling import behind
from tests.support.shop import BOARD_SIZE, ITEMS, MUGS, SCARVES, START, Shop, listing, purchase

FAVOURITE = SCARVES[-1]
BOUGHT = ITEMS.index(FAVOURITE)


def told(shop: Shop, *arguments: str) -> str:
    """What a command that must succeed prints."""
    return told_by(shop.settings, shop.folder, *arguments)


def told_by(settings: Settings, folder: Path, *arguments: str) -> str:
    done = call(settings, folder, *arguments)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    return done.stdout


def refused(settings: Settings, folder: Path, *arguments: str, **more: str) -> tuple[int, str]:
    """Exit code and the one line in which a command that must fail says why."""
    done = call(settings, folder, *arguments, **more)
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    return done.returncode, line


def test_item_as_json_has_exact_totals_and_all_that_is_said_of_it(shop: Shop) -> None:
    item = said(shop.settings, shop.folder, "item", FAVOURITE, "--json")
    assert item["title"] == f"Title of {FAVOURITE}"
    assert item["totals"] == {**dict.fromkeys(item["totals"], 0), "purchase": BOUGHT}
    assert item["amounts"]["quantity"] == 2.0 * BOUGHT
    assert item["amounts"]["value"] == 19.0 * BOUGHT
    assert item["distinct"]["buyers"] == BOUGHT
    assert item["distinct"]["channels"] == 1
    assert item["launch_time"] == START
    assert 0 < item["decayed"]["purchases_24h"] <= BOUGHT
    assert item["boards"].keys() == {"all", "Clothing"}
    assert item["score"]["stage"] == "warming"
    contributions = sum(item["score"]["contributions"].values())
    assert contributions == pytest.approx(item["score"]["logit"])


def test_item_in_words(shop: Shop) -> None:
    shown = told(shop, "item", MUGS[2])
    assert MUGS[2] in shown
    assert "Kitchen › Gifts" in shown


def test_rank_shows_a_board_in_order(shop: Shop) -> None:
    board = json.loads(told(shop, "rank", "Clothing", "--json"))
    assert {line["item_id"] for line in board["lines"]} == set(SCARVES)
    assert [line["rank"] for line in board["lines"]] == [1, 2, 3, 4]
    shown = told(shop, "rank").splitlines()
    assert shown[0].startswith(f"launch board: all  #{_sequence(shop)}")
    assert len(shown) == BOARD_SIZE + 2


def _sequence(shop: Shop) -> int:
    return int(said(shop.settings, shop.folder, "rank", "--json")["sequence"])


def test_explain_adds_up_to_the_logit(shop: Shop) -> None:
    reasons = said(shop.settings, shop.folder, "explain", FAVOURITE, "--json")
    item = said(shop.settings, shop.folder, "item", FAVOURITE, "--json")
    logit = sum(reason["contribution"] for reason in reasons)
    assert logit == pytest.approx(item["score"]["logit"])
    sizes = [abs(reason["contribution"]) for reason in reasons if reason["reason"] != "base"]
    assert sizes == sorted(sizes, reverse=True)
    last = told(shop, "explain", FAVOURITE).splitlines()[-1].split()
    assert last == ["logit", f"{logit:+.3f}"]


def test_explain_text_weighs_the_words_of_the_description(shop: Shop) -> None:
    found = said(shop.settings, shop.folder, "explain", FAVOURITE, "--text", "--json")
    words = {keyword["word"] for keyword in found["keywords"]}
    assert words
    assert all(word.lower() in found["text"].lower() for word in words)
    sizes = [abs(keyword["weight"]) for keyword in found["keywords"]]
    assert sizes == sorted(sizes, reverse=True)
    marked = told(shop, "explain", FAVOURITE, "--text").splitlines()[0]
    for keyword in found["keywords"][:2]:
        sign = "+" if keyword["weight"] > 0 else "-"
        for start, end in keyword["places"]:
            assert f"{sign}{found['text'][start:end]}{sign}" in marked
    answer = refused(shop.settings, shop.folder, "explain", "nobody", "--text")
    assert answer == (8, "error: the catalogue has no item nobody")


def test_suggest_names_items_of_a_board_and_says_why(shop: Shop) -> None:
    found = said(shop.settings, shop.folder, "learn", "suggest", "--count", "3", "--json")
    assert len({each["item_id"] for each in found} & set(ITEMS)) == 3
    assert all(each["least"] <= each["probability"] <= each["greatest"] for each in found)
    assert sum(each["like_it"] + 1 for each in found) == len(ITEMS)
    scarves = said(
        shop.settings, shop.folder, "learn", "suggest", "--category", "Clothing", "--json"
    )
    assert {each["item_id"] for each in scarves} == set(SCARVES)
    assert "networks disagree" in told(shop, "learn", "suggest", "--count", "1")
    answer = refused(shop.settings, shop.folder, "learn", "suggest", "--board", "Toys")
    assert answer[1].startswith("error: no board 'Toys' with items; there are: ")


def test_rescore_tells_every_item_again(shop: Shop) -> None:
    before = len(asyncio.run(read(shop.settings, ITEM_SCORES.name)))
    done = call(shop.settings, shop.folder, "rescore")
    assert done.returncode == 0
    after = asyncio.run(read(shop.settings, ITEM_SCORES.name))
    assert len(after) - before >= len(ITEMS)


@pytest.mark.parametrize("command", [["item"], ["item", "--json"], ["explain"]])
def test_an_unknown_item_is_one_line(shop: Shop, command: list[str]) -> None:
    answer = refused(shop.settings, shop.folder, *command, "nobody")
    assert answer == (8, "error: nothing is known of item nobody")


def test_an_unknown_board_names_those_there_are(shop: Shop) -> None:
    answer = refused(shop.settings, shop.folder, "rank", "Toys")
    assert answer == (8, "error: no board 'Toys'; there are: Clothing, Kitchen, all")


def test_topics_tells_each_with_its_records(shop: Shop) -> None:
    rows = {row["topic"]: row for row in said(shop.settings, shop.folder, "topics", "--json")}
    assert rows.keys() == {shop.settings.topic(topic.name) for topic in TOPICS}
    assert rows[shop.settings.topic("new-items")]["end_offsets"] >= len(ITEMS)
    assert all(row["partitions"] == shop.settings.partitions for row in rows.values())


def test_topics_creates_what_is_missing(broker_address: str, tmp_path: Path) -> None:
    names = {topic.name: f"{topic.name}-{tmp_path.name}" for topic in TOPICS}
    settings = Settings(broker=broker_address, topic_names=names, partitions=3)
    code, line = refused(settings, tmp_path, "topics")
    assert code == 8
    assert line.startswith(f"error: missing: {names['new-items']}, ")
    assert line.endswith("; run: streamer topics --create")
    done = call(settings, tmp_path, "topics", "--create")
    assert done.returncode == 0
    assert done.stderr.splitlines() == [f"created {names[topic.name]}" for topic in TOPICS]
    found = broker.describe(broker_address, names.values())
    assert {topic.partitions for topic in found.values()} == {3}
    again = call(settings, tmp_path, "topics", "--create")
    assert (again.returncode, again.stderr) == (0, "")


def test_a_watched_board_whose_redis_goes_ends_in_one_line(
    broker_address: str, tmp_path: Path
) -> None:
    child, url = valkey(tmp_path)
    settings = own_group(broker_address, url)
    command = [sys.executable, "-m", "streamer", "rank", "--watch"]
    given = {**os.environ, **environment(settings)}
    with (
        child,
        redis.Redis.from_url(url) as client,
        subprocess.Popen(command, env=given, stderr=subprocess.PIPE, text=True) as watching,
    ):
        wait_until(lambda: "cmdstat_hgetall" in client.info("commandstats"), "a look at the board")
        child.kill()
        _, told = watching.communicate(timeout=HARD_LIMIT_SECONDS)
    assert watching.returncode == 4
    (line,) = told.splitlines()
    assert line.startswith("error: Redis at ")


def test_doctor_finds_nothing_wrong_with_a_running_shop(shop: Shop) -> None:
    wait_until(lambda: "✓ lag: nothing waits" in told(shop, "doctor"), "everything committed")
    shown = told(shop, "doctor")
    assert "✗" not in shown
    for words in (
        f"Kafka: {shop.settings.broker} answers",
        f"topics: all {len(TOPICS)} exist",
        f"encoder's lag: group {shop.settings.encoder_group} has never run",
        f"state: group {shop.settings.group}, 4 shards",
        "hash verified",
        "user key: set",
    ):
        assert f"✓ {words}" in shown or words in shown


def broken(settings: Settings, folder: Path, **more: str) -> str:
    """What the doctor says is wrong, the one thing that is."""
    done = call(settings, folder, "doctor", **more)
    assert done.returncode == 8
    assert done.stderr == "error: 1 thing(s) to put right; see above\n"
    (line,) = [line for line in done.stdout.splitlines() if line.startswith("✗ ")]
    return line.removeprefix("✗ ")


def test_doctor_finds_a_broker_that_is_not_there(shop: Shop) -> None:
    address = f"127.0.0.1:{free_port()}"
    line = broken(shop.settings, shop.folder, STREAMER_BROKER=address)
    assert line.startswith(f"Kafka: Kafka at {address} does not answer")
    assert line.endswith("start it or set STREAMER_BROKER")


def test_doctor_finds_a_redis_that_is_not_there_and_keeps_its_password(shop: Shop) -> None:
    port = free_port()
    url = f"redis://user:hidden@127.0.0.1:{port}/0"
    line = broken(shop.settings, shop.folder, STREAMER_REDIS=url)
    assert line.startswith(f"Redis: Redis at redis://127.0.0.1:{port}/0 does not answer")
    assert line.endswith("start it or set STREAMER_REDIS")


def test_doctor_finds_missing_topics(shop: Shop) -> None:
    names = {**shop.settings.topic_names, "texts": "nowhere"}
    line = broken(shop.settings, shop.folder, STREAMER_TOPIC_NAMES=json.dumps(names))
    assert line == "topics: missing: nowhere  → run: streamer topics --create"


def test_doctor_counts_what_waits_where_nothing_was_committed_yet(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    settings = own_group(broker_address, redis_url)
    with running(settings, tmp_path, "worker"):
        asyncio.run(write(settings, NEW_ITEMS.name, [listing("mug")], partition=0))
        wait_until(lambda: broker.committed(settings.broker, settings.group) != {}, "committed")
    for topic, record in ((NEW_ITEMS, listing("cup")), (USER_BEHAVIOUR, purchase("mug"))):
        asyncio.run(write(settings, topic.name, [record] * 2, partition=1))
    (waiting,) = re.findall(r"✓ lag: (\d+) records wait", told_by(settings, tmp_path, "doctor"))
    assert int(waiting) >= 4


def test_doctor_finds_an_empty_redis_behind_a_group_that_has_committed(
    shop: Shop, tmp_path: Path
) -> None:
    wait_until(lambda: not asyncio.run(behind(shop.settings)), "everything committed")
    child, url = valkey(tmp_path)
    with child:
        line = broken(shop.settings, shop.folder, STREAMER_REDIS=url)
    assert line.startswith(f"state: Redis knows nothing of what group {shop.settings.group} has")
    assert line.endswith("start workers with --rebuild or --from-now")


def test_doctor_finds_another_shard_count(shop: Shop) -> None:
    line = broken(shop.settings, shop.folder, STREAMER_SHARDS="8")
    assert line == ("state: was born with 4 shards, the settings say 8  → set STREAMER_SHARDS=4")


@pytest.mark.parametrize(
    ("setting", "value", "begins", "ends"),
    [
        (
            *("maxmemory-policy", "allkeys-lru"),
            *("eviction: maxmemory-policy allkeys-lru", "set maxmemory-policy noeviction"),
        ),
        ("maxmemory", "100kb", "memory: ", "Redis takes no writes  → raise its maxmemory"),
    ],
)
def test_doctor_finds_a_redis_that_may_drop_counts_or_is_full(
    broker_address: str, tmp_path: Path, setting: str, value: str, begins: str, ends: str
) -> None:
    child, url = valkey(tmp_path)
    settings = own_group(broker_address, url)
    with child, redis.Redis.from_url(url) as client:
        client.config_set(setting, value)
        line = broken(settings, tmp_path)
    assert line.startswith(begins)
    assert line.endswith(ends)


@pytest.mark.parametrize("damage", ["missing", "changed"])
def test_doctor_finds_a_damaged_model(shop: Shop, tmp_path: Path, damage: str) -> None:
    store = tmp_path / "store"
    if damage == "changed":
        bundle = next(shop.settings.model_store.glob("launch-*"))
        (store / bundle.name).mkdir(parents=True)
        for file in bundle.iterdir():
            (store / bundle.name / file.name).write_bytes(file.read_bytes())
        with (store / bundle.name / bundles.TENSORS).open("ab") as tensors:
            tensors.write(b"!")
        (store / "ACTIVE").write_text(bundle.name)
    line = broken(shop.settings, shop.folder, STREAMER_MODEL_STORE=str(store))
    expected = {"missing": "has no active bundle", "changed": "does not match its hash"}
    assert line.startswith("model: ")
    assert expected[damage] in line


@pytest.mark.parametrize(
    ("arguments", "more", "code", "words"),
    [
        (["topics"], {"STREAMER_BROKER": "127.0.0.1:1"}, 3, "Kafka at 127.0.0.1:1 does not answer"),
        (["item", "a"], {"STREAMER_REDIS": "redis://127.0.0.1:1/0"}, 4, "set STREAMER_REDIS"),
        (["item", "a"], {"STREAMER_SHARDS": "many"}, 2, "STREAMER_SHARDS: "),
        (["item", MUGS[0]], {"STREAMER_SHARDS": "8"}, 5, "set STREAMER_SHARDS=4"),
        (["web"], {"STREAMER_SHARDS": "8", "STREAMER_WEB_PORT": "0"}, 5, "set STREAMER_SHARDS=4"),
        (["item", "a"], {"STREAMER_MODEL_STORE": "/nowhere"}, 7, "make one with: streamer train"),
        (["demo", "--speed", "fast"], {}, 2, "--speed is a number above 0 or max, not 'fast'"),
    ],
)
def test_what_is_wrong_is_one_line_and_an_exit_code(
    shop: Shop, arguments: list[str], more: dict[str, str], code: int, words: str
) -> None:
    found, line = refused(shop.settings, shop.folder, *arguments, **more)
    assert found == code
    assert line.startswith("error: ")
    assert words in line


def test_debug_shows_the_trace(shop: Shop) -> None:
    done = call(shop.settings, shop.folder, "--debug", "item", "nobody")
    assert done.returncode == 8
    assert "Traceback (most recent call last)" in done.stderr
    assert done.stderr.endswith("error: nothing is known of item nobody\n")


def test_an_empty_group_is_told_from_a_broken_one(
    broker_address: str, redis_url: str, tmp_path: Path
) -> None:
    """What has only not begun is a warning, and no reason to fail."""
    done = call(own_group(broker_address, redis_url), tmp_path, "doctor")
    assert done.returncode == 0
    assert "has never run  → start: streamer run" in done.stdout
    assert "has none yet  → start a worker" in done.stdout


@pytest.mark.parametrize(("role", "code"), [("worker", 3), ("web", 4)])
def test_a_process_without_its_servers_says_so_and_ends(shop: Shop, role: str, code: int) -> None:
    more = {"STREAMER_REDIS": "redis://127.0.0.1:1/0", "STREAMER_BROKER": "127.0.0.1:1"}
    done = call(shop.settings, shop.folder, role, STREAMER_WEB_PORT=str(free_port()), **more)
    assert done.returncode == code
    assert done.stderr.splitlines()[-1].startswith("error: ")
    assert "Traceback" not in done.stderr
