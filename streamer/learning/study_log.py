"""The log that a study file names, opened."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from streamer.errors import ConfigurationError
from streamer.learning.accepted import Accepted
from streamer.learning.study import journey
from streamer.learning.study_form import LogForm, StudyForm
from streamer.replay.sources.log import open_input
from streamer.replay.sources.merge import merged
from streamer.replay.sources.opening import open_files
from streamer.replay.sources.topics import TopicSource
from streamer.settings import Settings
from streamer.state.layout import DAY
from streamer.toml_file import TomlFile
from streamer.topology import NEW_ITEMS, USER_BEHAVIOUR

WARM_UP_DAYS = 28.0
"""As long as the longest rate of relatives looks back."""
_MAPPINGS = ("behaviour_mapping", "catalogue_mapping")


@dataclass(frozen=True, slots=True)
class Opened:
    """A log and what it is read from, where its days begin (seconds) and end (days), and its
    documented split, if any."""

    source: Accepted
    files: Sequence[Path]
    day_zero: float
    end_day: float
    first_day: float = WARM_UP_DAYS
    test_from_day: float | None = None


def open_log_of(file: TomlFile[StudyForm], settings: Settings) -> Opened:
    """The log of a study file. Raises ConfigurationError with the file and the line,
    DependencyMissing, BrokerUnavailable."""
    of = file.given.log
    if sum(map(bool, (of.behaviour or of.catalogue, of.topics, of.packaged))) > 1:
        raise file.wrong("log", "[log] names files, topics or packaged: keep one of them")
    if of.topics or of.packaged:
        _refuse(file, (*_MAPPINGS, "format"), "is for files, and [log] names none: leave it out")
    if of.format == "amazon-2023":
        _refuse(file, _MAPPINGS, "does not go with the format amazon-2023: leave it out")
    if of.packaged:
        return _packaged(settings)
    return _retained(settings) if of.topics else _own(file, settings)


def _refuse(file: TomlFile[StudyForm], names: Sequence[str], why: str) -> None:
    """What would be ignored."""
    usual = LogForm()
    for name in names:
        if getattr(file.given.log, name) != getattr(usual, name):
            raise file.wrong(name, f"{name} {why}")


def _packaged(settings: Settings) -> Opened:
    base = journey(settings)
    of = base.launches
    end = of.last_day + base.success.horizon_days
    return Opened(base.source, base.files, of.day_zero, end, of.first_day, base.test_from_day)


def _retained(settings: Settings) -> Opened:
    """What the input topics retain."""
    source = Accepted(TopicSource(settings), settings)
    return Opened(source, [], *_days(source))


def _days(source: Accepted) -> tuple[float, float]:
    """A log begins and ends with the behaviour that a worker takes: where the day begins on which
    that does (seconds), and in how many days it ends. Raises ConfigurationError without any."""
    times = [record.time for record in source if record.topic is USER_BEHAVIOUR]
    if not times:
        left_out = f"; left out were {source.told}" if source.told else ""
        raise ConfigurationError(f"{source.name}: there is no behaviour in it{left_out}")
    day_zero = min(times) // DAY * DAY
    return day_zero, (max(times) - day_zero) / DAY


def _own(file: TomlFile[StudyForm], settings: Settings) -> Opened:
    """What the files hold."""
    of = file.given.log
    behaviour, catalogue = _files(file, "behaviour"), _files(file, "catalogue")
    mappings = {name: _mapping(file, f"{name}_mapping") for name in ("behaviour", "catalogue")}
    if of.format == "amazon-2023":
        source = open_files([*behaviour, *catalogue], format=of.format)
    else:
        acts = open_input(USER_BEHAVIOUR, behaviour, mappings["behaviour"], of.format)
        items = open_input(NEW_ITEMS, catalogue, mappings["catalogue"], of.format)
        source = merged([items, acts])
    files = [*behaviour, *catalogue, *(each for each in mappings.values() if each)]
    accepted = Accepted(source, settings)
    return Opened(accepted, files, *_days(accepted))


def _files(file: TomlFile[StudyForm], name: str) -> list[Path]:
    given = getattr(file.given.log, name)
    names = [given] if isinstance(given, str) else given
    if not names:
        raise file.wrong("log", f"[log] needs {name}: the files of the {name} (or topics = true)")
    return [_existing(file, name, each) for each in names]


def _mapping(file: TomlFile[StudyForm], name: str) -> Path | None:
    given = getattr(file.given.log, name)
    return _existing(file, name, given) if given else None


def _existing(file: TomlFile[StudyForm], name: str, given: str) -> Path:
    found = file.path.parent / Path(given).expanduser()
    if not found.is_file():
        raise file.wrong(name, f"{name}: there is no file {found}")
    return found
