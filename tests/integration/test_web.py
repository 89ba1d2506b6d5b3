"""The pages, the read API and the health paths, over a real state."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import urlopen

import msgspec
import pytest
from prometheus_client.parser import text_string_to_metric_families
from redis import Redis

from streamer.embedded import free_port, valkey
from streamer.events import Behaviour
from streamer.topology import NEW_ITEMS
from streamer.web.server import POLL_SECONDS
from tests.support.logs import write
from tests.support.processes import call, own_group, running, said, until
from tests.support.shop import BOARD_SIZE, ITEMS, MUGS, SCARVES, START, Shop, listing

TIMEOUT_SECONDS = 30.0


def get(url: str) -> tuple[int, str]:
    """Status and body; 0 where nobody answers."""
    try:
        with urlopen(url, timeout=TIMEOUT_SECONDS) as answer:
            return answer.status, answer.read().decode()
    except HTTPError as error:
        return error.code, error.read().decode()
    except URLError:
        return 0, ""


def told(url: str) -> Any:
    status, body = get(url)
    assert status == 200, body
    return json.loads(body)


@pytest.mark.parametrize("path", ["/", f"/item/{quote(MUGS[0], safe='')}"])
def test_a_page_and_all_it_needs_are_served(shop: Shop, path: str) -> None:
    status, page = get(shop.page + path)
    assert status == 200
    assert page.startswith("<!doctype html>")
    needed = re.findall(r'(?:src|href)="(/static/[^"]+)"', page)
    assert any(name.endswith(".js") for name in needed)
    assert any(name.endswith(".css") for name in needed)
    for name in needed:
        assert get(shop.page + name)[0] == 200


def test_nothing_beside_the_pages_is_served(shop: Shop) -> None:
    for path in ("/static/..%2fserver.py", "/static/nothing.js", "/server.py"):
        assert get(shop.page + path)[0] == 404


def test_health_and_metrics(shop: Shop) -> None:
    for address in (shop.page, f"http://127.0.0.1:{shop.worker_port}"):
        assert told(f"{address}/healthz") == {"status": "ok"}
        assert told(f"{address}/readyz") == {"status": "ready"}
        _, text = get(f"{address}/metrics")
        assert "streamer_events" in {f.name for f in text_string_to_metric_families(text)}


def test_a_worker_is_not_ready_before_it_has_partitions(shop: Shop, tmp_path: Path) -> None:
    settings = own_group(shop.settings.broker, shop.settings.redis)
    with running(settings, tmp_path, "worker", ready=False) as (worker,):
        address = f"http://127.0.0.1:{worker.port}"
        seen = []
        while 200 not in seen:
            assert worker.child.alive
            seen.append(get(f"{address}/readyz")[0])
            if seen[-1] == 503:
                assert get(f"{address}/healthz")[0] == 200
    assert 503 in seen


def test_the_boards_are_listed_with_their_sizes(shop: Shop) -> None:
    listed = {board["board"]: board["items"] for board in told(f"{shop.page}/api/boards")}
    assert listed.items() >= {"all": len(ITEMS), "Kitchen": len(MUGS)}.items()


def test_a_board_is_told_in_order(shop: Shop) -> None:
    board = told(f"{shop.page}/api/board?name=all")
    assert [line["rank"] for line in board["lines"]] == list(range(1, BOARD_SIZE + 1))
    assert {line["item_id"] for line in board["lines"]} <= set(ITEMS)
    probabilities = [line["probability"] for line in board["lines"]]
    assert probabilities == sorted(probabilities, reverse=True)
    assert all(line["reason"] and line["title"] for line in board["lines"])
    assert board == {
        **said(shop.settings, shop.folder, "rank", "all", "--json"),
        "time": board["time"],
    }


def test_a_board_that_nobody_has_heard_of_is_empty(shop: Shop) -> None:
    assert told(f"{shop.page}/api/board?name=Toys") == {"sequence": 0, "time": None, "lines": []}
    assert get(f"{shop.page}/api/board")[0] == 400


def test_a_list_is_drawn_with_what_its_impressions_log(shop: Shop) -> None:
    address = f"{shop.page}/api/board/draw?name=Kitchen"
    lists = [told(f"{address}&places=2") for _ in range(20)]
    for found in [
        *lists,
        said(shop.settings, shop.folder, "draw", "Kitchen", "--places", "2", "--json"),
    ]:
        assert found.keys() == {"board", "model", "time", "lines"}
        assert found["model"].startswith("launch-")
        assert [line["position"] for line in found["lines"]] == [1, 2]
        assert len({line["item_id"] for line in found["lines"]} & set(MUGS)) == 2
        for line in found["lines"]:
            event = {"item_id": line["item_id"], "type": "impression", "time": found["time"]}
            shown = {name: line[name] for name in ("position", "propensity")}
            msgspec.convert({**event, **shown}, Behaviour)
    assert len(told(address)["lines"]) == len(MUGS)
    assert told(f"{shop.page}/api/board/draw?name=Toys")["lines"] == []


@pytest.mark.parametrize("places", ["0", "51", "many", pytest.param("9" * 5000, id="digits")])
def test_a_list_of_odd_length_is_refused(shop: Shop, places: str) -> None:
    assert get(f"{shop.page}/api/board/draw?name=Kitchen&places={places}")[0] == 400
    done = call(shop.settings, shop.folder, "draw", "Kitchen", "--places", places)
    assert done.returncode == 2
    assert call(shop.settings, shop.folder, "draw", "Toys").returncode == 8


def test_a_watched_board_is_told_again_when_it_changes(shop: Shop) -> None:
    """Withdrawing an item takes it off the board while somebody looks."""
    with urlopen(f"{shop.page}/api/board/events?name=Kitchen", timeout=TIMEOUT_SECONDS) as stream:
        assert stream.headers["Content-Type"] == "text/event-stream"
        before = next_event(stream)
        assert {line["item_id"] for line in before["lines"]} == set(MUGS)
        gone = listing(MUGS[1], type="withdrawal", time=START + 500)
        asyncio.run(write(shop.settings, NEW_ITEMS.name, [gone]))
        after = next_event(stream)
        assert {line["item_id"] for line in after["lines"]} == set(MUGS) - {MUGS[1]}
        assert after["sequence"] > before["sequence"]
        back = listing(MUGS[1], time=START + 501)
        asyncio.run(write(shop.settings, NEW_ITEMS.name, [back]))
        assert {line["item_id"] for line in next_event(stream)["lines"]} == set(MUGS)


def next_event(stream: HTTPResponse) -> Any:
    line = stream.readline()
    while not line.startswith(b"data: "):
        line = stream.readline()
    return json.loads(line.removeprefix(b"data: "))


@pytest.mark.parametrize("item_id", [MUGS[0], MUGS[2], SCARVES[3]])
def test_an_item_is_told_as_the_command_line_tells_it(shop: Shop, item_id: str) -> None:
    item = told(f"{shop.page}/api/item?id={quote(item_id)}")
    explanation = item.pop("explanation")
    shown = said(shop.settings, shop.folder, "item", item_id, "--json")
    for name in ("title", "totals", "amounts", "distinct", "boards", "version"):
        assert item[name] == shown[name]
    assert item["totals"]["purchase"] == ITEMS.index(item_id)
    logit = sum(reason["contribution"] for reason in explanation)
    assert logit == pytest.approx(item["score"]["logit"])


def test_an_unknown_item_is_not_found(shop: Shop) -> None:
    status, body = get(f"{shop.page}/api/item?id=nobody")
    assert status == 404
    assert json.loads(body) == {"error": "nothing is known of item nobody"}
    assert get(f"{shop.page}/api/item")[0] == 400


@pytest.fixture
def redis_port() -> int:
    return free_port()


@pytest.fixture
def lonely_page(broker_address: str, tmp_path: Path, redis_port: int) -> Iterator[str]:
    """A page whose Redis has gone."""
    child, url = valkey(tmp_path, redis_port)
    settings = own_group(broker_address, url, web_port=free_port())
    with child, running(settings, tmp_path, "web"):
        child.kill()
        yield f"http://127.0.0.1:{settings.web_port}"


def test_without_redis_the_page_says_so_and_comes_back_with_it(
    lonely_page: str, tmp_path: Path, redis_port: int
) -> None:
    for path in ("/api/boards", "/api/board?name=all", "/api/item?id=a", "/readyz"):
        status, body = get(lonely_page + path)
        assert status == 503
        assert json.loads(body) == {"error": "the state store does not answer"}
    assert get(f"{lonely_page}/healthz")[0] == 200
    assert get(f"{lonely_page}/")[0] == 200
    child, _ = valkey(tmp_path, redis_port)

    async def back() -> bool:
        return get(f"{lonely_page}/readyz")[0] == 200

    with child:
        asyncio.run(until(back, "the page reads again"))
        assert told(f"{lonely_page}/api/boards") == []


def test_nobody_looks_for_watchers_that_have_left(broker_address: str, tmp_path: Path) -> None:
    child, url = valkey(tmp_path)
    settings = own_group(broker_address, url, web_port=free_port())
    address = f"http://127.0.0.1:{settings.web_port}/api/board/events?name=all"
    with child, running(settings, tmp_path, "web"), Redis.from_url(url) as redis:
        for _ in range(5):
            with urlopen(address, timeout=TIMEOUT_SECONDS) as stream:
                assert next_event(stream)["lines"] == []
        looks = [_looks(redis)]

        async def quiet() -> bool:
            await asyncio.sleep(3 * POLL_SECONDS)
            looks.append(_looks(redis))
            return looks[-1] == looks[-2]

        asyncio.run(until(quiet, "boards are left alone"))
    assert "does not answer" not in (tmp_path / "web-0.log").read_text()


def _looks(redis: Redis) -> int:
    """How often a board was read."""
    return int(redis.info("commandstats")["cmdstat_hgetall"]["calls"])


def test_a_stream_ends_where_redis_goes(broker_address: str, tmp_path: Path) -> None:
    child, url = valkey(tmp_path)
    settings = own_group(broker_address, url, web_port=free_port())
    address = f"http://127.0.0.1:{settings.web_port}/api/board/events?name=all"
    with (
        child,
        running(settings, tmp_path, "web"),
        urlopen(address, timeout=TIMEOUT_SECONDS) as stream,
    ):
        assert next_event(stream)["lines"] == []
        child.kill()
        assert stream.read().strip() == b""


def test_a_taken_port_is_one_line(shop: Shop, tmp_path: Path) -> None:
    done = call(shop.settings, tmp_path, "web")
    assert done.returncode == 2
    port = shop.settings.web_port
    assert done.stderr.splitlines()[-1].startswith(f"error: port {port} can't be used")


def test_a_taken_port_of_a_status_is_one_line(shop: Shop, tmp_path: Path) -> None:
    port = str(shop.worker_port)
    done = call(shop.settings, tmp_path, "worker", STREAMER_METRICS_PORT=port)
    assert done.returncode == 2
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"error: 127.0.0.1:{port} can't be used for health and metrics")
    assert "Traceback" not in done.stderr
