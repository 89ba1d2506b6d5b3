from __future__ import annotations

import numpy as np
import pytest

from streamer.encoding.container import parse
from streamer.errors import ConfigurationError
from tests.support.containers import HIDDEN, PIECES, container


def test_a_block_is_a_scale_and_low_then_high_nibbles_less_eight() -> None:
    block = np.zeros(1, np.dtype([("scale", "<f2"), ("nibbles", "u1", 16)]))
    block["scale"], block["nibbles"] = 0.5, [0xF0 | i for i in range(16)]
    from streamer.encoding.container import dequantised

    (weights,) = dequantised(block)
    np.testing.assert_array_equal(weights[:16], (np.arange(16) - 8) * 0.5)
    np.testing.assert_array_equal(weights[16:], np.full(16, 3.5))


def test_what_is_in_the_file_comes_out() -> None:
    read = parse(container())
    assert read.pieces == list(PIECES)
    assert (read.bos, read.pad, read.eos, read.unknown) == (0, 1, 2, 3)
    assert read.tensor("emb.word", HIDDEN).shape == (len(PIECES), HIDDEN)
    assert read.tensor("l0.fo.w", 64).shape == (HIDDEN, 64)
    some = read.tensor("emb.word", HIDDEN, [4, 2])
    np.testing.assert_array_equal(some, read.tensor("emb.word", HIDDEN)[[4, 2]])


@pytest.mark.parametrize("damage", [b"", b"E5S1", b"E5S2" + container()[4:], container()[:3000]])
def test_a_damaged_file_is_refused(damage: bytes) -> None:
    with pytest.raises(ConfigurationError, match="install it again"):
        parse(damage)
