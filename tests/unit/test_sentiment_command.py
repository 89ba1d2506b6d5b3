"""`streamer sentiment` tells of every text, and whether all could be judged."""

from __future__ import annotations

import io
import json
import sys
from types import SimpleNamespace
from typing import Any

import pytest

from streamer.cli import main
from streamer.encoding.explain import Explained
from streamer.errors import BadEvent


@pytest.fixture(autouse=True)
def _judge(monkeypatch: pytest.MonkeyPatch) -> None:
    def explain(model: object, text: str) -> Explained:
        if text.startswith("bad"):
            raise BadEvent("unreadable-text", f"no token for {text!r}")
        return Explained(text, 0.5, [])

    def opened(settings: object) -> Any:
        return SimpleNamespace(review=SimpleNamespace(head=object()))

    monkeypatch.setattr("streamer.encoding.encoder.Encoder.open", opened)
    monkeypatch.setattr("streamer.encoding.explain.explain", explain)


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.setattr(sys, "argv", ["streamer", "sentiment", *arguments])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert isinstance(exit_.value.code, int)
    return exit_.value.code


@pytest.mark.parametrize(
    ("texts", "code"), [(["soft"], 0), (["bad"], 8), (["soft", "bad 好 \udcff", "fits"], 8)]
)
def test_each_text_has_an_object_in_its_place(
    texts: list[str],
    code: int,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert ended(monkeypatch, "--json", *texts) == code
    told = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [each["text"] for each in told] == [text.replace("\udcff", "?") for text in texts]
    for each, text in zip(told, texts, strict=True):
        assert ("error" in each) == text.startswith("bad")
        assert each.get("code", "unreadable-text") == "unreadable-text"


def test_how_many_were_bad_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(b"soft\nbad\n")))
    assert ended(monkeypatch) == 8
    out, err = capsys.readouterr()
    assert out.startswith("P(positive) 0.500")
    assert err.splitlines() == [
        "no token for 'bad'",
        "error: 1 of 2 texts can't be judged; see above",
    ]
