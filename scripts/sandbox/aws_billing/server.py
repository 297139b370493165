"""AWS's billing APIs on loopback: Cost Explorer with pages, Invoicing, STS's caller identity.

Requests are AWS's own JSON protocol, and boto3's clients find the server by AWS_ENDPOINT_URL_….
Of Cost Explorer: MONTHLY, grouped by SERVICE and RECORD_TYPE, start inclusive, end exclusive.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pipelines.core.months import after, between
from scripts.sandbox.http import Handler, LoopbackServer

ACCOUNT = "123456789012"
_IDENTITY = """<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/">
<GetCallerIdentityResult><Arn>arn:aws:iam::{0}:user/reader</Arn><UserId>AIDA</UserId>
<Account>{0}</Account></GetCallerIdentityResult></GetCallerIdentityResponse>"""


@dataclass(frozen=True)
class Total:
    """What Cost Explorer says of a service and record type in a month."""

    month: str
    service: str
    record_type: str
    unblended: str
    net_amortized: str
    net_unblended: str = ""  # as unblended


@dataclass(frozen=True)
class Invoice:
    """What the Invoicing API says of an invoice."""

    month: str
    number: str
    before_tax: str
    after_tax: str
    entity: str = "Amazon Web Services EMEA SARL"


class AwsBillingServer(LoopbackServer):
    """A server in a thread of its own. `denied` are actions that the caller has no right to;
    `asked` are the actions that came, in order; of `estimated` months AWS is not sure yet.
    """

    def __init__(
        self,
        totals: Iterable[Total] = (),
        invoices: Iterable[Invoice] = (),
        page: int = 5_000,
        account: str = ACCOUNT,
        port: int = 0,
    ) -> None:
        self.totals, self.invoices = list(totals), list(invoices)
        self.page, self.account = page, account
        self.estimated: set[str] = set()
        self.denied: set[str] = set()
        self.asked: list[str] = []
        super().__init__(_Handler, port)

    @property
    def environ(self) -> dict[str, str]:
        """The variables by which the commands find it, with a key of nobody."""
        names = ("COST_EXPLORER", "INVOICING", "STS")
        return {f"AWS_ENDPOINT_URL_{name}": self.address for name in names} | {
            "AWS_ACCESS_KEY_ID": "AKIANOBODY",
            "AWS_SECRET_ACCESS_KEY": "secretOfNobody",
        }

    def answer(self, action: str, request: Mapping[str, Any]) -> tuple[int, Any]:
        """Status and document of one request."""
        self.asked.append(action)
        if action in self.denied:
            return 400, {"__type": "AccessDeniedException", "message": "not authorized"}
        if action == "GetCostAndUsage":
            return self._cost_and_usage(request)
        if action == "ListInvoiceSummaries":
            return 200, {"InvoiceSummaries": [*map(self._summary, self._of(request))]}
        return 400, {"__type": "ValidationException", "message": action}

    def _cost_and_usage(self, request: Mapping[str, Any]) -> tuple[int, Any]:
        keys = [each["Key"] for each in request.get("GroupBy", ())]
        if keys != ["SERVICE", "RECORD_TYPE"] or request["Granularity"] != "MONTHLY":
            return 400, {"__type": "ValidationException", "message": "not of this stand-in"}
        first, end = (request["TimePeriod"][name][:7] for name in ("Start", "End"))
        found = sorted(
            (each for each in self.totals if first <= each.month < end), key=lambda t: t.month
        )
        at = int(request.get("NextPageToken") or 0)
        page = found[at : at + self.page]
        more = {"NextPageToken": str(at + self.page)} if at + self.page < len(found) else {}
        named = {each.month for each in page}
        if not more:  # a month without cost is a result, too
            named |= {*between(first, after(end, -1))} - {each.month for each in found}
        results = [
            self._result(month, [each for each in page if each.month == month])
            for month in sorted(named)
        ]
        return 200, {"ResultsByTime": results, "DimensionValueAttributes": [], **more}

    def _result(self, month: str, totals: list[Total]) -> dict[str, Any]:
        year, number = int(month[:4]), int(month[5:])
        end = f"{year + number // 12}-{number % 12 + 1:02d}-01"
        groups = [
            {
                "Keys": [each.service, each.record_type],
                "Metrics": {
                    "UnblendedCost": {"Amount": each.unblended, "Unit": "USD"},
                    "NetUnblendedCost": {
                        "Amount": each.net_unblended or each.unblended,
                        "Unit": "USD",
                    },
                    "NetAmortizedCost": {"Amount": each.net_amortized, "Unit": "USD"},
                },
            }
            for each in totals
        ]
        period = {"Start": f"{month}-01", "End": end}
        is_estimated = month in self.estimated
        return {"TimePeriod": period, "Total": {}, "Groups": groups, "Estimated": is_estimated}

    def _of(self, request: Mapping[str, Any]) -> list[Invoice]:
        period = request["Filter"]["BillingPeriod"]
        month = f"{period['Year']}-{period['Month']:02d}"
        return [each for each in self.invoices if each.month == month]

    def _summary(self, invoice: Invoice) -> dict[str, Any]:
        year, number = int(invoice.month[:4]), int(invoice.month[5:])
        return {
            "AccountId": self.account,
            "InvoiceId": invoice.number,
            "IssuedDate": 1793750400,
            "Entity": {"InvoicingEntity": invoice.entity, "BillingEntity": "AWS"},
            "BillingPeriod": {"Month": number, "Year": year},
            "InvoiceType": "INVOICE",
            "BaseCurrencyAmount": {
                "TotalAmount": invoice.after_tax,
                "TotalAmountBeforeTax": invoice.before_tax,
                "CurrencyCode": "USD",
            },
        }


class _Handler(Handler[AwsBillingServer]):
    methods = ("POST",)

    def serve(self) -> None:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        target = self.headers.get("X-Amz-Target", "")
        if not target:
            identity = _IDENTITY.format(self.owner.account).encode()
            self.owner.asked.append("GetCallerIdentity")
            self.send(200, identity, {"Content-Type": "text/xml"})
            return
        status, document = self.owner.answer(target.rpartition(".")[2], json.loads(body))
        self.send(
            status, json.dumps(document).encode(), {"Content-Type": "application/x-amz-json-1.1"}
        )
