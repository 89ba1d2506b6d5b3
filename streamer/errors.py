"""Every error that streamer raises on purpose.

    StreamerError                     exit code 1
    ├── ConfigurationError            2   a setting, file or argument is wrong
    │   └── DependencyMissing         2   an optional package is not installed
    ├── BrokerUnavailable             3   Kafka does not answer, or not what was asked
    ├── RedisUnavailable              4   Redis does not answer
    ├── StateError                    5   going on would lose or double events
    │   ├── StoreEmpty                5   committed offsets, but Redis does not know this group
    │   ├── StoreMismatch             5   Redis was filled under other settings or by a newer streamer
    │   ├── EventsExpired             5   Redis lost writes that Kafka no longer retains
    │   └── WatermarkAhead            5   the state is ahead of the log
    ├── Stalled                       6   events wait and nothing moves, or the event loop stands still
    ├── BundleError                   7   a model bundle is missing, damaged or incompatible
    ├── CheckFailed                   8   the command ran, and what it checked is not right
    └── BadEvent                      -   one event can't be used; becomes a dead letter

Each message is one line that says what to do. The command line prints that line and exits
with the code above; ``--debug`` shows the trace.
"""

from __future__ import annotations

from typing import ClassVar


class StreamerError(Exception):
    exit_code: ClassVar[int] = 1


class ConfigurationError(StreamerError):
    exit_code = 2


class DependencyMissing(ConfigurationError):
    """An optional package is needed for what was asked."""

    def __init__(self, package: str, extra: str) -> None:
        super().__init__(f"{package} is not installed: pip install 'streamer[{extra}]'")


class BrokerUnavailable(StreamerError):
    exit_code = 3


class RedisUnavailable(StreamerError):
    exit_code = 4


class StateError(StreamerError):
    exit_code = 5


class StoreEmpty(StateError):
    pass


class StoreMismatch(StateError):
    pass


class EventsExpired(StateError):
    pass


class WatermarkAhead(StateError):
    pass


class Stalled(StreamerError):
    exit_code = 6


class BundleError(StreamerError):
    exit_code = 7


class CheckFailed(StreamerError):
    exit_code = 8


class BadEvent(StreamerError):
    """One event can't be used.

    ``code`` is a short stable word for metrics and filters; ``str(error)`` says precisely what
    is wrong with this event.
    """

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(reason)
        self.code = code
