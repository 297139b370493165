"""Charts as SVG: bars and lines over labels, coloured by the page's style sheet.

A chart is drawn for wide and for narrow pages, so that its text has the size of the page's
text on both; the style sheet shows one of them. Plotting libraries write colours and sizes into
the picture: these follow light, dark and paper.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from html import escape

WIDE, NARROW = (1120, 300), (340, 230)
HALF = (540, 280)
LETTER, LINE = 6.9, 16  # pixels of a character and of a line at 12 px
BAR, POINT, MARK, SPAN = "bar", "line", "mark", "span"


@dataclass(frozen=True)
class Series:
    """One colour of a chart: `values` by label, None where not known. A span has both ends."""

    name: str
    values: Sequence[float | None]
    color: int
    form: str = BAR
    ends: Sequence[tuple[float | None, float | None]] = ()


@dataclass(frozen=True)
class Plot:
    """What is drawn: series over `labels`, of which `spell` writes the amounts of the axis."""

    labels: Sequence[str]
    series: Sequence[Series]
    spell: Callable[[float], str]
    is_stacked: bool = False
    summary: str = ""
    hints: Sequence[str] = field(default=())


def draw(plot: Plot, *, half: bool = False) -> str:
    """The chart for wide and for narrow pages; one that is not a half of them, between, too."""
    sizes = [("wide", *(HALF if half else WIDE)), ("narrow", *NARROW)]
    sizes += [] if half else [("middle", *HALF)]
    return "".join(_svg(plot, name, width, height) for name, width, height in sizes)


def legend(plot: Plot) -> str:
    """The names of the series beside their colours."""
    items = "".join(
        f'<li><svg class="key" viewBox="0 0 12 12" aria-hidden="true">{_key(one)}</svg>'
        f"{escape(one.name)}</li>"
        for one in plot.series
    )
    return f'<ul class="legend">{items}</ul>'


def _key(one: Series) -> str:
    if one.form == POINT:
        return f'<path class="l{one.color}" d="M0 6h12"/>'
    if one.form == MARK:
        return f'<path class="f{one.color}" d="M6 0l6 6-6 6-6-6z"/>'
    return f'<path class="f{one.color}" d="M0 0h12v12h-12z"/>'


def _svg(plot: Plot, name: str, width: int, height: int) -> str:
    axis = _ticks(*_extent(plot))
    left = 16 + LETTER * max(len(plot.spell(value)) for value in axis)
    frame = _Frame(left, 8, width - 8, height - 24, axis[0], axis[-1], len(plot.labels))
    parts = [*_grid(plot, frame, axis), *_columns(plot, frame), *_lines(plot, frame)]
    parts += [*_names(plot, frame), *_hints(plot, frame)]
    return (
        f'<svg class="{name}" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(plot.summary)}">{"".join(parts)}</svg>'
    )


@dataclass(frozen=True)
class _Frame:
    """The drawing's edges in pixels, the amounts at them, and the number of labels."""

    left: float
    top: float
    right: float
    bottom: float
    low: float
    high: float
    bands: int

    @property
    def band(self) -> float:
        return (self.right - self.left) / max(self.bands, 1)

    def x(self, at: float) -> float:
        """The middle of a label's band."""
        return self.left + self.band * (at + 0.5)

    def y(self, value: float) -> float:
        return self.bottom - (value - self.low) / (self.high - self.low) * (self.bottom - self.top)


def _extent(plot: Plot) -> tuple[float, float]:
    found = [0.0]
    for one in plot.series:
        found += [
            v for v in (*one.values, *(e for ends in one.ends for e in ends)) if v is not None
        ]
    if plot.is_stacked:
        for at in range(len(plot.labels)):
            column = [one.values[at] or 0 for one in plot.series if one.form == BAR]
            found += [sum(v for v in column if v > 0), sum(v for v in column if v < 0)]
    return min(found), max(found)


def _ticks(low: float, high: float) -> list[float]:
    """Three to seven round amounts that hold both."""
    raw = (high - low) / 5 or 0.2
    size = 10 ** math.floor(math.log10(raw))
    step = next(size * m for m in (1, 2, 2.5, 5, 10) if size * m >= raw * 0.999)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    return [n * step for n in range(first, max(last, first + 1) + 1)]


def _grid(plot: Plot, frame: _Frame, axis: Sequence[float]) -> Iterator[str]:
    for value in axis:
        y = frame.y(value)
        form = "zero" if value == 0 else "grid"
        yield f'<path class="{form}" d="M{frame.left:.0f} {y:.1f}H{frame.right:.0f}"/>'
        yield (
            f'<text x="{frame.left - 6:.0f}" y="{y + 4:.1f}" class="end">'
            f"{escape(plot.spell(value))}</text>"
        )


def _columns(plot: Plot, frame: _Frame) -> Iterator[str]:
    bars = [one for one in plot.series if one.form == BAR]
    each = frame.band * 0.8 / (1 if plot.is_stacked else max(len(bars), 1))
    up, down = [0.0] * frame.bands, [0.0] * frame.bands
    for number, one in enumerate(bars):
        path = []
        for at, value in enumerate(one.values):
            if not value:
                continue
            foot = (up if value > 0 else down)[at] if plot.is_stacked else 0.0
            (up if value > 0 else down)[at] += value
            x = frame.x(at) - frame.band * 0.4 + (0 if plot.is_stacked else number * each)
            top, end = frame.y(foot), frame.y(foot + value)
            path.append(f"M{x:.1f} {top:.1f}V{end:.1f}h{each - 0.6:.1f}V{top:.1f}z")
        yield f'<path class="f{one.color}" d="{"".join(path)}"/>'


def _lines(plot: Plot, frame: _Frame) -> Iterator[str]:
    for one in plot.series:
        if one.form == POINT:
            yield from _line(one, frame)
        for at, value in enumerate(one.values if one.form in (MARK, SPAN) else ()):
            x = frame.x(at)
            low, high = one.ends[at] if one.ends else (None, None)
            if low is not None and high is not None:
                top, foot = frame.y(high), frame.y(low)
                yield (
                    f'<path class="l{one.color}" d="M{x:.1f} {top:.1f}V{foot:.1f}'
                    f'M{x - 5:.1f} {top:.1f}h10M{x - 5:.1f} {foot:.1f}h10"/>'
                )
            if value is not None:
                y = frame.y(value) - 5
                yield f'<path class="f{one.color} edge" d="M{x:.1f} {y:.1f}l5 5-5 5-5-5z"/>'


def _line(one: Series, frame: _Frame) -> Iterator[str]:
    """A line with a hole where a value is not known, and points where there are few."""
    path, is_open = "", False
    for at, value in enumerate(one.values):
        if value is not None:
            path += f"{'L' if is_open else 'M'}{frame.x(at):.1f} {frame.y(value):.1f}"
            alone = not is_open and (at + 1 == frame.bands or one.values[at + 1] is None)
            path += "h.01" if alone else ""
        is_open = value is not None
    yield f'<path class="l{one.color}" d="{path}"/>'
    if frame.bands <= 13:
        for at, value in enumerate(one.values):
            if value is not None:
                yield (
                    f'<circle class="f{one.color}" cx="{frame.x(at):.1f}" '
                    f'cy="{frame.y(value):.1f}" r="3.5"/>'
                )


def _names(plot: Plot, frame: _Frame) -> Iterator[str]:
    """As many labels below the axis as fit, the last one always; none is cut."""
    room = max((len(label) for label in plot.labels), default=0) * LETTER + 14
    every = max(1, math.ceil(room / frame.band))
    for at in range(frame.bands - 1, -1, -every):
        half = len(plot.labels[at]) * LETTER / 2
        x = min(max(frame.x(at), half), frame.right + 8 - half)
        yield (
            f'<text x="{x:.1f}" y="{frame.bottom + LINE:.0f}" class="middle">'
            f"{escape(plot.labels[at])}</text>"
        )


def _hints(plot: Plot, frame: _Frame) -> Iterator[str]:
    """What a pointer that rests on a label's band is told."""
    height = frame.bottom - frame.top
    for at, text in enumerate(plot.hints):
        yield (
            f'<rect class="hit" x="{frame.x(at) - frame.band / 2:.1f}" y="{frame.top:.0f}" '
            f'width="{frame.band:.1f}" height="{height:.0f}"><title>{escape(text)}</title></rect>'
        )
