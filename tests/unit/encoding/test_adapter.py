from __future__ import annotations

import torch

from streamer.encoding.adapter import DOWN, UP, changes, merged

torch.manual_seed(0)
BASE = {"a": torch.randn(20, 12), "b": torch.randn(6), "c": torch.randn(8, 8)}


def test_low_rank_changes_come_back_from_two_factors() -> None:
    added = torch.randn(20, 3) @ torch.randn(3, 12) / 10
    found = changes(BASE, {**BASE, "a": BASE["a"] + added}, whole=False)
    assert set(found) == {"a" + DOWN, "a" + UP}
    assert found["a" + DOWN].shape == (3, 12)
    assert found["a" + UP].shape == (20, 3)
    again = merged(BASE, found)
    torch.testing.assert_close(again["a"], BASE["a"] + added, atol=2e-3, rtol=0)


def test_what_did_not_change_is_shared() -> None:
    found = changes(BASE, {**BASE, "b": BASE["b"] + 1}, whole=False)
    again = merged(BASE, found)
    assert again["a"] is BASE["a"]
    assert again["c"] is BASE["c"]
    torch.testing.assert_close(again["b"], BASE["b"] + 1, atol=2e-3, rtol=0)


def test_whole_tensors_are_kept_whole() -> None:
    after = {name: tensor + 0.5 for name, tensor in BASE.items()}
    found = changes(BASE, after, whole=True)
    assert set(found) == set(BASE)
    torch.testing.assert_close(merged(BASE, found)["c"], after["c"], atol=2e-3, rtol=0)
