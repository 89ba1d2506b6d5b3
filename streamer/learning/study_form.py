"""The form of a study file: which log of a shop is learnt from, and what success is.

It is TOML; all but the log may be left out, and is then as here:

    [log]
    behaviour = ["behaviour.jsonl"]     # one file or several, as `streamer replay` reads them;
    catalogue = ["items.jsonl"]         # paths start at this file's folder
    behaviour_mapping = "events.toml"   # none unless told; see `streamer replay --help`
    catalogue_mapping = "items.toml"
    format = "auto"                     # or jsonl, csv, parquet, amazon-2023
    # topics = true                     # in the place of files: what the input topics retain
    # packaged = "complete-journey"     # or this

    [launches]                          # days since the log began, or dates (UTC): 2025-09-01
    first = 28                          # launches before it only warm the state up
    test_from = …                       # those from then on are measured on; the last 30 % of days
    last = …                            # launches before it are used; horizon_days before the end
    ages_days = [0, 0.042, 1, 3, 7, 14, 28]   # whole hours; first sight is always there

    [success]
    outcome = "buyers"                  # or value, repeat_rate, return_rate
    horizon_days = 56                   # counted for so long after a launch
    quantile = 0.8                      # success is to be strictly above that of its cohort:
    cohort_days = 30                    # launches of the same so many days, from 2017-01-01 on

    [reviews]
    least = 200                         # with fewer, what reviews add comes from another shop's
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date
from typing import Annotated, Literal, get_args

import msgspec
from msgspec import Meta, Struct

from streamer.learning.outcomes import Outcome
from streamer.learning.study import LEAST_REVIEWS
from streamer.replay.sources.opening import FileFormat
from streamer.success import Success

PACKAGED = "complete-journey"

Files = str | list[str]
CENTURY = 36_500.0
"""In days; no log is longer."""
Days = Annotated[float, Meta(ge=0, le=CENTURY)]
Day = Days | date
Positive = Annotated[float, Meta(gt=0, le=CENTURY)]


class LogForm(Struct, forbid_unknown_fields=True):
    behaviour: Files = []
    catalogue: Files = []
    behaviour_mapping: str | None = None
    catalogue_mapping: str | None = None
    format: FileFormat = "auto"
    topics: bool = False
    packaged: Literal["complete-journey"] | None = None


class LaunchesForm(Struct, forbid_unknown_fields=True):
    first: Day | None = None
    test_from: Day | None = None
    last: Day | None = None
    ages_days: list[Days] | None = None


class SuccessForm(Struct, forbid_unknown_fields=True):
    outcome: Outcome = "buyers"
    horizon_days: Positive = Success().horizon_days
    cohort_days: Annotated[float, Meta(ge=0.01, le=CENTURY)] = Success().cohort_days
    quantile: Annotated[float, Meta(gt=0, lt=1)] = Success().quantile


class ReviewsForm(Struct, forbid_unknown_fields=True):
    least: Annotated[int, Meta(ge=1)] = LEAST_REVIEWS


class StudyForm(Struct, forbid_unknown_fields=True):
    log: LogForm = msgspec.field(default_factory=LogForm)
    launches: LaunchesForm = msgspec.field(default_factory=LaunchesForm)
    success: SuccessForm = msgspec.field(default_factory=SuccessForm)
    reviews: ReviewsForm = msgspec.field(default_factory=ReviewsForm)


def choices(name: str) -> str:
    """What may stand where ``name`` does, or in it; nothing where a number may."""
    forms = {
        "log": LogForm,
        "launches": LaunchesForm,
        "success": SuccessForm,
        "reviews": ReviewsForm,
    }
    day = "it is a number of days since the log began, or a date such as 2025-09-01"
    known = {
        **{key: _listed(form.__struct_fields__) for key, form in forms.items()},
        "outcome": _listed(get_args(Outcome)),
        "format": _listed(get_args(FileFormat)),
        "packaged": _listed([PACKAGED]),
        **dict.fromkeys(("first", "test_from", "last"), f"; {day}"),
    }
    fields = {field for form in forms.values() for field in form.__struct_fields__}
    return known.get(name, "" if name in fields else _listed(forms))


def _listed(names: Iterable[str]) -> str:
    return f"; there are {', '.join(names)}"
