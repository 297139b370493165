"""AWS's billing APIs with the source's credentials, and which months are asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError
from dlt.common.configuration import configspec, resolve_configuration
from dlt.common.configuration.specs import AwsCredentials, BaseConfiguration

from pipelines.core import months
from pipelines.core.partition import ConfigurationError, Partition, Selection, UserError

_FINAL = "final"
REGION = "us-east-1"  # where AWS answers for billing, whatever the region of the bucket
_DENIED = ("AccessDenied", "AccessDeniedException", "UnrecognizedClientException")


@configspec
class TotalsSettings(BaseConfiguration):
    """`[sources.aws]`: the months and pages of Cost Explorer."""

    credentials: AwsCredentials | None = None
    totals_months: int = 13
    totals_pages: int = 20


def configuration() -> TotalsSettings:
    """What dlt finds under `sources.aws`. Raises ConfigurationError."""
    found = resolve_configuration(TotalsSettings(), sections=("sources", "aws"))
    for name in ("totals_months", "totals_pages"):
        if getattr(found, name) < 1:
            raise ConfigurationError(f"sources.aws.{name} must be at least 1.")
    return found


def client(settings: TotalsSettings, name: str) -> Any:
    """A client of one of AWS's billing APIs. `AWS_ENDPOINT_URL_<API>` names a stand-in."""
    credentials = settings.credentials
    keys = {}
    if credentials and credentials.aws_access_key_id:
        keys = {
            "aws_access_key_id": credentials.aws_access_key_id,
            "aws_secret_access_key": credentials.aws_secret_access_key,
            "aws_session_token": credentials.aws_session_token,
        }
    again = Config(retries={"mode": "standard", "max_attempts": 5})
    return boto3.session.Session(**keys).client(name, region_name=REGION, config=again)


def account_of(settings: TotalsSettings) -> str:
    """The account that the credentials belong to; asking needs no right."""
    with explained("sts:GetCallerIdentity"):
        return str(client(settings, "sts").get_caller_identity()["Account"])


@contextmanager
def explained(right: str) -> Iterator[None]:
    """AWS's errors as ours."""
    try:
        yield
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code", "")
        if code in _DENIED:
            raise ConfigurationError(
                f"aws: the credentials may not ask for totals ({code}). Allow {right}, or leave "
                "this table out of sources.aws.objects. What is published stays."
            ) from None
        raise UserError(f"aws: {right}: AWS answers {code}. Run again; see its status.") from None
    except BotoCoreError as error:
        raise UserError(f"aws: {right}: no answer ({type(error).__name__}). Run again.") from None


def fingerprint(digest: str, is_final: bool, at: datetime) -> str:
    """Content and state of a month: an open one is asked for once a day."""
    return f"{digest}-{_FINAL if is_final else f'{at:%Y%m%d}'}"


def plan(
    count: int, at: datetime, selection: Selection, published: Mapping[str, str]
) -> list[Partition]:
    """The last months. Not asked for again: a final one, and an open one on the same day."""
    last = months.month_of(at)
    first = months.after(last, 1 - count)
    listed = months.between(min([first, *published]), last)
    return [
        Partition(month, _known(published.get(month, ""), at, selection), at, files=1, bytes=0)
        for month in listed
        if month in selection
    ]


def _known(published: str, at: datetime, selection: Selection) -> str:
    is_known = published.endswith((f"-{_FINAL}", f"-{at:%Y%m%d}")) and not selection.is_asking
    return published if is_known else ""
