from __future__ import annotations

import numpy as np
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from streamer.learning.network import Modality, NetworkOptions, masked, member, network


@settings(deadline=None)
@given(st.integers(0, 2**31), st.integers(1, 30))
def test_what_serves_says_what_torch_has_learnt(seed: int, inputs: int) -> None:
    torch.manual_seed(seed)
    learnt = network(inputs, 4, NetworkOptions(width=24)).eval()
    x = torch.randn(50, inputs)
    with torch.no_grad():
        expected = learnt(x)[:, 0].numpy()
    np.testing.assert_allclose(member(learnt)(x.numpy()), expected, rtol=1e-5, atol=1e-5)


def test_a_modality_is_masked_whole_in_half_of_the_chosen_rows() -> None:
    torch.manual_seed(0)
    content = Modality(np.array([0, 1]), np.zeros(0, np.int64))
    price = Modality(np.array([2]), np.array([4]))
    x = torch.full((10_000, 5), 7.0)
    found = masked(x, [content, price], share=0.6)
    assert torch.equal(x, torch.full((10_000, 5), 7.0)), "the examples stay as they are"
    without_content, without_price = found[:, 0] == 0, found[:, 2] == 0
    assert torch.equal(without_content, found[:, 1] == 0)
    assert torch.equal(without_price, found[:, 4] == 1)
    assert torch.all(found[:, 3] == 7)
    for share in (without_content, without_price):
        assert abs(share.float().mean().item() - 0.3) < 0.03
    assert 0.1 < (without_content & without_price).float().mean().item() < 0.2
