"""Errors of the BigQuery REST API: a reason, its HTTP status and the text the service gives."""

from __future__ import annotations

from typing import Any

#: HTTP status, canonical status and usual text of each reason. Source: BigQuery's error table
#: (cloud.google.com/bigquery/docs/error-messages).
REASONS: dict[str, tuple[int, str, str]] = {
    "accessDenied": (
        403,
        "PERMISSION_DENIED",
        "Access Denied: User does not have the permission, or the resource does not exist.",
    ),
    "authError": (
        401,
        "UNAUTHENTICATED",
        "Request had invalid authentication credentials. Expected OAuth 2 access token, login "
        "cookie or other valid authentication credential.",
    ),
    "backendError": (503, "UNAVAILABLE", "Error encountered during execution. Retrying may help."),
    "bytesBilledLimitExceeded": (400, "FAILED_PRECONDITION", "Query exceeded limit for bytes."),
    "duplicate": (409, "ALREADY_EXISTS", "Already Exists"),
    "internalError": (500, "INTERNAL", "An internal error occurred and the request failed."),
    "invalid": (400, "INVALID_ARGUMENT", "Invalid value"),
    "invalidQuery": (400, "INVALID_ARGUMENT", "Invalid query"),
    "notFound": (404, "NOT_FOUND", "Not found"),
    "quotaExceeded": (
        403,
        "PERMISSION_DENIED",
        "Quota exceeded: Your project exceeded quota for free query bytes scanned.",
    ),
    "rateLimitExceeded": (
        403,
        "PERMISSION_DENIED",
        "Exceeded rate limits: too many api requests per user per method for this user_method.",
    ),
    "stopped": (499, "CANCELLED", "Job execution was cancelled: User requested cancellation"),
}


class ApiError(Exception):
    """An answer that is an error. `status` and `message` default to those of the reason."""

    def __init__(self, reason: str, message: str = "", *, status: int = 0) -> None:
        usual = REASONS.get(reason, (400, "UNKNOWN", reason))
        self.reason = reason
        self.message = message or usual[2]
        self.status = status or usual[0]
        super().__init__(f"{self.status} {self.reason}: {self.message}")

    @property
    def proto(self) -> dict[str, str]:
        """The error as a job's status shows it (ErrorProto)."""
        place = {"location": "query"} if self.reason == "invalidQuery" else {}
        return {"reason": self.reason, **place, "message": self.message}

    @property
    def body(self) -> dict[str, Any]:
        """The error as the body of an HTTP answer."""
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.reason == "invalidQuery":
            detail |= {"location": "q", "locationType": "parameter"}
        usual = REASONS.get(self.reason)
        state = {"status": usual[1]} if usual and usual[0] == self.status else {}
        return {
            "error": {
                "code": self.status,
                "message": self.message,
                "errors": [detail],
                **state,
            }
        }


def unsupported(what: str) -> ApiError:
    """SQL that BigQuery may know and the sandbox does not."""
    return ApiError("invalidQuery", f"Not supported by this sandbox: {what}")
