"""Fits made-up launches in as many processes as torchrun starts; the first writes what they learnt.

torchrun --nproc-per-node 2 -m tests.support.learning_together FILE
"""

from __future__ import annotations

import sys
from dataclasses import replace
from unittest.mock import patch

import numpy as np

from streamer.learning import ranks, teacher
from streamer.learning.fit import FitOptions, assist, fit
from streamer.learning.network import NetworkOptions
from tests.support.launches import launches

SURE = NetworkOptions(dropout=0.0, masked=0.0, epochs=3)
"""Without chance but that of the start and of the order, which all processes share."""


def main(file: str) -> None:
    options = FitOptions(components=4, members=1, folds=2)
    with patch.object(teacher, "ROUNDS", 5), ranks.together() as first:
        if first:
            patient = replace(SURE, patience=2)
            both = [fit(launches(), replace(options, network=each)) for each in (SURE, patient)]
            np.savez(file, *(each.weights1 for each in both), processes=ranks.count())
        else:
            assist()
            assist()


if __name__ == "__main__":
    main(sys.argv[1])
