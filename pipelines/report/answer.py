"""One of the ten questions on the first page, with its answer or a line that says why not."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape

from pipelines.report.amounts import UNKNOWN


@dataclass(frozen=True)
class Answer:
    """A question's title and its answer as markup; `as_of` says of which days, in words.

    Without a body there is no answer, and `nothing` says why in a line.
    """

    title: str
    body: str = ""
    as_of: str = ""
    nothing: str = ""
    is_bad: bool = False

    def markup(self, number: int) -> str:
        """The question as a card, or as one line."""
        heading = f'<h2 id="q{number}-title"><span>{number}</span> {escape(self.title)}</h2>'
        opening = f'<section id="q{number}" aria-labelledby="q{number}-title" class='
        if not self.body:
            return f'{opening}"question none">{heading} <p>{self.nothing}</p></section>'
        days = f'<p class="asof">{escape(self.as_of)}</p>' if self.as_of else ""
        bad = " bad" if self.is_bad else ""
        return f'{opening}"question{bad}">{heading}{self.body}{days}</section>'


def headline(figure: str, compared: str) -> str:
    """The figure that answers the question, and what it is compared with; both are markup."""
    return f'<p class="value">{figure}</p><p class="compared">{compared}</p>'


def note(text: str) -> str:
    """A line below an answer."""
    return f"<p>{escape(text)}</p>" if text and text != UNKNOWN else ""
