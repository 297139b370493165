"""Which sequence numbers of an instrument have come, so that a missing one is noticed at once."""

from __future__ import annotations

from bisect import bisect_right
from dataclasses import dataclass, field


@dataclass
class Numbers:
    """Numbers as intervals with both ends included, in order, none touching the next."""

    starts: list[int] = field(default_factory=list)
    ends: list[int] = field(default_factory=list)

    def add(self, number: int) -> bool:
        """Note a number; False when it was there."""
        if self.ends and number == self.ends[-1] + 1:  # nearly always
            self.ends[-1] = number
            return True
        at = bisect_right(self.starts, number)
        if at and number <= self.ends[at - 1]:
            return False
        after = at < len(self.starts) and self.starts[at] == number + 1
        if at and self.ends[at - 1] == number - 1:
            self.ends[at - 1] = self.ends.pop(at) if after else number
            if after:
                del self.starts[at]
        elif after:
            self.starts[at] = number
        else:
            self.starts.insert(at, number)
            self.ends.insert(at, number)
        return True

    def gaps(self) -> list[tuple[int, int]]:
        """What is missing between the first and the last, both ends included."""
        pairs = zip(self.ends, self.starts[1:], strict=False)
        return [(end + 1, start - 1) for end, start in pairs]

    def forgive(self, first: int, last: int) -> None:
        """Ask no more for a gap that nobody can fill."""
        at = self.starts.index(last + 1)
        self.ends[at - 1] = self.ends.pop(at)
        del self.starts[at]
