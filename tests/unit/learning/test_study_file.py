"""A study file says which log is learnt from and what success is, or what is wrong with it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from streamer import toml_file
from streamer.errors import ConfigurationError
from streamer.learning.replay import AT_FIRST_SIGHT
from streamer.learning.study import AGES_DAYS, Study
from streamer.learning.study_file import open_study
from streamer.learning.study_form import StudyForm, choices
from streamer.learning.survey import check, survey
from streamer.settings import Settings
from streamer.state.layout import DAY
from streamer.success import Success
from tests.support.processes import REPOSITORY

START = 1_735_689_600.0
"""2025-01-01."""
LOG = '[log]\nbehaviour = "behaviour.jsonl"\ncatalogue = ["items.jsonl"]\n'
SETTINGS = Settings()

Open = Callable[[str], Study]


def written(path: Path, rows: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))


def item(name: str, day: float, **more: Any) -> dict[str, Any]:
    return {"item_id": name, "time": START + day * DAY, "title": f"A {name}", **more}


def act(name: str, day: float, kind: str = "purchase", **more: Any) -> dict[str, Any]:
    user = {"user_id": f"user-{day}"}
    return {"item_id": name, "time": START + day * DAY, "type": kind, **user, **more}


def log(folder: Path, launches: int = 200, bought: int = 20) -> None:
    """Two launches a day from day 5 on, of which every fifth is bought by several; 120 days."""
    items = [item(f"item-{n}", 5.0 + n / 2) for n in range(launches)]
    acts = [act("item-0", 0.5, "view")]
    for n in range(4, launches, 5):
        acts += [act(f"item-{n}", 5.1 + n / 2 + k / 10) for k in range(bought)]
    written(folder / "items.jsonl", items)
    written(folder / "behaviour.jsonl", [*acts, act("item-0", 120.0, "view")])


@pytest.fixture
def opened(tmp_path: Path) -> Open:
    log(tmp_path)

    def of(text: str) -> Study:
        file = tmp_path / "study.toml"
        file.write_text(text)
        return open_study(file, SETTINGS)

    return of


def test_a_log_is_all_that_must_be_told(opened: Open) -> None:
    study = opened(LOG)
    assert study.success == Success()
    assert (study.launches.day_zero, study.launches.first_day) == (START, 28.0)
    assert study.launches.last_day == pytest.approx(64.0)
    assert study.test_from_day == 53.0
    assert study.period == {"from": "2025-01-29", "test_from": "2025-02-23", "until": "2025-03-06"}
    assert study.ages_days == AGES_DAYS
    assert [path.name for path in study.files] == ["behaviour.jsonl", "items.jsonl"]


def test_everything_can_be_told(opened: Open, tmp_path: Path) -> None:
    (tmp_path / "events.toml").write_text('[values.type]\nbuy = "purchase"\n')
    study = opened(
        LOG
        + 'behaviour_mapping = "events.toml"\nformat = "jsonl"\n'
        + "[launches]\nfirst = 2025-01-06\ntest_from = 60\nlast = 80.5\nages_days = [3, 0.042, 1.5]\n"
        + '[success]\noutcome = "value"\nhorizon_days = 30\nquantile = 0.9\ncohort_days = 15\n'
        + "[reviews]\nleast = 7\n"
    )
    assert study.launches.first_day == 5.0
    assert (study.test_from_day, study.launches.last_day) == (60.0, 80.5)
    assert study.ages_days == (AT_FIRST_SIGHT, 0.0, 1 / 24, 1.5, 3.0)
    assert study.success == Success(30.0, 15.0, 0.9, "value")
    assert study.least_reviews == 7
    assert study.files[-1] == tmp_path / "events.toml"


def test_the_packaged_log_takes_another_success(opened: Open) -> None:
    study = opened('[log]\npackaged = "complete-journey"\n[success]\nhorizon_days = 28\n')
    usual = open_study(None, SETTINGS)
    assert study.success == replace(usual.success, horizon_days=28)
    assert study.launches == replace(usual.launches, last_day=usual.launches.last_day + 28)
    assert (study.files, study.test_from_day) == (usual.files, usual.test_from_day)


@pytest.mark.parametrize(
    ("text", "line", "told"),
    [
        ("[log\n", 1, "Expected"),
        ("", 1, "[log] needs behaviour"),
        ('[log]\nbehaviour = "behaviour.jsonl"\n', 1, "[log] needs catalogue"),
        ('[log]\nbehaviour = "none.jsonl"\n', 2, "there is no file"),
        (LOG + "topics = true\n", 1, "keep one of them"),
        (
            '[log]\ntopics = true\nbehaviour_mapping = "e.toml"\n',
            3,
            "behaviour_mapping is for files",
        ),
        ('[log]\ntopics = true\nformat = "csv"\n', 3, "format is for files"),
        (
            '[log]\npackaged = "complete-journey"\ncatalogue_mapping = "i.toml"\n',
            3,
            "catalogue_mapping is for files",
        ),
        (
            LOG + 'format = "amazon-2023"\ncatalogue_mapping = "i.toml"\n',
            5,
            "catalogue_mapping does not go with the format amazon-2023",
        ),
        (LOG + '[reports]\nx = "y"\n', 4, "there are log, launches, success, reviews"),
        (LOG + "[success]\nhorizon = 3\n", 4, "there are outcome, horizon_days"),
        (LOG + '[success]\noutcome = "clicks"\n', 5, "buyers, value, repeat_rate, return_rate"),
        (LOG + "[success]\nhorizon_days = 0\n", 5, "> 0"),
        (LOG + "[success]\nquantile = 1.0\n", 5, "< 1"),
        (
            LOG + "[success]\nhorizon_days = 100\n",
            5,
            "no launch is left: they are used from 2025-01-29",
        ),
        (LOG + '[launches]\nfirst = "May"\n', 5, "or a date such as 2025-09-01"),
        (LOG + "[launches]\nlast = 2025-04-01\n", 5, "but the log ends on 2025-05-01"),
        (LOG + "[launches]\ntest_from = 3\n", 5, "2025-01-04, is not between"),
        (LOG + "[launches]\nages_days = [1, 56]\n", 5, "smaller than horizon_days"),
        (LOG + "[reviews]\nleast = 0\n", 5, ">= 1"),
        (LOG + "[launches]\nfirst = 1e12\n", 5, "<= 36500.0 - at `$.launches.first`"),
        (LOG + "[launches]\nfirst = inf\n", 5, "<= 36500.0 - at `$.launches.first`"),
        (LOG + "[launches]\nlast = nan\n", 5, ">= 0.0 - at `$.launches.last`"),
        (LOG + "[launches]\nages_days = [inf]\n", 5, "<= 36500.0 - at `$.launches.ages_days"),
        (LOG + "[launches]\nages_days = [nan]\n", 5, ">= 0.0 - at `$.launches.ages_days"),
        (LOG + "[success]\nhorizon_days = inf\n", 5, "<= 36500.0 - at `$.success.horizon_days`"),
        (LOG + "[success]\ncohort_days = 1e-320\n", 5, ">= 0.01 - at `$.success.cohort_days`"),
    ],
)
def test_what_is_wrong_is_told_with_its_line(opened: Open, text: str, line: int, told: str) -> None:
    with pytest.raises(
        ConfigurationError, match=rf"study\.toml:{line}: .*{re.escape(told)}"
    ) as one:
        opened(text)
    assert "\n" not in str(one.value)


MORE = LOG + "[launches]\nfirst = 5\n"
EVEN = MORE + "test_from = 33\n"


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (MORE + "test_from = 20\n", "30 launches from 2025-01-06 to before 2025-01-21"),
        (MORE + "last = 40\n", "to test on; both need 50"),
        (
            EVEN + '[success]\noutcome = "return_rate"\n',
            "cohort that begins on 2024-12-20 is above",
        ),
        (EVEN + "[success]\nquantile = 0.1\ncohort_days = 0.5\n", "learn from no one differs"),
    ],
)
def test_what_a_log_lacks_is_told_with_what_to_do(opened: Open, text: str, told: str) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        check(survey(opened(text)))


def guests(path: Path, every: int) -> None:
    """Purchases are worth something, and every so many tell no user."""
    acts = [json.loads(line) for line in path.read_text().splitlines()]
    for one in [act for act in acts if act["type"] == "purchase"][::every]:
        del one["user_id"]
        one["value"] = 9.0
    written(path, acts)


def test_of_guests_alone_it_is_told_that_buyers_are_not_known(opened: Open, tmp_path: Path) -> None:
    guests(tmp_path / "behaviour.jsonl", every=1)
    with pytest.raises(ConfigurationError, match="none of the launches' purchases has a user_id"):
        check(survey(opened(EVEN)))
    check(survey(opened(EVEN + '[success]\noutcome = "value"\n')))


def test_what_is_to_be_known_of_labels_is_told_where_they_do_not_suffice(
    opened: Open, tmp_path: Path
) -> None:
    guests(tmp_path / "behaviour.jsonl", every=2)
    told = r"50 % of the launches' purchases have no user_id .*118 of 118 .* fewer than 10"
    with pytest.raises(ConfigurationError, match=told) as one:
        check(survey(opened(EVEN + "[success]\ncohort_days = 0.5\n")))
    assert "\n" not in str(one.value)


def test_launches_that_were_listed_after_their_horizon_do_not_suffice(
    opened: Open, tmp_path: Path
) -> None:
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    check(survey(opened(EVEN)))
    late = [each | {"launch_time": each["time"], "time": START + 110 * DAY} for each in items[:10]]
    written(tmp_path / "items.jsonl", [*items[10:], *late])
    told = r"there are 46 launches .*; 10 of 118 launches .*, 10 of them after the horizon"
    with pytest.raises(ConfigurationError, match=told):
        check(survey(opened(EVEN)))


@pytest.mark.parametrize(
    ("items", "acts", "told"),
    [
        ([item("a", 1.0)], [act("a", 2.0, "view")], "there are no purchases"),
        ([item("a", 1.0, title="")], [act("a", 2.0)], "no item that could be read; left out were"),
        ([item("a b", 1.0)], [act("a", 2.0)], "1 id (item_id 'a b' has spaces"),
        ([item("a", 1.0)], [act("a", 2.0, "bought")], "1 invalid (Invalid enum value 'bought'"),
    ],
)
def test_a_log_that_can_teach_nothing_is_told_with_what_was_left_out(
    opened: Open, tmp_path: Path, items: Any, acts: Any, told: str
) -> None:
    written(tmp_path / "items.jsonl", items)
    written(tmp_path / "behaviour.jsonl", [act("a", 0.0, "view"), *acts, act("a", 90.0, "view")])
    with pytest.raises(ConfigurationError, match=re.escape(told)):
        check(survey(opened(LOG)))


@pytest.mark.parametrize(
    "refused",
    [
        {"time": 0},
        {"time": START * 1000},
        {"time": START + 30 * 365 * DAY},
        {"time": START - 400 * DAY, "item_id": "not an id"},
        {"time": START + 400 * DAY, "item_id": "not an id"},
    ],
    ids=["no time", "milliseconds", "a clock ahead", "no id, before", "no id, after"],
)
def test_what_a_worker_would_refuse_moves_neither_end_of_the_log(
    opened: Open, tmp_path: Path, refused: dict[str, Any]
) -> None:
    before = opened(LOG)
    row = act("item-0", 1.0, "view") | refused
    with (tmp_path / "behaviour.jsonl").open("a") as file:
        file.write(json.dumps(row) + "\n")
    after = opened(LOG)
    assert after.launches == before.launches
    assert after.period == before.period
    assert survey(after).study.source.left_out.total() == 1


@pytest.mark.parametrize("form", ["auto", "amazon-2023"])
def test_a_file_that_is_named_twice_is_refused(opened: Open, form: str) -> None:
    """Events without an id would count twice."""
    twice = LOG.replace('"behaviour.jsonl"', '["behaviour.jsonl", "./behaviour.jsonl"]')
    with pytest.raises(ConfigurationError, match=r"behaviour\.jsonl is named twice"):
        opened(twice + f'format = "{form}"\n')


def test_events_that_were_written_twice_count_once(opened: Open, tmp_path: Path) -> None:
    acts = [act("item-0", 6.0 + k / 10, event_id=f"e{k // 2}") for k in range(10)]
    written(tmp_path / "behaviour.jsonl", [*acts, act("item-0", 120.0, "view")])
    study = opened(MORE)
    assert survey(study).events["purchase"] == 5
    assert study.source.told == "5 duplicate"


def test_texts_are_those_of_launches_until_their_last_look(opened: Open, tmp_path: Path) -> None:
    log(tmp_path, launches=100)
    items = [json.loads(line) for line in (tmp_path / "items.jsonl").read_text().splitlines()]
    again = item("item-9", 12.0) | {"title": "Another word"}
    written(tmp_path / "items.jsonl", [*items, item("old", 0.7), again, item("item-9", 13.0)])
    words = {"text": "Lovely.", "language": "en"}
    acts = [
        act("old", 1.0, "review", **words),
        act("item-9", 10.0, "review", **words),
        act("item-9", 10.0, "review", **words),
        act("item-9", 11.0, "review", **words),
        act("item-9", 50.0, "review", **words),
        act("item-0", 120.0),
    ]
    written(tmp_path / "behaviour.jsonl", acts)
    found = survey(opened(MORE + "[reviews]\nleast = 2\n"))
    assert {text.item_id for text in found.reviews.values()} == {"item-9"}
    assert len(found.reviews) == 2
    assert found.learns_reviews
    assert [t.text for t in found.descriptions.values() if t.item_id == "item-9"] == [
        "A item-9",
        "Another word",
    ]
    assert found.words["item-9"] == "A item-9"
    assert "old" not in found.words
    assert not survey(opened(MORE + "[reviews]\nleast = 3\n")).learns_reviews


def test_what_is_written_before_an_item_is_listed_is_read_too(opened: Open, tmp_path: Path) -> None:
    late = item("late", 12.0, launch_time=START + 8.0 * DAY)
    written(tmp_path / "items.jsonl", [item("item-0", 5.0), late])
    words = {"text": "Lovely.", "language": "en"}
    acts = [act("late", day, "review", **words) for day in (9.0, 11.0, 50.0)]
    written(tmp_path / "behaviour.jsonl", [act("item-0", 0.5, "view"), *acts, act("item-0", 120.0)])
    assert [t.time for t in survey(opened(MORE)).reviews.values()] == [
        START + 9.0 * DAY,
        START + 11.0 * DAY,
    ]


@pytest.mark.parametrize("page", ["README.md", "docs/models.md"])
def test_the_documented_study_is_one_and_says_what_is_usual(page: str, tmp_path: Path) -> None:
    (block,) = re.findall(
        r"```toml\n((?:# study.toml\n)?\[log\].*?)```", (REPOSITORY / page).read_text(), re.DOTALL
    )
    file = tmp_path / "study.toml"
    file.write_text(block)
    given = toml_file.read(file, StudyForm, choices).given
    assert given.log.behaviour
    if page != "README.md":
        assert (given.success, given.reviews) == (StudyForm().success, StudyForm().reviews)
        assert given.launches.ages_days
        usual = [round(24 * age) for age in given.launches.ages_days]
        assert usual == [round(24 * age) for age in AGES_DAYS[1:]]
