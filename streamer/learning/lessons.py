"""The networks that make up a predictor: what each learns from, and what it is looked at on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np
from numpy.typing import NDArray
from sklearn.model_selection import GroupShuffleSplit

from streamer.learning.curve import Epoch
from streamer.learning.learner import Dev, Examples, learn
from streamer.learning.network import NetworkOptions
from streamer.recommend.network import Network

Ints = NDArray[np.int64]

Told = Callable[[str, Epoch], None]
"""Is told of every epoch of every network, by the network's name."""

DEV = 0.1
"""The share of a network's launches that it only looks at, to stop in time."""


@dataclass(frozen=True, slots=True)
class Lesson:
    """What one network learns from and what it is looked at on: rows of the examples."""

    name: str
    rows: Ints
    dev: Ints


def plan(
    folds: Sequence[tuple[Ints, Ints]], members: int, item: NDArray[np.str_], *, stopped: bool
) -> list[Lesson]:
    """The networks of the folds, then the members. One that is to be ``stopped`` in time looks at
    launches of its own that it leaves out; else a fold's network shows how it does on its fold."""
    nothing, everything = np.zeros(0, np.int64), np.arange(len(item))
    lessons = [Lesson(f"fold-{n}", *fold) for n, fold in enumerate(folds, 1)]
    lessons += [Lesson(f"member-{n}", everything, nothing) for n in range(1, members + 1)]
    if not stopped:
        return lessons
    return [_leaving_out(each, item, seed) for seed, each in enumerate(lessons)]


def _leaving_out(lesson: Lesson, item: NDArray[np.str_], seed: int) -> Lesson:
    split = GroupShuffleSplit(1, test_size=DEV, random_state=seed)
    ((learnt, dev),) = split.split(lesson.rows, groups=item[lesson.rows])
    return Lesson(lesson.name, lesson.rows[np.sort(learnt)], lesson.rows[dev])


@dataclass(frozen=True, slots=True)
class Lessons:
    """All of them. ``seed`` is that of the first; each has another."""

    examples: Examples
    label: Ints
    plan: Sequence[Lesson]
    options: NetworkOptions
    seed: int

    def learn(
        self,
        progress: Callable[[int], None] = lambda _: None,
        told: Told = lambda _, __: None,
    ) -> list[Network]:
        """``progress`` is told how many networks are learnt."""
        networks = []
        for done, lesson in enumerate(self.plan):
            options = replace(self.options, seed=self.seed + done)
            networks.append(self._network(lesson, options, partial(told, lesson.name)))
            progress(done + 1)
        return networks

    def _network(
        self, lesson: Lesson, options: NetworkOptions, told: Callable[[Epoch], None]
    ) -> Network:
        dev = lesson.dev
        looked_at = Dev(self.examples.inputs[dev], self.label[dev]) if len(dev) else None
        return learn(self.examples.at(lesson.rows), options, looked_at, told)
