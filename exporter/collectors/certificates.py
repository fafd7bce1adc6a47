"""Certificates: which are about to end, which of them is served, and do the names lead to the load balancer safely?

Practice: BP-59 (certbot renews), BP-60 (the right one, not near its end), BP-61 (wildcard, and aliases that look
whether the load balancer is healthy).
Cost: 1; an hour 1 and 1 a domain of the deployment. Load balancers and listeners are shared with load_balancer.
API: https://docs.aws.amazon.com/acm/latest/APIReference/API_CertificateSummary.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ..answer import Answer
from ..aws import Aws
from ..certificates import certificates, domains, is_wildcard, owned
from ..collector import Collector
from ..deployment import Deployment
from ..load_balancers import balancers, reads, served
from ..metrics import Family, Malformed, Sample, each

CERTIFICATE = ("certificate", "domain")

INFO = Family(
    "tts_aws_acm_certificate_info",
    "A certificate of the deployment; IMPORTED ones AWS does not renew (ACM CertificateSummary.Type).",
    (*CERTIFICATE, "type"),
)
EXPIRY = Family(
    "tts_aws_acm_certificate_expiry_timestamp_seconds", "When it ends (ACM CertificateSummary.NotAfter).",
    CERTIFICATE, "time",
)  # fmt: skip
ISSUED = Family(
    "tts_aws_acm_certificate_issued",
    "It is there and valid, not pending, expired or revoked (ACM CertificateSummary.Status).",
    CERTIFICATE,
    "flag",
)
IN_USE = Family(
    "tts_aws_acm_certificate_in_use", "Anything in AWS uses it (ACM CertificateSummary.InUse).", CERTIFICATE, "flag"
)
LISTENERS = Family(
    "tts_aws_acm_certificate_listeners",
    "Listeners of the deployment that serve it by default (Elastic Load Balancing Listener.Certificates).",
    CERTIFICATE,
)
WILDCARD = Family(
    "tts_aws_acm_certificate_wildcard",
    "It holds for every name below its domain (ACM CertificateSummary.SubjectAlternativeNameSummaries).",
    CERTIFICATE,
    "flag",
)
RENEWAL = Family(
    "tts_aws_acm_certificate_renewal_eligible",
    "AWS would renew it (ACM CertificateSummary.RenewalEligibility).",
    CERTIFICATE,
    "flag",
)
ALIAS = Family(
    "tts_aws_dns_alias_evaluates_target_health",
    "The record leads to the load balancer only while that is healthy (Route 53 AliasTarget.EvaluateTargetHealth).",
    ("record",),
    "flag",
)

ACTIONS = (
    "acm:ListCertificates",
    *("elasticloadbalancing:DescribeLoadBalancers", "elasticloadbalancing:DescribeListeners"),
    *("route53:ListHostedZones", "route53:ListResourceRecordSets"),
)

HOUR = 3_600

Raw = Mapping[str, Any]


async def fetch(aws: Aws, deployment: Deployment) -> Answer:
    return await aws.gather(
        {**reads(aws, deployment), "certificates": certificates(aws), "records": records(aws, deployment)}
    )


async def records(aws: Aws, deployment: Deployment) -> Answer:
    """By zone and domain: the first 300 records at and below each domain of the deployment, in public zones."""
    answer = await aws.gather({**reads(aws, deployment), "certificates": certificates(aws)})
    found = domains(answer, deployment)
    if not found or not balancers(answer, deployment):
        return Answer()
    listed = await aws.read("route53", "ListHostedZones", max_age=HOUR)
    wanted = {(zone, domain) for domain in found for zone in zones_of(domain, listed["HostedZones"])}
    gone = ("NoSuchHostedZone",)
    # A zone lists what is below a name right behind it, so that however many others it holds need not be read.
    return await aws.gather(
        {
            (zone, domain): aws.read(
                "route53", "ListResourceRecordSets", HostedZoneId=zone, StartRecordName=f"{domain}.",
                pages=1, max_age=HOUR, absent=gone,
            )
            for zone, domain in sorted(wanted)
        }
    )  # fmt: skip


def zones_of(domain: str, zones: Iterable[Raw]) -> list[str]:
    """The ids of the public zones that answer for a domain: those of the longest name, the others delegate to it."""
    fits = [zone for zone in zones if not zone["Config"]["PrivateZone"] and f".{domain}.".endswith(f".{zone['Name']}")]
    longest = max((len(zone["Name"]) for zone in fits), default=0)
    return [zone["Id"].rpartition("/")[2] for zone in fits if len(zone["Name"]) == longest]


def samples(answer: Answer, deployment: Deployment) -> Iterator[Sample | Malformed]:
    counts = served(answer, deployment)

    def of_certificate(certificate: Raw) -> Iterator[Sample]:
        labels = {"certificate": certificate["CertificateArn"], "domain": certificate["DomainName"]}
        yield INFO.sample(1, **labels, type=certificate["Type"])
        yield ISSUED.sample(certificate["Status"] == "ISSUED", **labels)
        renewal = certificate.get("RenewalEligibility")
        for family, value in (
            (EXPIRY, certificate.get("NotAfter")),  # has none before it is issued
            (IN_USE, certificate.get("InUse")),
            (LISTENERS, None if counts is None else counts[certificate["CertificateArn"]]),
            (WILDCARD, is_wildcard(certificate)),
            (RENEWAL, None if renewal is None else renewal == "ELIGIBLE"),
        ):
            if value is not None:
                yield family.sample(value, **labels)

    yield from each(owned(answer, deployment), of_certificate)
    by_name: dict[str, list[Raw]] = {}
    for alias, name in aliases(answer, deployment):
        by_name.setdefault(name, []).append(alias)
    yield from each(by_name.items(), lambda named: alias_samples(*named))


def aliases(answer: Raw, deployment: Deployment) -> Iterator[tuple[Raw, str]]:
    """The aliases of the deployment's load balancers, each with its record's name."""
    targets = {plain(balancer["DNSName"]) for balancer in balancers(answer, deployment) if "DNSName" in balancer}
    for part in answer.get("records", {}).values():
        for record in part["ResourceRecordSets"] if part else ():
            alias = record.get("AliasTarget", {})
            # The console puts this in front, which leads to the same addresses.
            if plain(alias.get("DNSName", "")).removeprefix("dualstack.") in targets and "Name" in record:
                yield alias, plain(record["Name"])


def alias_samples(name: str, aliases: list[Raw]) -> Iterator[Sample]:
    # A name has a record for each kind of address, and more where answers are weighted: all must look.
    yield ALIAS.sample(all(alias["EvaluateTargetHealth"] for alias in aliases), record=name)


def plain(name: str) -> str:
    """A name as people write it: Route 53 ends it with a dot and writes \\052 for a star."""
    return re.sub(r"\\([0-3][0-7]{2})", lambda code: chr(int(code[1], 8)), name).lower().removesuffix(".")


COLLECTOR = Collector(
    name="certificates",
    interval=1_800,
    actions=ACTIONS,
    families=(INFO, EXPIRY, ISSUED, IN_USE, LISTENERS, WILDCARD, RENEWAL, ALIAS),
    fetch=fetch,
    samples=samples,
)
