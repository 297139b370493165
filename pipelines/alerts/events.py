"""What there is to tell, from marts, runs and checks: an Event each, with its figures."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any
from urllib.parse import quote

from pipelines.alerts.settings import AlertSettings
from pipelines.core import months
from pipelines.core.registry import in_use
from pipelines.core.text import money
from pipelines.marts import checks
from pipelines.marts.checks import Connection

LASTING = ("check", "source", "step")
"""Kinds that end: what is over is forgotten, and told again when it happens again."""

_EACH = "one row per "
_ANOMALIES = """
select source, dimension, value, name, direction, first_day, last_day, days,
    reporting_currency, expected, actual, impact
from cost_anomalies
order by abs(impact) desc, source, dimension, value, first_day
"""
_BUDGETS = """
select month, as_of, provider, account, service, tag_column, tag_value, product,
    reporting_currency, budget, burned, projected
from budgets
where budget is not null
order by month, provider, account, service, tag_column, tag_value, product
"""
_RUNS = """
select word, max(case when outcome = 'well' then ended_at end), max(ended_at), min(ended_at)
from runs
group by word
order by word
"""
_RESTATEMENTS = """
select source, source_partition, month, billing_currency, published_at, billed, billed_change
from restatements
where kind = 'restated'
order by published_at, source, source_partition
"""
_COMMITMENTS = """
select provider_name, commitment_type, commitment_id, ends_on
from commitments
where ends_on is not null
group by provider_name, commitment_type, commitment_id, ends_on
order by ends_on, provider_name, commitment_id
"""


@dataclass(frozen=True)
class Event:
    """One thing that happened. `key` is the same as long as it is the same: `<kind>/…`."""

    key: str
    title: str
    text: str

    @property
    def kind(self) -> str:
        """anomaly, budget, source, check, restatement, commitment or step."""
        return self.key.partition("/")[0]


def read(
    connection: Connection, settings: AlertSettings, at: datetime, failed: Sequence[str] = ()
) -> list[Event]:
    """Every event as of `at`, told or not. `failed` are steps of a nightly run.

    What ended more than `settings.days` ago is left out. Raises what the connection raises.
    """
    found = [
        *_budgets(connection, at),
        *_anomalies(connection, at.date() - timedelta(days=settings.days)),
        *_sources(connection, settings, at),
        *_checks(connection),
        *_restatements(connection, settings, at),
        *_commitments(connection, settings, at.date()),
    ]
    named = {event.key.split("/")[1] for event in found if event.kind == "source"}
    if any(event.kind == "check" for event in found):
        named.add("check")
    return [*found, *steps(step for step in failed if step not in named)]


def steps(failed: Iterator[str] | Sequence[str]) -> Iterator[Event]:
    """Steps of a nightly run that failed, by name."""
    for step in failed:
        yield Event(_key("step", step), f"Nightly run: {step} failed", "Its log says why.")


def _anomalies(connection: Connection, since: date) -> Iterator[Event]:
    for row in connection.query(_ANOMALIES)[1]:
        source, dimension, value, name, direction, first, last, days, currency, *amounts = row
        if last < since:
            continue
        expected, actual, impact = (money(amount) for amount in amounts)
        when = f"on {first}" if first == last else f"on {days} days from {first} to {last}"
        change = "rose" if direction == "rise" else "fell"
        yield Event(
            _key("anomaly", source, dimension, value, direction, str(first)),
            f"Unusual cost: {dimension} {name} of {source} {change}",
            f"{actual} {currency} instead of {expected} {when}: {impact} {currency}.",
        )


def _budgets(connection: Connection, at: datetime) -> Iterator[Event]:
    since = months.after(months.month_of(at), -1)
    for row in connection.query(_BUDGETS)[1]:
        month, as_of, *scope, currency, budget, burned, projected = row
        named = f"{month:%Y-%m}"
        if named < since:
            continue
        if burned is not None and burned > budget:
            state, amount = "passed", burned
        elif projected is not None and projected > budget:
            state, amount = "projected", projected
        else:
            continue
        of = " ".join(value for value in scope if value) or "all cost"
        title = f"Budget of {of} for {named} is {state}"
        yield Event(
            _key("budget", named, *scope, state),
            title if state == "passed" else f"{title} to be passed",
            f"{money(amount)} {currency} of {money(budget)} ({amount / budget:.0%})"
            + (f", as of {as_of}." if as_of else "."),
        )


def _sources(connection: Connection, settings: AlertSettings, at: datetime) -> Iterator[Event]:
    """Configured sources whose last load failed, or that no load ended well for too long."""
    used = set(in_use(()))
    for word, good, last, first in connection.query(_RUNS)[1]:
        if word not in used:
            continue
        last_good = _utc(good) if good else None
        if last_good == _utc(last) and at - _utc(last) <= timedelta(hours=settings.late_hours):
            continue
        state = "is late" if last_good == _utc(last) else "failed"
        since = f"{last_good:%Y-%m-%d %H:%M} UTC" if last_good else "never"
        yield Event(
            _key("source", word, (last_good or _utc(first)).isoformat()),
            f"Source {word} {state}",
            f"Last good load: {since}; last load: {_utc(last):%Y-%m-%d %H:%M} UTC.",
        )


def _checks(connection: Connection) -> Iterator[Event]:
    for result in checks.run(connection):
        if result.rows and result.name != "last_run":  # its rows are events of sources
            count = len(result.rows)
            each = result.meaning.removeprefix(_EACH).rstrip(".")
            yield Event(
                _key("check", result.name),
                f"Check {result.name} failed",
                f"{count} {'row' if count == 1 else 'rows'}, one per {each}.",
            )


def _restatements(connection: Connection, settings: AlertSettings, at: datetime) -> Iterator[Event]:
    """Of months that were over for a while: an open month changes with every delivery."""
    since = at - timedelta(days=settings.days)
    for row in connection.query(_RESTATEMENTS)[1]:
        source, partition, month, currency, published, billed, change = row
        published = _utc(published)
        ended = datetime.strptime(months.after(month, 1), "%Y-%m").replace(tzinfo=UTC)
        is_open = published < ended + timedelta(days=settings.restated_after_days)
        if published < since or is_open or abs(change) < settings.restated_amount:
            continue
        name = currency or ""
        yield Event(
            _key("restatement", source, partition, published.isoformat()),
            f"{source} restated {partition}",
            f"{change:+,.2f} {name}: billed is {money(billed)} {name} now, "
            f"{money(billed - change)} before.",
        )


def _commitments(connection: Connection, settings: AlertSettings, on: date) -> Iterator[Event]:
    """Plans and reservations that end soon, once for each end."""
    for provider, kind, name, end in connection.query(_COMMITMENTS)[1]:
        left = (end - on).days
        if 0 <= left <= settings.ending_days:
            when = "today" if not left else f"in {left} day{'s' if left > 1 else ''}"
            yield Event(
                _key("commitment", provider, name, str(end)),
                f"{kind} {re.split('[/:]', name)[-1]} of {provider} ends {when}",
                f"{name} ends on {end}: renew it, or what it pays for costs the on-demand price.",
            )


def _key(*parts: str) -> str:
    return "/".join(quote(part, safe="") for part in parts)


def _utc(moment: Any) -> datetime:
    found: datetime = moment
    return found.astimezone(UTC) if found.tzinfo else found.replace(tzinfo=UTC)
