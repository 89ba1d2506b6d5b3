"""Every knob, from ``STREAMER_*`` environment variables and ``.env``; units are in the names."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict, SettingsError

from streamer.errors import ConfigurationError

Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(ge=1)]


def _bootstrap(servers: str) -> str:
    for server in servers.split(","):
        if not _has_host(f"//{server.strip().rpartition('//')[2]}"):
            raise ValueError(f"{server!r} is not HOST:PORT")
    return servers


def _redis_url(url: str) -> str:
    if not url.startswith(("redis://", "rediss://", "unix://")):
        raise ValueError("a URL begins with redis://, rediss:// or unix://")
    if not (url.startswith("unix://") or _has_host(url)):
        raise ValueError("host or port of the URL is wrong: redis://HOST:PORT/DATABASE")
    return url


def _has_host(url: str) -> bool:
    """Whether a URL names a host, with a port that can be one or none."""
    try:
        parts = urlsplit(url)
        return bool(parts.hostname) and parts.port != 0
    except ValueError:
        return False


Bootstrap = Annotated[str, AfterValidator(_bootstrap)]
RedisUrl = Annotated[str, AfterValidator(_redis_url)]


class Settings(BaseSettings):
    """One immutable set of settings, made once and handed to whoever needs it."""

    model_config = SettingsConfigDict(
        env_prefix="STREAMER_", env_file=".env", extra="ignore", frozen=True
    )

    broker: Bootstrap = Field(
        "127.0.0.1:9092", description="Kafka bootstrap servers, comma-separated"
    )
    redis: RedisUrl = Field("redis://127.0.0.1:6379/0", description="Redis or Valkey URL")
    redis_cluster: bool = Field(False, description="`redis` names a node of a Redis Cluster")
    group: Annotated[str, Field(pattern="^[^{}]+$")] = Field(
        "streamer", description="consumer group, and the prefix of every Redis key: no braces"
    )
    topic_names: dict[str, str] = Field(
        {}, description='own names for topics, as JSON: {"new-items": "shop.catalogue"}'
    )
    partitions: Count = Field(4, description="partitions of each topic that is created")
    replication_factor: Count = Field(1, description="replicas of each topic that is created")
    shards: Annotated[int, Field(ge=1, le=256)] = Field(
        4, description="hash slots the state is spread over; fixed when a store is born"
    )

    chunk_max_records: Count = Field(8000, description="records of one partition handled at once")
    in_flight_max_records: Count = Field(16_000, description="records per partition not yet scored")
    in_flight_max_bytes: Count = Field(
        32 * 2**20,
        description="bytes of values per partition not yet scored; passed by less than the last record",
    )
    batch_max_records: Count = Field(
        16_000, description="a batch of chunks of several partitions is full from here on"
    )
    batches_at_once: Count = Field(
        2, description="batches that a worker has decoded and not yet scored; bounds its memory"
    )
    commit_interval_seconds: Positive = Field(1.0, description="how often offsets are committed")
    session_timeout_seconds: Positive = Field(
        10.0, description="a worker not heard of for this long loses its partitions to the others"
    )
    stall_timeout_seconds: Positive = Field(
        60.0, description="waiting events without progress for this long end the process"
    )
    idle_check_seconds: Positive = Field(
        5.0, description="how often partitions are compared with the state and the topics' ids"
    )
    duplicate_window_offsets: Annotated[int, Field(ge=0)] = Field(
        100_000, description="offsets in which a repeated event_id is a duplicate; 0 turns it off"
    )
    future_tolerance_seconds: Positive = Field(
        3600.0, description="an event further ahead of when it was written to its topic is refused"
    )
    max_text_chars: Count = Field(
        100_000, description="a longer title, description or review is refused"
    )
    dead_letter_max_bytes: Count = Field(
        256 * 1024, description="of a larger bad record the dead letter holds only the beginning"
    )

    user_key: SecretStr = Field(
        SecretStr("change-me"), description="secret with which user ids are hashed (keyed BLAKE2)"
    )
    user_retention_days: Annotated[float, Field(ge=0)] = Field(
        90.0, description="how long a silent user's recent items are kept; 0 keeps none"
    )
    launch_window_days: Positive = Field(
        56.0, description="how long after its launch an item competes on the boards"
    )
    item_retention_days: Positive = Field(
        120.0, description="how long after launch and last event an item's state is kept"
    )

    score_min_change: Fraction = Field(
        0.0, description="a score is published when its probability moved by this much…"
    )
    score_max_interval_seconds: Annotated[float, Field(ge=0)] = Field(
        0.0, description="…or this long after the last one; 0 publishes every change"
    )
    rank_interval_seconds: Positive = Field(
        1.0, description="a board is decided at most this often"
    )
    board_size: Annotated[int, Field(ge=1, le=2000)] = Field(
        50, description="lines of a launch board; a whole one is one record of Kafka"
    )
    snapshot_every_changes: Count = Field(100, description="messages between full board snapshots")
    sweep_interval_seconds: Positive = Field(
        300.0, description="every live item is scored again within this time"
    )
    item_cache_max_bytes: Count = Field(
        128 * 2**20, description="of items' records and facts a worker keeps this much at hand"
    )

    model_store: Path = Field(Path("model_store"), description="folder of the model bundles")
    shadow: str = Field(
        "", description="bundle that scores beside the one in use, unseen, to be compared"
    )
    cache: Path = Field(
        Path("~/.cache/streamer"), description="folder of what is converted once and then read"
    )
    encoder: str = Field(
        "minilm-en",
        description="encoder by name (minilm-en, e5-multilingual), local folder or Hugging Face id",
    )
    encoder_backend: str = Field(
        "auto",
        description="auto measures which is fastest; or part of a name, such as openvino or "
        "torch-cpu-bf16-2x1",
    )
    encoder_batch_tokens: Annotated[int, Field(ge=0)] = Field(
        0,
        description="tokens of one encoder batch, and a new item waits for at most one; 0 takes 1,024 "
        "on a CPU, 32,768 on a GPU",
    )
    encoder_deadline_seconds: Positive = Field(
        0.01, description="a lone text waits at most this long for company"
    )
    encoder_cache_days: Annotated[float, Field(ge=0)] = Field(
        7.0,
        description="how long Redis keeps what a text was encoded to, for all encoders; 0 keeps it "
        "in each one's memory alone",
    )
    encoder_threads: Annotated[int, Field(ge=0)] = Field(0, description="0 uses every core")
    encoder_niceness: Annotated[int, Field(ge=0, le=19)] = Field(
        0, description="how far an encoder steps back for other processes on its machine (nice)"
    )

    web_host: str = Field("127.0.0.1", description="address the page listens on")
    web_port: Annotated[int, Field(ge=0, le=65535)] = Field(6066, description="port of the page")
    metrics_host: str = Field(
        "127.0.0.1", description="address of a worker's or encoder's /metrics and health"
    )
    metrics_port: Annotated[int, Field(ge=0, le=65535)] = Field(
        0, description="port of a worker's or encoder's /metrics and health; 0 picks a free one"
    )
    log_level: str = Field("info", description="debug, info, warning or error")
    log_json: bool = Field(False, description="logs as JSON lines")

    @property
    def user_retention_seconds(self) -> float:
        return self.user_retention_days * 86400.0

    @property
    def cache_folder(self) -> Path:
        """``cache`` with its ~ written out. Raises ConfigurationError where nobody has a home."""
        try:
            return self.cache.expanduser()
        except RuntimeError as error:
            raise ConfigurationError(
                f"STREAMER_CACHE is {self.cache}: {error} Set it to a folder, or set HOME"
            ) from None

    @property
    def encoder_group(self) -> str:
        """The consumer group of the encoders, which read nothing but texts."""
        return f"{self.group}-encoder"

    def topic(self, name: str) -> str:
        """The broker's name for one of our topics."""
        return self.topic_names.get(name, name)


def load(**overrides: object) -> Settings:
    """Reads the settings; ``overrides`` that are None are left to the environment.

    Raises ConfigurationError with one line per wrong setting.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]
    except ValidationError as error:
        wrong = "; ".join(
            f"STREAMER_{'_'.join(map(str, e['loc'])).upper()}: {e['msg']}" for e in error.errors()
        )
        raise ConfigurationError(wrong) from None
    except SettingsError as error:
        raise ConfigurationError(f"{error} (STREAMER_TOPIC_NAMES must be JSON)") from None
