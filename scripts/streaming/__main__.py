"""The stack of live trades on this machine, without Docker.

python -m scripts.streaming up | down | status       Kafka, the registry, Connect
python -m scripts.streaming init                     topics and schema, after the contract's check
python -m scripts.streaming smoke                    from a schema to rows, and what goes wrong
python -m scripts.streaming connector-deploy         ClickHouse's sink for Kafka Connect
python -m scripts.streaming kills                    kill -9 of each part, and what was lost
python -m scripts.streaming watch                    restarts its failed tasks, counts dead letters
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from pathlib import Path

from pipelines.clickhouse.schema import migrate
from pipelines.clickhouse.server.config import NOT_CONFIGURED, ClickHouseConfig, is_configured
from pipelines.core.partition import ConfigurationError, UserError
from pipelines.normalize.run import tag_columns
from pipelines.streaming.settings import StreamingSettings, streaming
from pipelines.streaming.setup import set_up
from pipelines.streaming.topics import TOPICS
from scripts.streaming import kills as killing
from scripts.streaming import stack
from scripts.streaming.connector import Connect, Watchdog, configuration
from scripts.streaming.jars import ROOT
from scripts.streaming.java import Missing
from scripts.streaming.rig import Rig
from scripts.streaming.services import Ports
from scripts.streaming.smoke import Failed, Smoke

CONNECTOR = "clickhouse-sink"


def main(arguments: list[str]) -> int:
    """Run one command; 0 done, 1 not done, with the reason and the fix."""
    options = _parser().parse_args(arguments)
    try:
        function = globals()[f"_{options.command.replace('-', '_')}"]
        function(options)
    except (Missing, UserError, Failed) as error:
        print(f"streaming: {error}", file=sys.stderr)
        return 1
    return 0


def _up(options: argparse.Namespace) -> None:
    ports = Ports(
        options.kafka_port, options.kafka_port + 1, options.registry_port,
        options.registry_port + 1, options.connect_port,
    )  # fmt: skip
    for service in stack.up(options.dir, ports, not options.no_connect):
        print(f"{service.name:10} {service.address}", flush=True)
    if (options.kafka_port, options.registry_port) != (9092, 8081):
        print(f"export STREAMING__BOOTSTRAP_SERVERS=127.0.0.1:{ports.kafka}")
        print(f"export STREAMING__REGISTRY_URL=http://127.0.0.1:{ports.registry}/apis/ccompat/v7")


def _down(options: argparse.Namespace) -> None:
    stopped = stack.down(options.dir)
    print(f"Stopped {', '.join(stopped)}." if stopped else "Nothing runs.")


def _status(options: argparse.Namespace) -> None:
    for name in ("kafka", "registry", "connect"):
        pid = stack.is_running(options.dir, name)
        print(f"{name:10} {'pid ' + str(pid) if pid else 'does not run'}")


def _init(options: argparse.Namespace) -> None:
    config = _clickhouse()
    migrate.migrate(config, tag_columns(), print)
    for topic in TOPICS.values():
        set_up(topic, _settings(options), config, print)


def _smoke(options: argparse.Namespace) -> None:
    config = _clickhouse()
    migrate.migrate(config, tag_columns(), print)
    Smoke(_settings(options), config, print).run()
    print("smoke: everything is as it has to be")


def _connector_deploy(options: argparse.Namespace) -> None:
    config = configuration(options.config)
    connect = Connect(options.connect_url)
    kind = config["connector.class"]
    if kind not in connect.plugins():
        raise Missing(
            f"The worker at {connect.url} has no {kind}. docs/streaming.md says how to install it"
        )
    connect.deploy(CONNECTOR, config)
    print(f"{CONNECTOR}: {', '.join(connect.states(CONNECTOR))}")


def _watch(options: argparse.Namespace) -> None:
    topic = TOPICS["deribit"].name
    servers = _settings(options).bootstrap_servers
    watchdog = Watchdog(
        Connect(options.connect_url), CONNECTOR, servers, topic, f"connect-{CONNECTOR}"
    )
    dead = watchdog.dead_letters()
    while True:
        for line in watchdog.look(dead):
            print(line, flush=True)
        dead = watchdog.dead_letters()
        if options.once:
            return
        time.sleep(options.seconds)


def _kills(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory() as folder, Rig(Path(folder)) as rig:
        found = killing.run(rig, options.count, options.rate, lambda line: print(line, flush=True))
    print("\n".join(killing.lines(found)))
    if any(each.lost or each.double for each in found):
        raise Failed("something was lost or is there twice")


def _settings(options: argparse.Namespace) -> StreamingSettings:
    """As configured; what runs in the folder is taken where nothing is."""
    settings = streaming()
    if "STREAMING__BOOTSTRAP_SERVERS" not in os.environ and (options.dir / "ports.json").exists():
        ports = stack.ports_of(options.dir)
        settings.bootstrap_servers = f"127.0.0.1:{ports.kafka}"
        settings.registry_url = f"http://127.0.0.1:{ports.registry}/apis/ccompat/v7"
    return settings


def _clickhouse() -> ClickHouseConfig:
    if not is_configured(os.environ):
        raise ConfigurationError(NOT_CONFIGURED)
    return ClickHouseConfig.from_env(os.environ)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="streaming", description=(__doc__ or "").split("\n")[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name in ("up", "down", "status", "init", "smoke", "connector-deploy", "watch", "kills"):
        command = commands.add_parser(name)
        command.add_argument("--dir", type=Path, default=stack.FOLDER, help="data, logs, pids")
        if name == "up":
            command.add_argument("--kafka-port", type=int, default=9092)
            command.add_argument("--registry-port", type=int, default=8081)
            command.add_argument("--connect-port", type=int, default=8083)
            command.add_argument("--no-connect", action="store_true", help="without Connect")
        if name in ("connector-deploy", "watch"):
            command.add_argument("--connect-url", default="http://127.0.0.1:8083")
        if name == "connector-deploy":
            default = ROOT / "configs" / "connect" / "clickhouse-sink.json"
            command.add_argument("--config", type=Path, default=default)
        if name == "kills":
            command.add_argument("--count", type=int, default=100, help="default: 100")
            command.add_argument("--rate", type=float, default=500.0, help="trades a second")
        if name == "watch":
            command.add_argument("--seconds", type=float, default=10.0, help="between two looks")
            command.add_argument("--once", action="store_true", help="look once")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
