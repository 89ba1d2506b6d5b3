"""The embedded servers and the processes over them: ready when said so, gone when their parent is."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest
import redis
from kafka import KafkaAdminClient

from streamer.embedded import Child, Servers, broker, free_port, valkey
from streamer.embedded.child import ChildFailed
from streamer.errors import BrokerUnavailable, ConfigurationError
from tests.support.processes import (
    HARD_LIMIT_SECONDS,
    REPOSITORY,
    alive,
    children,
    environment,
    own_group,
    running,
    wait_until,
)

HOLDS_SERVERS = """
import sys, time
from pathlib import Path
from streamer.embedded import Servers
with Servers(Path(sys.argv[1])) as servers:
    print(*servers.pids.values(), flush=True)
    time.sleep(600)
"""


def listening(pid: int) -> set[str]:
    """The addresses on which a process listens for TCP, as the kernel has them."""
    mine = {os.readlink(fd) for fd in Path(f"/proc/{pid}/fd").iterdir()}
    found = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            _, local, _, state, *rest = line.split()
            if state == "0A" and f"socket:[{rest[5]}]" in mine:
                found.add(local.partition(":")[0])
    return found


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(tmp_path_factory.mktemp("servers")) as both:
        yield both


def test_both_servers_answer_as_soon_as_the_block_begins(tmp_path: Path) -> None:
    with Servers(tmp_path) as both:
        KafkaAdminClient(bootstrap_servers=both.broker_address).close()
        with redis.Redis.from_url(both.redis_url) as client:
            assert client.ping()
        pids = both.pids.values()
        assert all(alive(pid) for pid in pids)
    assert not any(alive(pid) for pid in pids)


def test_they_listen_on_the_loopback_interface_alone(servers: Servers) -> None:
    loopback = {"0100007F"}
    assert {name: listening(pid) for name, pid in servers.pids.items()} == {
        "broker": loopback,
        "valkey": loopback,
    }


def test_their_logs_are_kept(servers: Servers) -> None:
    (log,) = servers.folder.glob("valkey-*.log")
    assert "Ready to accept connections" in log.read_text()
    assert (servers.folder / "broker.log").exists()


def test_two_pairs_run_side_by_side(servers: Servers, tmp_path: Path) -> None:
    with Servers(tmp_path) as others:
        assert others.broker_address != servers.broker_address
        assert others.redis_url != servers.redis_url


def test_a_server_that_can_not_start_says_why(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "print('no room'); exit(3)"]
    with (
        Child("shy", command, tmp_path / "log") as child,
        pytest.raises(ChildFailed, match="shy ended with 3: no room"),
    ):
        child.wait_for_port(free_port())


def test_a_server_that_is_never_ready_is_given_up(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import time; time.sleep(600)"]
    with Child("slow", command, tmp_path / "log") as child:
        with pytest.raises(ChildFailed, match=r"slow is not ready after 0 s; see .*log"):
            child.wait_for_port(free_port(), timeout_seconds=0.2)
        pid = child.pid
    assert not alive(pid)


def test_a_child_that_ignores_the_signal_is_ended(tmp_path: Path) -> None:
    deaf = "import signal, time; signal.signal(15, signal.SIG_IGN); print('up', flush=True)"
    command = [sys.executable, "-c", f"{deaf}; time.sleep(600)"]
    child = Child("deaf", command, tmp_path / "log")
    child.start()
    wait_until(lambda: "up" in child.log.read_text(), "started")
    child.stop(timeout_seconds=0.2)
    assert child.exit_code == -signal.SIGKILL


INTERRUPTED_WHILE_FORKING = """
import os, signal, sys
from pathlib import Path
from streamer.embedded import Child
os.register_at_fork(after_in_parent=lambda: signal.raise_signal(signal.SIGINT))
child = Child("sleeper", [sys.executable, "-c", "import time; time.sleep(600)"], Path(sys.argv[1]))
try:
    child.start()
except KeyboardInterrupt:
    print("interrupted, child alive:", child.alive)
    child.stop()
"""


def test_a_ctrl_c_in_the_middle_of_a_start_is_not_forgotten(tmp_path: Path) -> None:
    command = [sys.executable, "-c", INTERRUPTED_WHILE_FORKING, str(tmp_path / "log")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("interrupted, child alive: True\n", "")


@pytest.mark.parametrize("last", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_no_server_outlives_its_parent(tmp_path: Path, last: signal.Signals) -> None:
    command = [sys.executable, "-c", HOLDS_SERVERS, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as parent:
        assert parent.stdout
        pids = [int(pid) for pid in parent.stdout.readline().split()]
        assert len(pids) == 2
        assert all(alive(pid) for pid in pids)
        parent.send_signal(last)
        parent.wait(HARD_LIMIT_SECONDS)
    wait_until(lambda: not any(alive(pid) for pid in pids), "servers gone")


def test_what_is_appended_survives_a_restart(tmp_path: Path) -> None:
    port = free_port()
    for expected in (None, b"kept"):
        child, url = valkey(tmp_path, port, append_only=True)
        with redis.Redis.from_url(url) as client:
            assert client.get("name") == expected
            client.set("name", "kept")
        child.stop()


@contextmanager
def typed(
    folder: Path, arguments: list[str], env: dict[str, str]
) -> Iterator[tuple[subprocess.Popen[bytes], Path]]:
    """`streamer ARGUMENTS…` in a session of its own, as a terminal starts it; its output."""
    output = folder / "output.txt"
    with output.open("wb") as out:
        process = subprocess.Popen(
            [sys.executable, "-m", "streamer", *arguments],
            cwd=folder,
            env={**os.environ, "TMPDIR": str(folder), **env},
            stdout=out,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process, output
    finally:
        for pid in [process.pid, *children(process.pid)]:
            if alive(pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def assert_ends_clean(process: subprocess.Popen[bytes], folder: Path) -> None:
    """A Ctrl-C: the whole foreground group gets the signal. No process is left, no trace shown."""
    below = children(process.pid)
    assert len(below) >= 2
    os.killpg(process.pid, signal.SIGINT)
    process.wait(HARD_LIMIT_SECONDS)
    wait_until(lambda: not any(alive(pid) for pid in below), "no orphans")
    for log in [*folder.rglob("*.log"), *folder.rglob("*.txt")]:
        text = log.read_text(errors="replace")
        assert "Traceback" not in text, f"{log}: {text[-2000:]}"
        assert not re.search(r"Task .* (destroyed|exception was never)", text), f"{log}: {text}"
    assert process.returncode in {0, 130}


def names(pid: int) -> str:
    """The command lines of every process below this one."""
    found = []
    for child in children(pid):
        path = Path(f"/proc/{child}/cmdline")
        found.append(path.read_bytes().replace(b"\0", b" ").decode() if path.exists() else "")
    return "\n".join(found)


@pytest.fixture
def run_environment(broker_address: str, redis_url: str) -> dict[str, str]:
    settings = own_group(broker_address, redis_url, web_port=free_port())
    return environment(settings)


@pytest.mark.parametrize("moment", ["starting", "running"])
def test_run_ends_clean_on_ctrl_c(
    tmp_path: Path, run_environment: dict[str, str], moment: str
) -> None:
    log = tmp_path / "runs" / "worker-1.log"
    arguments = ["run", "--encoders", "0", "--workers", "2"]
    with typed(tmp_path, arguments, run_environment) as (process, output):
        wait_until(lambda: "logs in" in output.read_text(), "started")
        wait_until(lambda: names(process.pid).count("streamer worker") == 2, "two workers")
        if moment == "running":
            wait_until(lambda: log.exists() and "status" in log.read_text(), "worker up")
            web = run_environment["STREAMER_WEB_PORT"]
            with socket.create_connection(("127.0.0.1", int(web)), HARD_LIMIT_SECONDS):
                pass
        assert_ends_clean(process, tmp_path)
        assert process.returncode == 0


def test_no_process_of_run_outlives_a_killed_supervisor(
    tmp_path: Path, run_environment: dict[str, str]
) -> None:
    arguments = ["run", "--encoders", "0"]
    with typed(tmp_path, arguments, run_environment) as (process, output):
        wait_until(lambda: "logs in" in output.read_text(), "started")
        below = children(process.pid)
        assert len(below) == 2
        process.kill()
        wait_until(lambda: not any(alive(pid) for pid in below), "no orphans")


def test_a_worker_ends_when_told_to_although_it_still_waits_for_a_broker_that_died(
    tmp_path: Path,
) -> None:
    with Servers(tmp_path / "servers") as both:
        settings = own_group(both.broker_address, both.redis_url)
        with running(settings, tmp_path, "worker", ready=False) as (worker,):
            wait_until(lambda: "status" in worker.child.log.read_text(), "worker up")
            os.kill(both.pids["broker"], signal.SIGKILL)
            worker.child.send(signal.SIGTERM)
            wait_until(lambda: not worker.child.alive, "worker gone")
            # Whichever it notices first.
            assert worker.child.exit_code in (0, BrokerUnavailable.exit_code)


@pytest.mark.parametrize("moment", ["starting", "replaying"])
def test_the_demo_ends_clean_on_ctrl_c(tmp_path: Path, moment: str) -> None:
    port = free_port()
    arguments = ["demo", "--scenario", "fashion", "--days", "3", "--port", str(port)]
    env = {"STREAMER_MODEL_STORE": str(REPOSITORY / "model_store")}
    with typed(tmp_path, arguments, env) as (process, _):
        wait_until(lambda: "streamer encoder" in names(process.pid), "processes started")
        if moment == "replaying":
            wait_until(lambda: boards(port), "a board on the page")
        assert_ends_clean(process, tmp_path)


def boards(port: int) -> bool:
    """Whether the page has a board to show."""
    try:
        with urlopen(f"http://127.0.0.1:{port}/api/boards", timeout=5) as answer:
            return bool(json.load(answer))
    except OSError:
        return False


def test_a_home_that_can_not_be_written_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file" / "home"))
    with pytest.raises(ConfigurationError, match="set HOME to a folder"):
        broker(tmp_path)
