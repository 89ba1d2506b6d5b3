"""P(success) of items from their features: the forward pass, in numpy.

An ensemble of small networks over masked modalities: each input is standardised, and what is not
there yet enters as the average, with a flag where training knew it to be missing; the content
vector enters as its principal components. The logit is
the mean of the members', and their standard deviation the uncertainty. It is calibrated for each
stage by Platt scaling (Platt, 1999).

What each input adds is worked out by the rescale rule of DeepLIFT (Shrikumar et al., ICML 2017)
against an average item, all of whose inputs are zero: contributions sum to the logit. What reviews
say is a linear term beside the networks, zero without reviews.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Ints = NDArray[np.int64]

STAGES = ("cold", "warming", "warm")
BLOCK_ITEMS = 256
"""Items that pass through the networks at once: few enough to stay in a core's cache."""
_STILL = 1e-6
"""Below this an activation is as it is for the average item, and its slope there counts."""
WARMING_EVENTS, WARM_EVENTS = 1, 30
"""Shopper actions (impressions don't count) from which an item is warming, and warm."""


@dataclass(frozen=True, slots=True)
class Scores:
    """``contributions`` has shape (items, groups) and each row sums to the item's ``logit``;
    ``by_feature`` (items, F) is what each feature adds to it."""

    probability: Floats
    logit: Floats
    uncertainty: Floats
    stage: Ints
    contributions: Floats
    by_feature: Floats

    def at(self, places: Ints) -> Scores:
        """The scores of these items alone."""
        return Scores(*(getattr(self, name)[places] for name in self.__slots__))

    @classmethod
    def concatenated(cls, blocks: Sequence[Scores]) -> Scores:
        """The scores of all blocks' items, in order."""
        columns = ([getattr(block, name) for block in blocks] for name in cls.__slots__)
        return cls(*(np.concatenate(column) for column in columns))


class _Average(NamedTuple):
    """The networks on an average item: the first layer's units (E, H), the second's before and
    after its rectifiers, each member's logit (E,) and their mean."""

    first: Singles
    before: Singles
    second: Singles
    logits: Floats
    logit: float


@dataclass(frozen=True)
class Predictor:
    """The arrays of a trained model; F features, of which the networks read V and the absence of G,
    C content components, E members, H hidden units, I = V + G + C inputs.

    ``mean``, ``scale``, ``least``, ``greatest``: (F,). ``values``: (V,) and ``flags``: (G,), places
    of features. ``components``: (C, D), ``content_mean``: (D,). ``weights1``: (I, E, H), by value,
    flag and component; ``bias1``: (E, H), ``weights2``: (E, H, H), ``bias2``:
    (E, H), ``weights3``: (E, H), ``bias``: (E,). ``termed``: (T,), places of features, and ``term``:
    (E, T), what their standardised values add beside the networks. ``slope``, ``offset``: (3,), by
    stage. ``group``: (F,), the modality of each feature.
    """

    features: tuple[str, ...]
    groups: tuple[str, ...]
    group: Ints
    mean: Floats
    scale: Floats
    least: Floats
    greatest: Floats
    values: Ints
    flags: Ints
    components: Floats
    content_mean: Floats
    weights1: Singles
    bias1: Singles
    weights2: Singles
    bias2: Singles
    weights3: Singles
    bias: Floats
    termed: Ints
    term: Floats
    slope: Floats
    offset: Floats

    @property
    def names(self) -> tuple[str, ...]:
        """What the columns of ``contributions`` are: the base, the content, every modality."""
        return ("base", "content", *self.groups)

    @property
    def reads(self) -> list[str]:
        """The features whose values, or whose absence, move a score."""
        places = {*self.values.tolist(), *self.flags.tolist(), *self.termed.tolist()}
        return [self.features[place] for place in sorted(places)]

    def score(self, x: Floats, content: NDArray[np.float32], stage: Ints) -> Scores:
        """Scores items: ``x`` (items, F), ``content`` (items, D) and ``stage`` (items,)."""
        added, members = self._networks(self.inputs(x, content))
        by_feature = np.zeros(x.shape)
        ends = self._ends
        by_feature[:, self.values] = added[:, : ends[0]]
        by_feature[:, self.flags] += added[:, ends[0] : ends[1]]
        z = self._standardised(x, self.termed)
        by_feature[:, self.termed] += z * self._mean_term
        slope = self.slope[stage]
        by_feature *= slope[:, None]
        contributions = np.empty((len(x), len(self.names)))
        contributions[:, 0] = slope * self._average.logit + self.offset[stage]
        contributions[:, 1] = slope * added[:, ends[1] :].sum(axis=1, dtype=np.float64)
        np.matmul(by_feature, self._member_of, out=contributions[:, 2:])
        logit = contributions.sum(axis=1)
        return Scores(
            probability=1 / (1 + np.exp(-logit)),
            logit=logit,
            uncertainty=np.abs(slope) * (members + z @ self.term.T).std(axis=1),
            stage=stage,
            contributions=contributions,
            by_feature=by_feature,
        )

    def inputs(self, x: Floats, content: NDArray[np.float32]) -> Singles:
        """What the networks read of items; shape (items, I), zero for an average item.

        Values beyond those seen in training count as the outermost seen.
        """
        ends = self._ends
        out = np.empty((len(x), ends[2]), np.float32)
        out[:, : ends[0]] = self._standardised(x, self.values)
        out[:, ends[0] : ends[1]] = np.isnan(x[:, self.flags])
        out[:, ends[1] :] = 0.0
        projection, average = self._projection
        projected = content @ projection - average
        out[:, ends[1] :] = np.where(np.isnan(content[:, :1]), np.float32(0.0), projected)
        return out

    def _standardised(self, x: Floats, places: Ints) -> Floats:
        """These features, zero where they are average or missing."""
        z = x[:, places]
        np.maximum(z, self.least[places], out=z)
        np.minimum(z, self.greatest[places], out=z)
        z -= self.mean[places]
        z /= self.scale[places]
        z[np.isnan(z)] = 0.0
        return z

    def _networks(self, inputs: Singles) -> tuple[Singles, Floats]:
        """What each input adds to the mean logit (items, I), and each member's logit (items, E)."""
        base = self._average.logits
        added, members = np.empty_like(inputs), np.empty((len(inputs), len(base)))
        for start in range(0, len(inputs), BLOCK_ITEMS):
            rows = slice(start, start + BLOCK_ITEMS)
            added[rows], members[rows] = self._block(inputs[rows])
        return added, members + base

    @cached_property
    def _ends(self) -> list[int]:
        """Where values, flags and components end among the inputs."""
        ends: list[int] = np.cumsum(
            [len(of) for of in (self.values, self.flags, self.components)]
        ).tolist()
        return ends

    @cached_property
    def _mean_term(self) -> Floats:
        mean: Floats = self.term.mean(axis=0)
        return mean

    @cached_property
    def _member_of(self) -> Floats:
        """1 where a feature is of a group, shape (F, groups)."""
        return np.equal.outer(self.group, np.arange(len(self.groups))).astype(np.float64)

    @cached_property
    def _back(self) -> tuple[Singles, Singles]:
        """The weights of the second and the first layer as a move goes back through them."""
        flat = self.weights1.reshape(len(self.weights1), self.bias1.size)
        return self.weights2.swapaxes(1, 2).copy(), flat.T.copy()

    @cached_property
    def _projection(self) -> tuple[Singles, Singles]:
        """The components as columns, in memory too, and the average content's projection."""
        projection = self.components.T
        return projection.astype(np.float32, order="C"), (self.content_mean @ projection).astype(
            np.float32
        )

    @cached_property
    def _average(self) -> _Average:
        first = np.maximum(self.bias1, 0.0)
        before = np.einsum("eh,ehk->ek", first, self.weights2) + self.bias2
        second = np.maximum(before, 0.0)
        logits = np.einsum("eh,eh->e", second, self.weights3) + self.bias
        return _Average(first, before, second, logits, float(logits.mean()))

    def _block(self, inputs: Singles) -> tuple[Singles, Singles]:
        """What each input adds to the mean logit, and each member's distance from its base."""
        average, (back_weights2, back_flat) = self._average, self._back
        count, width = self.bias1.shape
        flat = self.weights1.reshape(len(self.weights1), count * width)
        move1 = (inputs @ flat).reshape(len(inputs), count, width)
        lift1 = _lifted(move1, self.bias1, average.first)
        move2 = np.empty_like(move1)
        np.matmul(lift1.swapaxes(0, 1), self.weights2, out=move2.swapaxes(0, 1))
        lift2 = _lifted(move2, average.before, average.second)
        back2 = _rescaled(lift2, move2, average.before)
        back2 *= self.weights3 / np.float32(count)
        back1 = np.empty_like(back2)
        np.matmul(back2.swapaxes(0, 1), back_weights2, out=back1.swapaxes(0, 1))
        back1 *= _rescaled(lift1, move1, self.bias1)
        added: Singles = inputs * (back1.reshape(len(inputs), count * width) @ back_flat)
        return added, np.einsum("neh,eh->ne", lift2, self.weights3)

    def arrays(self) -> dict[str, NDArray[np.generic]]:
        """What a bundle stores beside the names."""
        return {name: getattr(self, name) for name in _ARRAYS}

    @classmethod
    def of(
        cls,
        features: tuple[str, ...],
        groups: tuple[str, ...],
        arrays: Mapping[str, NDArray[np.generic]],
    ) -> Predictor:
        return cls(features, groups, **{name: np.asarray(arrays[name]) for name in _ARRAYS})

    def reading(self, features: tuple[str, ...], group: Ints) -> Predictor:
        """The same model, given rows of these features, each of a ``group``, its own among them."""
        place = np.array([features.index(name) for name in self.features])

        def spread(values: Floats, filling: float) -> Floats:
            found = np.full(len(features), filling)
            found[place] = values
            return found

        return replace(
            self,
            features=features,
            group=group,
            mean=spread(self.mean, 0.0),
            scale=spread(self.scale, 1.0),
            least=spread(self.least, 0.0),
            greatest=spread(self.greatest, 0.0),
            values=place[self.values],
            flags=place[self.flags],
            termed=place[self.termed],
        )


_ARRAYS = tuple(
    field.name for field in fields(Predictor) if field.name not in {"features", "groups"}
)


def _lifted(move: Singles, at: Singles, average: Singles) -> Singles:
    """How far rectifiers go from ``average`` when what they are given moves from ``at``."""
    lift: Singles = move + at
    np.maximum(lift, 0.0, out=lift)
    lift -= average
    return lift


def _rescaled(lift: Singles, move: Singles, at: Singles) -> Singles:
    """How much of a move each rectifier lets through on its way from ``at``."""
    with np.errstate(divide="ignore", invalid="ignore"):
        found: Singles = lift / move
    np.copyto(found, at > 0, where=np.abs(move) <= _STILL)
    return found


def stages(actions: Floats) -> Ints:
    """The stage of items by how many shopper actions they have seen."""
    return (actions >= WARMING_EVENTS).astype(np.int64) + (actions >= WARM_EVENTS)
