from __future__ import annotations

import sys

from tools.documents import drifted, write

if "--check" in sys.argv:
    stale = list(drifted())
    if stale:
        sys.exit(f"docs/ is not what the code says: {', '.join(stale)}; run: make documents")
else:
    write()
