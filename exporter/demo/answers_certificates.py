"""Certificate Manager and Route 53."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from exporter.demo.answers_load_balancer import ZONE_OF_NLBS, load_balancer
from exporter.demo.forms import Facts, aws, invented
from exporter.demo.inventory import View, World
from exporter.demo.request import AwsError, Handler, Request


def _certificates(world: World, request: Request) -> Iterator[tuple[View, Facts, bool, str]]:
    """Each certificate: its view, its facts, whether it is in use, its key algorithm."""
    for view in world.views(request):
        for item in view.all("acm"):
            imported = item.get("Type", "IMPORTED") == "IMPORTED"
            start = item.get("NotBefore") or view.now - timedelta(days=20)
            served = any(
                item["CertificateArn"] in (li.get("Certificates") or ()) for li in view.all("elbv2", "listeners")
            )
            facts = {
                "DomainName": view.facts.get("domain", f"{view.name}.example"),
                "Type": "IMPORTED",
                "Status": "ISSUED",
                "NotBefore": start,
                "NotAfter": start + timedelta(days=90),
                "CreatedAt": start,
                "ImportedAt" if imported else "IssuedAt": start,
                "RenewalEligibility": "INELIGIBLE" if imported else "ELIGIBLE",
                **{key: value for key, value in item.items() if value is not None},
            }
            facts.setdefault("SubjectAlternativeNames", [facts["DomainName"], f"*.{facts['DomainName']}"])
            yield view, facts, item.get("_inUse", served), item.get("KeyAlgorithm", "RSA_2048")


def search_certificates(world: World, request: Request) -> Facts:
    if request.parameters.get("FilterStatement"):
        raise AwsError("ValidationException", "The stand-in does not filter certificates")
    in_metadata = ("CreatedAt", "ImportedAt", "IssuedAt", "RenewalEligibility", "Status", "Type", "RenewalStatus")
    return {
        "Results": [
            {
                "CertificateArn": facts["CertificateArn"],
                "X509Attributes": {
                    "Subject": {"CommonName": facts["DomainName"]},
                    "SubjectAlternativeNames": [{"DnsName": name} for name in facts["SubjectAlternativeNames"]],
                    "KeyAlgorithm": key,
                    "NotBefore": facts["NotBefore"],
                    "NotAfter": facts["NotAfter"],
                },
                "CertificateMetadata": {
                    "AcmCertificateMetadata": {
                        **{member: facts[member] for member in in_metadata if member in facts},
                        "InUse": in_use,
                    }
                },
            }
            for _, facts, in_use, key in _certificates(world, request)
        ]
    }


def list_certificates(world: World, request: Request) -> Facts:
    """RSA_2048 alone unless Includes asks for other keys."""
    keys = (request.parameters.get("Includes") or {}).get("keyTypes") or ["RSA_2048"]
    statuses = request.parameters.get("CertificateStatuses")
    return {
        "CertificateSummaryList": [
            {
                **aws(facts, "SubjectAlternativeNames", "KeyAlgorithm"),
                "SubjectAlternativeNameSummaries": facts["SubjectAlternativeNames"],
                "HasAdditionalSubjectAlternativeNames": False,
                "KeyAlgorithm": key,
                "InUse": in_use,
            }
            for _, facts, in_use, key in _certificates(world, request)
            if key in keys and (not statuses or facts["Status"] in statuses)
        ]
    }


def describe_certificate(world: World, request: Request) -> Facts:
    wanted = request.parameters["CertificateArn"]
    for view, facts, in_use, key in _certificates(world, request):
        if facts["CertificateArn"] == wanted:
            balancer = load_balancer(view)
            users = [balancer["LoadBalancerArn"]] if balancer and in_use else []
            return {"Certificate": aws(facts, KeyAlgorithm=key, InUseBy=users, Subject=f"CN={facts['DomainName']}")}
    raise AwsError("ResourceNotFoundException", f"Could not find certificate {wanted}")


def _zones(world: World, request: Request) -> Iterator[tuple[View, str, str, bool]]:
    """Each hosted zone: its view, id, name and whether it is private."""
    for view in world.views(request, everywhere=True):
        listed = [r.id for r in view.resources if r.type == "AWS::Route53::HostedZone"]
        public = view.get("route53", "public_zone")
        if public:
            yield view, invented("Z0", view.name, public, digits=12).upper(), public, False
        for index, name in enumerate(view.get("route53", "private_zones") or ()):
            yield view, listed[index] if index < len(listed) else invented("Z0", name, digits=12).upper(), name, True


def list_hosted_zones(world: World, request: Request) -> Facts:
    return {
        "HostedZones": [
            {
                "Id": f"/hostedzone/{id_}",
                "Name": name,
                "CallerReference": invented("", id_, digits=32),
                "Config": {"PrivateZone": private},
                "ResourceRecordSetCount": 2 + (0 if private else len(view.all("route53", "records"))),
            }
            for view, id_, name, private in _zones(world, request)
        ],
        "Marker": request.parameters.get("Marker", ""),
        "IsTruncated": False,
        "MaxItems": "100",
    }


def list_resource_record_sets(world: World, request: Request) -> Facts:
    wanted = request.parameters["HostedZoneId"].rpartition("/")[2]
    for view, id_, name, private in _zones(world, request):
        if id_ == wanted:
            servers = [{"Value": f"ns-{n}.awsdns-0{n}.example."} for n in range(4)]
            records = [{"Name": name, "Type": "NS", "TTL": 172800, "ResourceRecords": servers}]
            for item in view.all("route53", "records") if not private else ():
                shown = {"Name": item["Name"].replace("*", "\\052", 1), "Type": item.get("Type", "A")}
                balancer = load_balancer(view)
                if item.get("AliasTarget") == "nlb" and balancer:
                    short = balancer["LoadBalancerArn"].split("/")[-2]
                    shown["AliasTarget"] = {
                        "HostedZoneId": ZONE_OF_NLBS,
                        "DNSName": f"{short}-{invented('', short, digits=16)}.elb.{view.region}.amazonaws.com.",
                        "EvaluateTargetHealth": item.get("EvaluateTargetHealth", True),
                    }
                else:
                    shown |= {"TTL": 300, "ResourceRecords": [{"Value": str(item.get("AliasTarget", "203.0.113.1"))}]}
                records.append(shown)
            records.sort(key=lambda record: (str(record["Name"]).split(".")[::-1], record["Type"]))
            return {"ResourceRecordSets": records, "IsTruncated": False, "MaxItems": "300"}
    raise AwsError("NoSuchHostedZone", f"No hosted zone found with ID: {wanted}", 404)


OPERATIONS: dict[tuple[str, str], Handler] = {
    ("acm", "SearchCertificates"): search_certificates,
    ("acm", "ListCertificates"): list_certificates,
    ("acm", "DescribeCertificate"): describe_certificate,
    ("route53", "ListHostedZones"): list_hosted_zones,
    ("route53", "ListResourceRecordSets"): list_resource_record_sets,
}
