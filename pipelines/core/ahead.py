"""The next item, fetched while the one before it is worked on."""

from __future__ import annotations

from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

Item = TypeVar("Item")


def ahead(items: Iterator[Item], name: str) -> Generator[Item]:
    """The same items, in order; a thread of that name is one ahead of whoever takes them.

    No item may be None. An error of `items` is raised where its item would have come. Closing waits
    for what is under way and leaves `items` to its owner.
    """
    with ThreadPoolExecutor(1, name) as thread:
        coming = thread.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = thread.submit(next, items, None)
            yield item
