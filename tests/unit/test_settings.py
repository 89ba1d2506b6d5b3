"""Settings come from the environment; a wrong one is named in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from streamer.errors import ConfigurationError
from streamer.settings import Settings, load


@pytest.fixture(autouse=True)
def _empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_environment_is_read_and_arguments_come_first(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_GROUP", "shop")
    monkeypatch.setenv("STREAMER_SHARDS", "4")
    monkeypatch.setenv("STREAMER_TOPIC_NAMES", '{"new-items": "shop.catalogue"}')
    settings = load(shards=8, group=None)
    assert (settings.group, settings.shards) == ("shop", 8)
    assert settings.topic("new-items") == "shop.catalogue"
    assert settings.topic("user-behaviour") == "user-behaviour"


def test_a_file_named_env_is_read(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("STREAMER_BROKER=kafka:9092\nSOMETHING_ELSE=1\n")
    assert load().broker == "kafka:9092"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("GROUP", ""),
        ("GROUP", "shop}"),
        ("SHARDS", "0"),
        ("SHARDS", "257"),
        ("SHARDS", "many"),
        ("CHUNK_MAX_RECORDS", "0"),
        ("SCORE_MIN_CHANGE", "1.5"),
        ("COMMIT_INTERVAL_SECONDS", "-1"),
        ("WEB_PORT", "65536"),
        ("DUPLICATE_WINDOW_OFFSETS", "-1"),
        ("BROKER", "kafka:port"),
        ("BROKER", "kafka:9092,"),
        ("REDIS", "127.0.0.1:6379"),
        ("REDIS", "redis://redis:port/0"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(
    name: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(f"STREAMER_{name}", value)
    with pytest.raises(ConfigurationError) as error:
        load()
    assert f"STREAMER_{name}: " in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("broker", "kafka"),
        ("broker", "a:9092, b:9092"),
        ("broker", "[::1]:9092"),
        ("redis", "rediss://user:secret@redis:6380/1"),
        ("redis", "unix:///run/redis.sock"),
    ],
)
def test_an_address_may_be_written_in_several_ways(name: str, value: str) -> None:
    assert getattr(load(**{name: value}), name) == value


def test_a_mapping_that_is_not_json_is_named_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STREAMER_TOPIC_NAMES", "new-items=catalogue")
    with pytest.raises(ConfigurationError, match=r"(?i)topic_names"):
        load()


def test_settings_are_immutable_and_keep_the_secret() -> None:
    settings = Settings(user_key="hush")  # type: ignore[arg-type]
    with pytest.raises(ValidationError):
        settings.shards = 3  # type: ignore[misc]
    assert "hush" not in repr(settings)
    assert "hush" not in settings.model_dump_json()


def test_every_setting_has_a_unit_or_a_meaning() -> None:
    for name, field in Settings.model_fields.items():
        assert "_ms" not in name
        if field.annotation is float:
            assert name.endswith(("_seconds", "_days", "_change")), name


def test_the_retention_of_users_is_told_in_seconds_too() -> None:
    assert Settings(user_retention_days=2).user_retention_seconds == 172_800
