"""Google's OAuth token endpoint on loopback: for a service account, and for a GitHub job.

The account's key is made here and its JSON has Google's form, so that google.oauth2 signs a real
JWT with it, which is verified before a token is given. A job's identity token, which GitHub's
endpoint gives to whoever has the job's request token, is exchanged as Google's Security Token
Service does it: signature, issuer and audience have to be right.
"""

from __future__ import annotations

import itertools
import time
from functools import cache
from typing import Any

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from google.auth import crypt, jwt

from scripts.sandbox.bigquery.errors import ApiError

EMAIL = "billing-reader@example-billing.iam.gserviceaccount.com"
#: What the client signs for, wherever its token_uri points.
AUDIENCE = "https://oauth2.googleapis.com/token"
GRANT = "urn:ietf:params:oauth:grant-type:jwt-bearer"
EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
#: A workload identity provider that trusts GitHub, and what lets a job ask GitHub for its token.
PROVIDER = "projects/1/locations/global/workloadIdentityPools/github/providers/nightly"
ISSUER = "https://token.actions.githubusercontent.com"
JOB_TOKEN = "sandbox-request-token-of-a-job"  # noqa: S105 (of a server on loopback)
_FORMAT = serialization.PrivateFormat.PKCS8


class TokenError(Exception):
    """The token endpoint's refusal, in OAuth's form."""

    def __init__(self, error: str, description: str) -> None:
        super().__init__(description)
        self.body = {"error": error, "error_description": description}


class Tokens:
    """Tokens that were given, and which of them still hold."""

    def __init__(self, url: str, project: str) -> None:
        self._url = url
        self._project = project
        self._key = _key()
        self._numbers = itertools.count(1)
        self._valid: set[str] = set()

    def service_account(self) -> dict[str, str]:
        """The key file of the one service account there is."""
        private = self._key.private_bytes(
            serialization.Encoding.PEM, _FORMAT, serialization.NoEncryption()
        )
        return {
            "type": "service_account",
            "project_id": self._project,
            "private_key_id": "0123456789abcdef0123456789abcdef01234567",
            "private_key": private.decode(),
            "client_email": EMAIL,
            "client_id": "100000000000000000001",
            "auth_uri": f"{self._url}/auth",
            "token_uri": f"{self._url}/token",
            "universe_domain": "googleapis.com",
        }

    def issue(self, form: dict[str, str]) -> dict[str, Any]:
        """A new access token for a signed assertion. Raises TokenError."""
        known = {GRANT: self._account, EXCHANGE: self._federated}
        grant = known.get(form.get("grant_type", ""))
        if grant is None:
            raise TokenError("unsupported_grant_type", "This grant is not known here.")
        grant(form)
        if "https://www.googleapis.com/auth/" not in form.get("scope", ""):
            raise TokenError("invalid_scope", "Empty or missing scope not allowed.")
        token = f"ya29.sandbox-{next(self._numbers)}"
        self._valid.add(token)
        # google-auth asks for nothing but these; of the exchange Google's answer names the kind too
        return {"access_token": token, "expires_in": 3599, "token_type": "Bearer"}

    def identity(self, audience: str, authorization: str | None) -> dict[str, str]:
        """GitHub's answer to a job that asks for its identity token."""
        if authorization != f"bearer {JOB_TOKEN}":
            raise ApiError("authError", "The job's request token is not this.")
        now = int(time.time())
        claims = {"iss": ISSUER, "aud": audience, "iat": now, "exp": now + 300,
                  "sub": "repo:acme/costs:ref:refs/heads/main"}  # fmt: skip
        key = self.service_account()
        signer = crypt.RSASigner.from_service_account_info(key)
        return {"value": jwt.encode(signer, claims).decode()}

    def _account(self, form: dict[str, str]) -> None:
        claims = self._claims(form.get("assertion", ""), AUDIENCE)
        if claims.get("iss") != EMAIL:
            raise TokenError("invalid_grant", "Invalid grant: account not found")
        form["scope"] = str(claims.get("scope", ""))

    def _federated(self, form: dict[str, str]) -> None:
        audience = f"//iam.googleapis.com/{PROVIDER}"
        if form.get("audience") != audience:
            raise TokenError("invalid_target", "The target service indicated by the audience …")
        claims = self._claims(form.get("subject_token", ""), audience)
        if claims.get("iss") != ISSUER:
            raise TokenError("invalid_grant", "The issuer in ID Token does not match the expected.")

    def _claims(self, token: str, audience: str) -> dict[str, Any]:
        public = self._key.public_key().public_bytes(
            serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
        )
        try:
            return dict(jwt.decode(token, certs=public, audience=audience))
        except ValueError as error:  # google-auth's errors are ValueErrors too
            raise TokenError("invalid_grant", f"Invalid JWT: {error}") from error

    def expire(self) -> None:
        """End every token that was given."""
        self._valid.clear()

    def check(self, header: str | None, *, anonymous: bool) -> None:
        """Raise ApiError authError unless this Authorization header is good."""
        if header is None and anonymous:
            return
        if (header or "").removeprefix("Bearer ") not in self._valid:
            raise ApiError("authError")


@cache
def _key() -> rsa.RSAPrivateKey:
    """One for the process: making it takes longer than all the rest of a server."""
    return rsa.generate_private_key(public_exponent=65537, key_size=2048)
