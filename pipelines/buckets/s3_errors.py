"""What S3's errors mean to a person: what is wrong, where, and how to mend it."""

from __future__ import annotations

from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    ParamValidationError,
)
from s3transfer.exceptions import RetriesExceededError

from pipelines.core.partition import ConfigurationError, PartitionError, UserError

_STANDARD = "the standard AWS variables, profile or role"


def credentials_fix(variables: str) -> str:
    """How to set credentials; `variables` is the section in capitals, such as SOURCES__AWS."""
    keys = f"{variables}__CREDENTIALS__AWS_ACCESS_KEY_ID and …AWS_SECRET_ACCESS_KEY"
    return f"Set {keys}, or {_STANDARD}."


def code(error: Exception) -> str:
    """S3's own word for an error, or the name of the client's."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", ""))
    return type(error).__name__


_KMS = (
    "its objects are encrypted with a KMS key that these credentials may not use. Allow "
    "kms:Decrypt on that key, in its key policy or in the role's policy, and see that the key is "
    "enabled"
)
_REASONS = {
    "InvalidObjectState": "the object is in an archive (Glacier) and cannot be read. Restore it "
    "(aws s3api restore-object), and exempt the export's prefix from the lifecycle rule that "
    "archives it",
    "NoSuchBucket": "there is no such bucket. Correct {variables}__BUCKET_URL",
    "AccessDenied": "access denied. The key needs s3:ListBucket on the bucket and s3:GetObject on "
    "its objects",
    "403": "access denied. The key needs s3:ListBucket on the bucket and s3:GetObject on its "
    "objects",
    "InvalidAccessKeyId": "the access key is unknown. {fix}",
    "SignatureDoesNotMatch": "the secret key does not match the access key. {fix}",
    "ExpiredToken": "the session token has expired. Log in again",
    "InvalidToken": "the session token is not valid. {fix}",
    "PermanentRedirect": "the bucket is in another region. Set "
    "{variables}__CREDENTIALS__REGION_NAME to the bucket's region",
    "AuthorizationHeaderMalformed": "the bucket is in another region. Set "
    "{variables}__CREDENTIALS__REGION_NAME to the bucket's region",
}


def explain(error: Exception, bucket: str, where: str, variables: str) -> UserError:
    """The error as a UserError: a ConfigurationError where no partition could succeed."""
    word = code(error)
    place = where if where.startswith("s3://") else f"s3://{bucket}: {where}"
    if isinstance(error, ParamValidationError):
        return ConfigurationError(
            f"s3://{bucket} is not a valid bucket name. Write {variables}__BUCKET_URL as "
            "s3://bucket/prefix."
        )
    if isinstance(error, NoCredentialsError):
        return ConfigurationError(f"{place}: no AWS credentials. {credentials_fix(variables)}")
    if isinstance(error, EndpointConnectionError | ConnectTimeoutError):
        return UserError(
            f"{place}: cannot connect to the S3 endpoint. Check the network, the region and "
            f"{variables}__CREDENTIALS__ENDPOINT_URL."
        )
    if _is_kms(error, word):
        return UserError(f"{place}: {_KMS}.")
    if reason := _REASONS.get(word):
        reason = reason.format(variables=variables, fix=credentials_fix(variables))
        return UserError(f"{place}: {reason.rstrip('.')}.")
    if isinstance(error, HTTPClientError | RetriesExceededError):
        return PartitionError(
            f"{place}: the connection broke repeatedly ({type(error).__name__}). Run again."
        )
    return PartitionError(
        f"{place}: S3 answered {word} after several tries. Run again; if it keeps failing, see the "
        "provider's status page."
    )


def _is_kms(error: Exception, word: str) -> bool:
    """Whether it is the key that refuses: S3 says AccessDenied, and kms:Decrypt in its message."""
    message = (
        error.response.get("Error", {}).get("Message", "") if isinstance(error, ClientError) else ""
    )
    return word.startswith("KMS.") or "kms:" in str(message)
