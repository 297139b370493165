"""AWS cost lines as AWS delivers them: CUR 2.0, legacy CUR or FOCUS, from s3:// or file://.

A billing period is the unit: AWS rewrites the open month several times a day and a closed one for
refunds and the final invoice, and line item ids are "unique in a given partition" only, so a period
is replaced whole and never merged. What the bucket holds is known from one listing.
"""

from __future__ import annotations

import logging
import runpy
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

if not __package__:  # run as a script: Python looks here first, where stripe/ is ours
    sys.path[0] = str(Path(__file__).resolve().parents[1])

import dlt
from botocore.exceptions import ProfileNotFound
from dlt.common.configuration import configspec, resolve_configuration, resolve_type
from dlt.common.configuration.specs import AwsCredentials, CredentialsConfiguration
from dlt.common.storages.configuration import FilesystemConfiguration
from dlt.extract import DltResource

from pipelines.buckets.landed import delivery_of
from pipelines.buckets.objects import Bucket
from pipelines.buckets.s3_errors import credentials_fix
from pipelines.core.landing import CONTRACT, REPLACED, Landing, Plan, everything
from pipelines.core.partition import ALL, ConfigurationError, Delivery, Partition, Selection
from pipelines.providers.aws.bucket import VARIABLES, open_bucket
from pipelines.providers.aws.contract import CHECKED
from pipelines.providers.aws.deliveries import emptied, expired, files_of, incomplete
from pipelines.providers.aws.deliveries import plan as plan_periods
from pipelines.providers.aws.exports import Export, recognise
from pipelines.providers.aws.landing import detect_delivery_layout, land
from pipelines.providers.aws.several import (
    choose_all,
    names_of,
    not_configured,
    refuse_counted_twice,
    unwanted,
    with_keys,
)

__all__ = ["CHECKED", "AwsExport", "AwsSettings", "aws", "configuration", "connect"]

log = logging.getLogger(__name__)

_PERIODS = ("bill_billing_period_start_date", "billing_period_start")  # CUR's, FOCUS's


@configspec
class AwsSettings(FilesystemConfiguration):
    """`[sources.aws]`: bucket_url (s3://bucket/prefix or file:///folder), credentials, export."""

    export: str | list[str] | None = None
    """Names (or paths below bucket_url) when the bucket holds several; `*` means all of them."""

    @resolve_type("credentials")
    def credentials_type(self) -> Any:
        """Credentials of S3 only: dlt would otherwise try every cloud, over the network."""
        return AwsCredentials if self.protocol == "s3" else CredentialsConfiguration | None


def configuration() -> AwsSettings:
    """What dlt finds under `sources.aws`. A missing key raises dlt's list of places to set it."""
    try:
        return resolve_configuration(AwsSettings(), sections=("sources", "aws"))
    except ProfileNotFound as error:
        raise ConfigurationError(
            f"sources.aws.credentials: {error}. {credentials_fix(VARIABLES)}"
        ) from error


class AwsExport:
    """The export that configuration means, or several, and what the bucket holds of them now."""

    def __init__(self, settings: AwsSettings) -> None:
        self.bucket: Bucket = open_bucket(settings.bucket_url, settings.credentials)
        self._wanted = names_of(settings.export)
        self._published: Mapping[str, str] = {}
        self._listed: Mapping[str, str] = {}
        self.unwanted: list[str] = []
        self.payers: dict[str, set[str]] = {}  # of what this run has landed, by key
        # for `aws`, resolved once: the machine's own credentials may be a service away
        self.arguments = {
            "bucket_url": settings.bucket_url,
            "credentials": settings.credentials,
            "export": settings.export,
        }

    def partitions(
        self, selection: Selection = ALL, published: Mapping[str, str] = MappingProxyType({})
    ) -> list[Partition]:
        """Every complete billing period, oldest first, from one listing.

        Raises ConfigurationError without an export, or with several when none is named.
        """
        exports = choose_all(recognise(self.bucket.list()), self._wanted, self.bucket.url)
        for export in exports.values():
            self._warn_of_manifests(export)
        plans = {
            label: plan_periods(export, accept_empty=selection.accept_shrunk)
            for label, export in exports.items()
        }
        for label in not_configured(plans, published):
            log.warning("aws: %s is not configured any more. What is published of it stays.", label)
        self._published = published
        self.unwanted = unwanted(plans, published)
        found = [
            partition
            for partitions in with_keys(plans, published).values()
            for partition in self._without_expired(partitions, selection, published)
        ]
        for partition in found:
            _warn_of_files_newer_than_the_manifest(partition)
            _warn_of_an_empty_execution(partition)
        self._listed = {partition.key: "" for partition in found}
        return sorted(found, key=lambda partition: partition.key)

    @property
    def known(self) -> Mapping[str, str]:
        """What is published, and what this run publishes: their keys."""
        return {**self._listed, **self._published}

    def _warn_of_manifests(self, export: Export) -> None:
        where = f"{self.bucket.url} {export.name}".strip()
        if not export.has_manifests:
            log.warning("aws: %s has no manifest; the list of files is used instead", where)
        for period in incomplete(export):
            log.warning("aws %s: no manifest yet, AWS is still delivering; left for later", period)

    def _without_expired(
        self, found: list[Partition], selection: Selection, published: Mapping[str, str]
    ) -> Iterator[Partition]:
        """Months whose files the bucket no longer has are as published, or cannot be loaded."""
        with_files = [partition.key for partition in found if partition.detail.period]
        first = min(with_files, default="")
        for partition in found:
            key, fingerprint = partition.key, published.get(partition.key)
            if not (
                (fingerprint or key < first)
                and key in selection
                and expired(self.bucket, partition)
            ):
                yield partition
                continue
            log.warning(
                "aws %s: the bucket has its manifest but none of its files: they expired or were "
                "moved; %s",
                key,
                "the published month stays" if fingerprint else "the month cannot be loaded",
            )
            if fingerprint and not selection.force:
                yield replace(partition, fingerprint=fingerprint)


def connect() -> AwsExport:
    """The export that `[sources.aws]` names, listed and ready to plan."""
    return AwsExport(configuration())


@dlt.source(name="aws", section="aws", spec=AwsSettings, max_table_nesting=0)
def aws(
    bucket_url: str = dlt.config.value,
    credentials: Any = dlt.secrets.value,
    export: str | Sequence[str] | None = None,
    first: str | None = None,
    last: str | None = None,
    plan: Plan[AwsExport] | None = None,
) -> DltResource:
    """Every billing period from `first` to `last` (2026-10), whole: a later load replaces it.

    `plan` is the loader's: the one period that it wants, and where to land it.
    """
    if plan is None:
        names = list(names_of(export))
        settings = AwsSettings(bucket_url=bucket_url, credentials=credentials, export=names)
        plan = everything(AwsExport(settings), first, last)
    return cur(plan)


@dlt.resource(
    name="cur", file_format="parquet", write_disposition=REPLACED, schema_contract=CONTRACT
)
def cur(plan: Plan[AwsExport]) -> Iterator[Any]:
    """The files as AWS delivered them. Rows are parsed when they are normalised: copying is 25
    times faster than decoding."""
    for landing in plan.landings:
        delivery = _land(plan.provider, landing)
        yield from landing.data(delivery, "billing_period", *_PERIODS)


def _land(export: AwsExport, landing: Landing) -> Delivery:
    partition = landing.partition
    delivered, objects = files_of(export.bucket, partition)
    if delivered is not partition.detail:
        log.warning(
            "aws %s: the newest delivery is incomplete; %s is loaded instead",
            partition.key,
            delivered.manifest.key if delivered.manifest else delivered.export,
        )
    landed = land(export.bucket, partition, objects, landing.folder, landing.advance)
    paths = [landing.folder / file.name for file in landed]
    refuse_counted_twice(landing, paths, export.known, export.payers)
    return delivery_of(
        "aws",
        partition,
        landed,
        delivered_at=delivered.delivered_at,
        layout=f"{detect_delivery_layout(landed)}, {delivered.kind}",
    )


def _warn_of_an_empty_execution(partition: Partition) -> None:
    if manifest := emptied(partition):
        log.warning(
            "aws %s: its newest delivery, %s, has no file; the one before it counts. If the month "
            "is empty, load it with --accept-shrunk",
            partition.key,
            manifest.key,
        )


def _warn_of_files_newer_than_the_manifest(partition: Partition) -> None:
    found = partition.detail
    if found.manifest and any(o.modified > found.manifest.modified for o in found.data):
        log.warning(
            "aws %s: data files are newer than the manifest; if AWS is still delivering, the "
            "period is loaded again when the manifest follows",
            partition.key,
        )


if __name__ == "__main__":  # python pipelines/aws_pipeline.py [options of `load`]
    sys.argv[1:] = ["load", "aws", *sys.argv[1:]]
    runpy.run_module("pipelines", run_name="__main__")
