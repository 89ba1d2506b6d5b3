"""model_store/: immutable bundles, which of them is in use, and how that is changed and undone.

    bundles.py      a bundle: a folder that is written once and whole, every byte of it hashed
    pointer.py      ACTIVE: which bundle is in use, since when, by whom and why
    gate.py         is a bundle worse than the one in use?
    promotion.py    promote, roll back, add from elsewhere
    disk.py         files that are whole or not there
    listing.py      what there is, for whoever looks
    predictors.py   the bundles of kind `launch`, as predictors

It knows nothing of what the tensors mean; who writes them reads them.
"""

from streamer.registry.predictors import Bundle as Bundle
from streamer.registry.predictors import active as active
from streamer.registry.predictors import active_name as active_name
from streamer.registry.predictors import load as load
from streamer.registry.predictors import save as save
from streamer.registry.promotion import activate as activate
