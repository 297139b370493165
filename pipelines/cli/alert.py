"""`alert`: tell people what is new, each event once to each channel."""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from pipelines.alerts.channels import Channel, channels
from pipelines.alerts.events import Event, read, steps
from pipelines.alerts.settings import AlertSettings, alert_settings
from pipelines.alerts.telling import Nothing, Telling, tell, untold
from pipelines.cli.destination import open_destination
from pipelines.cli.output.console import err, say
from pipelines.core.partition import UserError, now
from pipelines.destinations.alerts import Alerts
from pipelines.destinations.clickhouse.alerts import WarehouseAlerts
from pipelines.destinations.clickhouse.warehouse import Warehouse
from pipelines.destinations.filesystem.alerts import LOCK, StoreAlerts
from pipelines.destinations.filesystem.store import Store
from pipelines.marts import checks

NO_CHANNEL = (
    "nobody is told: set alert.webhook_url, alert.mail_to or alert.github_repository "
    "(.dlt/config.toml)"
)


def alert(options: argparse.Namespace, environ: Mapping[str, str]) -> int:
    """Tell what is new; 1 when a channel or the destination failed."""
    settings = alert_settings()
    found = channels(settings)
    if not found and not options.dry_run:
        say(NO_CHANNEL)
        return 0
    try:
        destination = open_destination(options, environ, migrated=not options.dry_run)
        alerts = _alerts(destination)
        if options.dry_run:
            return _show(_events(destination, settings, options.failed), found, alerts)
        with destination.locked(LOCK):
            events = _events(destination, settings, options.failed)
            return _report(tell(events, found, alerts, settings.link))
    except UserError as error:
        if options.dry_run or not options.failed:
            raise
        # a night that failed is told also where nobody can ask what was told before
        err.print(f"error: {error}", markup=False)
        _report(tell([*steps(options.failed)], found, Nothing(), settings.link))
        return 1


def _alerts(destination: Store | Warehouse) -> Alerts:
    if isinstance(destination, Store):
        return StoreAlerts(destination)
    return WarehouseAlerts(destination.manager)


def _events(
    destination: Store | Warehouse, settings: AlertSettings, failed: Sequence[str]
) -> list[Event]:
    with ExitStack() as open_until_read:
        if isinstance(destination, Store):
            from pipelines.marts.catalogue import local_connection

            connection: checks.Connection = local_connection(destination)
        else:
            from pipelines.clickhouse.server.http_client import connect

            client = open_until_read.enter_context(connect(destination.config))
            connection = checks.ClickHouseConnection(client, destination.config)
        return read(connection, settings, now(), failed)


def _show(events: Sequence[Event], found: Sequence[Channel], alerts: Alerts) -> int:
    """What each channel would be told; without a channel every event."""
    for name in [channel.name for channel in found] or [""]:
        new = untold(events, name, alerts) if name else events
        for event in new:
            say(f"{event.title}\n  {event.text}")
        say(f"{name}: would tell {len(new)}" if name else f"{len(new)} events; {NO_CHANNEL}")
    return 0


def _report(done: Telling) -> int:
    for name, count in done.sent.items():
        say(f"{name}: told {count}" if count else f"{name}: nothing new")
    for error in done.errors:
        err.print(f"error: {error}", markup=False)
    return 1 if done.errors else 0
