"""Complete Journey's catalogue as items in readable words.

The data set has no product names: an item is its class in the catalogue, its package size and
who makes it, so that many items read alike.
"""

from __future__ import annotations

import math
from functools import cache

import numpy as np
from numpy.typing import NDArray

from streamer.events import NewItem
from streamer.replay.sources.journey_sales import data_file
from streamer.replay.sources.packaged import parquet
from streamer.replay.sources.wording import department, sentence, size, words

FUEL = "GASOLINE"
_COLUMNS = ("department", "product_category", "product_type", "package_size", "brand")


class Catalogue:
    """The products of the data set, by id."""

    def __init__(self) -> None:
        table = parquet().read_table(data_file("products"))
        self._rows = {int(p): row for row, p in enumerate(table.column("product_id").to_numpy())}
        self._manufacturer = table.column("manufacturer_id").to_numpy()
        self._names: list[list[str]] = []
        self._codes: list[NDArray[np.int32]] = []
        for name in _COLUMNS:
            column = table.column(name).combine_chunks().dictionary_encode()
            self._names.append(["", *column.dictionary.to_pylist()])
            self._codes.append(column.indices.fill_null(-1).to_numpy() + 1)

    def __contains__(self, product_id: int) -> bool:
        return product_id in self._rows

    def ids(self) -> list[int]:
        """All products."""
        return list(self._rows)

    def fuel_ids(self) -> NDArray[np.int64]:
        """The products that a pump may have metered."""
        kind = _COLUMNS.index("product_type")
        fuel = [name.startswith(FUEL) for name in self._names[kind]]
        ids = np.fromiter(self._rows, np.int64, len(self._rows))
        is_fuel: NDArray[np.bool_] = np.array(fuel)[self._codes[kind]]
        return ids[is_fuel]

    def item(self, product_id: int, item_id: str, time: float, price: float) -> NewItem:
        """The catalogue event of a product; ``price`` in dollars, NaN where it is not known."""
        row = self._rows[product_id]
        place, category, kind, package, brand = (
            names[codes[row]] for names, codes in zip(self._names, self._codes, strict=True)
        )
        private = brand == "Private"
        package = size(package) if package else ""
        return NewItem(
            item_id=item_id,
            event_id=f"{item_id}-launch",
            time=time,
            title=", ".join(filter(None, (_title(place, category, kind), package))),
            description=_description(place, category, private),
            language="en",
            category=_path(place, category, kind),
            brand=f"manufacturer {self._manufacturer[row]}",
            price=None if math.isnan(price) else price,
            currency="USD",
            attributes={"private_label": private} | ({"package_size": package} if package else {}),
        )


@cache
def _title(place: str, category: str, kind: str) -> str:
    """The type; with the category where the type says little without it (`premium`)."""
    if not kind or not category:
        return sentence(words(kind or category) or department(place))
    narrow, wide = words(kind), words(category)
    if _stems(narrow) & _stems(wide):
        return sentence(narrow)
    return sentence(f"{narrow} ({wide})")


def _stems(text: str) -> set[str]:
    """The beginnings of words, by which singular and plural are the same."""
    return {word[:4] for word in text.lower().replace(",", " ").split() if len(word) > 2}


@cache
def _description(place: str, category: str, private: bool) -> str:
    where = f"{words(category)} in the" if category else "from the"
    brand = "Store brand" if private else "National brand"
    return f"{sentence(where)} {department(place)} department. {brand}."


@cache
def _category(place: str, category: str, kind: str) -> tuple[str, ...]:
    names = department(place), words(category), words(kind)
    return tuple(sentence(name) for name in names if name)


def _path(place: str, category: str, kind: str) -> list[str]:
    return list(_category(place, category, kind))
