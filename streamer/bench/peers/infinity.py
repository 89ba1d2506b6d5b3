"""infinity-emb in bf16, its engine called in process. Needs nothing of ours, but infinity-emb[torch]
with transformers<5; `turns` tells how it is spoken to.

usage: PYTHON infinity.py FOLDER TEXTS OUT THREADS
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = os.environ["TRANSFORMERS_OFFLINE"] = "1"
os.environ["DO_NOT_TRACK"] = "1"

import numpy as np
import torch
from infinity_emb import AsyncEmbeddingEngine, EngineArgs


async def serve(folder: str, texts: list[str], out: str) -> None:
    arguments = EngineArgs(
        model_name_or_path=folder, engine="torch", device="cpu", dtype="bfloat16", compile=False
    )
    engine = AsyncEmbeddingEngine.from_args(arguments)
    async with engine:
        vectors, _ = await engine.embed(sentences=texts)
        np.save(out, np.asarray(vectors, np.float32))
        say({"ready": True})
        while await asyncio.to_thread(sys.stdin.readline):
            started = time.perf_counter()
            await engine.embed(sentences=texts)
            say({"seconds": time.perf_counter() - started})


def say(answer: dict[str, Any]) -> None:
    print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    torch.set_num_threads(int(sys.argv[4]))
    asyncio.run(serve(sys.argv[1], json.loads(Path(sys.argv[2]).read_text()), sys.argv[3]))
