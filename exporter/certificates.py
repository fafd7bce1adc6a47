"""Which certificates are a deployment's, and for which names they hold: for the collectors that look at them.

A certificate that certbot imports is no stack's. It is the deployment's if a listener of its load balancers serves it,
if a parameter of its stacks names it, or if it holds for the deployment's domain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from .aws import Aws
from .deployment import Deployment
from .load_balancers import served

# All that there are: unless it is asked for others, ACM lists RSA_1024 and RSA_2048 only.
# Source: ACM API Reference, Filters.keyTypes
KEY_TYPES = (
    *("RSA_1024", "RSA_2048", "RSA_3072", "RSA_4096"),
    *("EC_prime256v1", "EC_secp384r1", "EC_secp521r1"),
)

# Parameters of 3-2-load-balancer-rules and of 5-8a-certs-le, the latter in both spellings that it had.
_PARAMETERS = ("TLSCertificateARN", "ExistingCertARN", "ExistingCertArn")
_HOST_NAME = re.compile(r"[a-z0-9-]+(\.[a-z0-9-]+)+")

Raw = Mapping[str, Any]


async def certificates(aws: Aws) -> dict[str, Any]:
    """Every certificate of the account and region, whatever its key and status (ACM ListCertificates)."""
    return await aws.read("acm", "ListCertificates", Includes={"keyTypes": list(KEY_TYPES)})


def owned(answer: Raw, deployment: Deployment) -> list[Raw]:
    """The deployment's certificates, from an answer's part "certificates" and those of ``load_balancers.reads``.

    One that holds only for names below the deployment's domain is not among them: staging may be there.
    """
    known, wanted = _known(answer, deployment), domains(answer, deployment)
    return [each for each in _listed(answer) if each in known or wanted & {_domain(name) for name in _names(each)}]


def domains(answer: Raw, deployment: Deployment) -> set[str]:
    """The deployment's domains: as the parameters of its stacks say, else of the certificates known to be its own.

    Those tell less: one for a whole company, *.acme.example, can serve a deployment that is a single name of it.
    """
    given = {stack.parameters.get("ClusterIDAddressTemplate", "").lower() for stack in deployment.stacks}
    found = {each.get("DomainName", "").lower() for each in _known(answer, deployment)}
    return set(filter(_HOST_NAME.fullmatch, given)) or set(filter(_HOST_NAME.fullmatch, found))


def is_wildcard(certificate: Raw) -> bool | None:
    """Whether it holds for every name directly below its domain; None where AWS does not tell all its names."""
    if f"*.{_domain(certificate['DomainName'])}" in _names(certificate):
        return True
    told = "SubjectAlternativeNameSummaries" in certificate
    return False if told and certificate.get("HasAdditionalSubjectAlternativeNames") is False else None


def _listed(answer: Raw) -> list[Raw]:
    found: list[Raw] = answer.get("certificates", {}).get("CertificateSummaryList", [])
    return found


def _known(answer: Raw, deployment: Deployment) -> list[Raw]:
    """The certificates that listeners serve or that stacks name."""
    arns = set(served(answer, deployment) or ())
    for stack in deployment.stacks:
        arns |= {values[key] for values in (stack.parameters, stack.outputs) for key in _PARAMETERS if key in values}
    return [each for each in _listed(answer) if each.get("CertificateArn") in arns]


def _names(certificate: Raw) -> set[str]:
    """The names in ACM's summary of a certificate: its domain name and a hundred others at most."""
    names = [certificate.get("DomainName"), *certificate.get("SubjectAlternativeNameSummaries", ())]
    return {name.lower() for name in names if name}


def _domain(name: str) -> str:
    """A name without the star of a wildcard."""
    return name.lower().removeprefix("*.")
