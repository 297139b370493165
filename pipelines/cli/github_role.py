"""AWS's keys for an hour, by the identity that GitHub vouches for."""

from __future__ import annotations

from collections.abc import Mapping

from pipelines.core.partition import ConfigurationError
from pipelines.providers import github


def with_role(environ: Mapping[str, str]) -> dict[str, str]:
    """The variables, with an hour's keys of AWS_ROLE_ARN where that is how AWS is to be read.

    They live in these variables alone. Raises ConfigurationError.
    """
    role = environ.get("AWS_ROLE_ARN")
    # keys; or what Kubernetes sets, for AWS's own chain
    others = ("AWS_ACCESS_KEY_ID", "AWS_WEB_IDENTITY_TOKEN_FILE")
    if not role or any(environ.get(name) for name in others):
        return dict(environ)
    import boto3  # imported only here: it takes half a second
    from botocore import UNSIGNED
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError, ClientError

    region = environ.get("AWS_DEFAULT_REGION") or "us-east-1"
    client = boto3.client("sts", region_name=region, config=Config(signature_version=UNSIGNED))
    try:
        keys = client.assume_role_with_web_identity(
            RoleArn=role,
            RoleSessionName="nightly",
            WebIdentityToken=github.token(
                "sts.amazonaws.com",
                environ.get("ACTIONS_ID_TOKEN_REQUEST_URL"),
                environ.get("ACTIONS_ID_TOKEN_REQUEST_TOKEN"),
            ),
        )["Credentials"]
    except (BotoCoreError, ClientError) as error:
        raise ConfigurationError(
            f"AWS_ROLE_ARN: {role} cannot be assumed: {error}. Its trust policy has to name "
            "GitHub's provider and this repository (docs/operations.md)."
        ) from None
    return dict(environ) | {
        "AWS_ACCESS_KEY_ID": keys["AccessKeyId"],
        "AWS_SECRET_ACCESS_KEY": keys["SecretAccessKey"],
        "AWS_SESSION_TOKEN": keys["SessionToken"],
    }
