"""Items that are fetched ahead of whoever takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from pipelines.core.ahead import ahead


def test_the_next_item_is_on_its_way_while_one_is_worked_on() -> None:
    asked = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        asked.set()
        yield 2
        raise ConnectionResetError("item 3")

    found = ahead(items(), "ahead-test")
    assert next(found) == 1
    assert asked.wait(10)
    assert next(found) == 2
    with pytest.raises(ConnectionResetError, match=r"^item 3$"):
        next(found)


def test_not_more_than_one_item_is_under_way() -> None:
    taken: list[int] = []

    def items() -> Iterator[int]:
        for number in range(1, 10):
            taken.append(number)
            yield number

    found = ahead(items(), "ahead-test")
    assert [next(found), next(found)] == [1, 2]
    found.close()
    assert taken == [1, 2, 3]


def test_two_steps_are_each_one_ahead_and_keep_the_order() -> None:
    first = ahead(iter(range(1, 6)), "ahead-test-1")
    assert list(ahead(map(str, first), "ahead-test-2")) == ["1", "2", "3", "4", "5"]


def test_who_stops_half_way_leaves_no_thread_behind() -> None:
    found = ahead(iter(range(1, 5)), "ahead-test")
    assert next(found) == 1
    found.close()
    left = [each.name for each in threading.enumerate() if each.name.startswith("ahead-test")]
    assert left == []
