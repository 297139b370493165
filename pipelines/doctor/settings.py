"""Examine how ClickHouse is configured: which variables are there, and which place won."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from difflib import get_close_matches
from pathlib import Path

from dlt.common.configuration.exceptions import ConfigurationException

from pipelines.clickhouse.server.config import NOT_CONFIGURED, ClickHouseConfig, is_configured
from pipelines.clickhouse.server.configuration import env_files
from pipelines.clickhouse.server.configuration.origins import SETTINGS, ClickHouseConfigError
from pipelines.core.findings import Finding, Kind, warning

_PREFIXES = ("CLICKHOUSE_", "DESTINATION__CLICKHOUSE__")
_SHORT = {"CLICKHOUSE_MODE", *(setting.variable for setting in SETTINGS.values())}
_ALWAYS = ("host", "port", "http_port", "database", "user", "password", "secure")
_SUBJECT = "clickhouse"
_ENVIRONMENT = " (environment)"


def read_settings(
    environ: Mapping[str, str], mode: str | None, folder: Path
) -> Generator[Finding, None, ClickHouseConfig | None]:
    """What is configured and from where; returns the configuration, None when it is wrong.

    `mode` goes before CLICKHOUSE_MODE. `.env` files of `folder` are compared, never loaded.
    """
    files = env_files.variables(folder)
    yield from _variables(environ, files)
    if mode:
        environ = {**environ, "CLICKHOUSE_MODE": mode}
    try:
        if not is_configured(environ):
            raise ClickHouseConfigError(NOT_CONFIGURED.replace("\n", " Fix: ", 1))
        config = ClickHouseConfig.from_env(environ)
    except (ClickHouseConfigError, ConfigurationException) as error:
        what, _, fix = str(error).strip().partition(" Fix: ")
        if mode:
            what = what.replace(f"CLICKHOUSE_MODE{_ENVIRONMENT}", "this command")
        yield Finding(False, _SUBJECT, what, fix or "see above", Kind.CONFIGURATION)
        return None
    given = "this command" if mode else _origin(config.origins["mode"], environ, files)
    yield Finding(True, f"{_SUBJECT} mode", f"{config.mode}, from {given}")
    yield from _settings(config, environ, files)
    return config


def _variables(
    environ: Mapping[str, str], files: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    """Names alone: a value may be a password in the wrong place."""
    names = sorted(name for name in environ if name.startswith(_PREFIXES) and environ[name].strip())
    subject = f"{_SUBJECT} variables"
    yield Finding(True, subject, f"{', '.join(names) or 'none'} in the environment")
    parts = [environ[name] for name in ("DOPPLER_PROJECT", "DOPPLER_CONFIG") if environ.get(name)]
    if any(name.startswith("DOPPLER_") for name in environ):
        what = f" (project and config {'/'.join(parts)})" if parts else ""
        yield Finding(True, subject, f"Doppler runs this command{what} and sets the environment")
    for name in names:
        near = get_close_matches(name, _SHORT, 1, 0.85)
        if name not in _SHORT and near and name.startswith("CLICKHOUSE_"):
            fix = f"write {near[0]}, or remove it"
            yield warning(subject, f"nothing here reads {name}", fix)
    for file, missing in env_files.not_read(files, environ).items():
        detail = f"{file} sets {missing}, but files are not read automatically"
        yield warning(subject, detail, f"set -a; . ./{file}; set +a")


def _settings(
    config: ClickHouseConfig,
    environ: Mapping[str, str],
    files: Mapping[str, Mapping[str, str]],
) -> Iterator[Finding]:
    for name in SETTINGS:
        origin = config.origins[name]
        if name not in _ALWAYS and origin == "the default":
            continue
        value = getattr(config, name)
        if name == "password":
            value = "set" if value else "none"
        shown = int(value) if isinstance(value, bool) else value
        detail = f"{shown}, from {_origin(origin, environ, files)}"
        yield Finding(True, f"{_SUBJECT} {name}", detail)


def _origin(origin: str, environ: Mapping[str, str], files: Mapping[str, Mapping[str, str]]) -> str:
    """The origin, with the file that has the same value: the shell has read it from there."""
    variable, found, rest = origin.partition(_ENVIRONMENT)
    if found:
        for file, values in files.items():
            if variable in values and values[variable] == environ.get(variable, "").strip():
                return f"{variable} (environment, as in {file}){rest}"
    return origin
