"""What ACM leaves out of a listing, whose a certificate is that no stack made, and how Route 53 writes names."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed
from hypothesis import given
from hypothesis import strategies as st

from exporter.answer import Answer
from exporter.certificates import KEY_TYPES, domains
from exporter.collectors.certificates import COLLECTOR, plain, samples, zones_of
from exporter.demo.server import Standin
from exporter.deployment import Deployment
from exporter.load_balancers import BALANCER

Series = Callable[[Any], dict[str, float]]
PREFIX = "tts_aws_acm_certificate_"
ACM = "arn:aws:acm:eu-west-1:111122223333:certificate"
NLB = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/acme-prod-eu1/0123"
SERVICES = ("acm", "elbv2", "route53", "cloudformation", "resourcegroupstaggingapi")
ENDS = datetime(2027, 1, 26, tzinfo=UTC)


def certificate(id_: str, domain: str = "lora.acme.example", *others: str, **more: Any) -> dict[str, Any]:
    """ACM's summary of a certificate that certbot imported."""
    return {
        "CertificateArn": f"{ACM}/{id_}",
        "DomainName": domain,
        "SubjectAlternativeNameSummaries": [domain, *others],
        "HasAdditionalSubjectAlternativeNames": False,
        "Status": "ISSUED",
        "Type": "IMPORTED",
        "InUse": False,
        "RenewalEligibility": "INELIGIBLE",
        "NotAfter": ENDS,
        **more,
    }


def listener(port: int, id_: str = "", protocol: str = "TLS") -> dict[str, Any]:
    served = {"Certificates": [{"CertificateArn": f"{ACM}/{id_}"}]} if id_ else {}
    return {"LoadBalancerArn": NLB, "Port": port, "Protocol": protocol, **served}


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One load balancer; no parameter of a stack names a certificate or a domain."""
    return replace(deployment, owned={BALANCER: {NLB: "acme-prod-eu1-1-1-vpc"}})


def told(deployment: Deployment, template: str, **parameters: str) -> Deployment:
    """The deployment with parameters of one of its stacks."""
    stacks = [replace(each, parameters=parameters) if each.template == template else each for each in deployment.stacks]
    return replace(deployment, stacks=tuple(stacks))


def answer_of(
    certificates: Iterable[dict[str, Any]], listeners: Iterable[dict[str, Any]] | None = (), **parts: Any
) -> Answer:
    """An answer with one load balancer; its listeners are unknown where they are None."""
    answer = Answer()
    balancer = {"LoadBalancerArn": NLB, "DNSName": "acme-prod-eu1-0123.elb.eu-west-1.amazonaws.com"}
    answer["balancers"] = {"LoadBalancers": [balancer]}
    answer["listeners"] = {} if listeners is None else {NLB: {"Listeners": list(listeners)}}
    answer["certificates"] = {"CertificateSummaryList": list(certificates)}
    answer.update(parts)
    return answer


@pytest.fixture
def served(deployment: Deployment, series: Series) -> Callable[..., dict[str, float]]:
    """What is served of a certificate's gauges, as gauge and last part of the ARN."""

    def serve(answer: Answer, of: Deployment | None = None) -> dict[str, float]:
        found = [
            (name.removeprefix(PREFIX), value) for name, value in series(samples(answer, of or deployment)).items()
        ]
        parts = [
            (name.partition("{")[0], name.partition("certificate/")[2].partition('"')[0], value)
            for name, value in found
        ]
        return {f"{gauge} {id_}": value for gauge, id_, value in parts}

    return serve


Served = Callable[..., dict[str, float]]


def test_duplicate_that_nothing_serves(served: Served) -> None:
    """A second certificate for the domain of a served one is the deployment's, with 0 listeners."""
    found = served(answer_of([certificate("old"), certificate("new")], [listener(443, "old"), listener(8883, "old")]))

    assert found["listeners old"] == 2
    assert found["listeners new"] == 0
    assert found["in_use new"] == 0


def test_certificates_of_others(served: Served) -> None:
    """Neither what holds below the domain, nor for all names beside it, nor for one that ends alike is ours."""
    others = ("staging.lora.acme.example", "*.acme.example", "notlora.acme.example", "acme.example")
    listed = [certificate("ours"), *(certificate(name, name) for name in others)]

    found = served(answer_of(listed, [listener(443, "ours")]))

    assert {name.partition(" ")[2] for name in found} == {"ours"}


@pytest.mark.parametrize("names", [["LORA.acme.example"], ["*.lora.acme.example"], ["x.example", "lora.acme.example"]])
def test_same_domain_written_otherwise(served: Served, names: list[str]) -> None:
    """A domain is the same in capitals, behind a star, or as another name of a certificate."""
    found = served(answer_of([certificate("ours"), certificate("same", *names)], [listener(443, "ours")]))

    assert found["listeners same"] == 0


@pytest.mark.parametrize("parameter", ["TLSCertificateARN", "ExistingCertARN", "ExistingCertArn"])
def test_named_by_a_stack(served: Served, deployment: Deployment, parameter: str) -> None:
    """A certificate that a stack's parameter names is the deployment's before any listener serves it."""
    given = told(deployment, "5-7-ecs-proxy", **{parameter: f"{ACM}/a"})

    found = served(answer_of([certificate("a"), certificate("b", "b.example")]), given)

    assert {name.partition(" ")[2] for name in found} == {"a"}


def test_named_by_nothing(served: Served) -> None:
    """Without listener, parameter and domain no certificate is the deployment's."""
    assert served(answer_of([certificate("a")])) == {}


@pytest.mark.parametrize(
    ("template", "ours"),
    [("lora.acme.example", True), ("Lora.Acme.Example", True), ("", False), ("{{.ID}}.lora.acme.example", False)],
)
def test_domain_of_the_configuration(served: Served, deployment: Deployment, template: str, *, ours: bool) -> None:
    """The address of the cluster in its configuration is a domain of the deployment, unless it has placeholders."""
    given = told(deployment, "5-4-ecs-services", ClusterIDAddressTemplate=template)

    answer = answer_of([certificate("a")])

    assert bool(served(answer, given)) == ours
    assert domains(answer, given) == ({"lora.acme.example"} if ours else set())


@pytest.mark.parametrize("names", [["*.acme.example"], ["*.acme.example", "acme.example"]])
def test_wildcard_of_the_company(served: Served, deployment: Deployment, names: list[str]) -> None:
    """A certificate for all of a company that a listener serves is the deployment's, the company's others are not."""
    others = [certificate(name, name) for name in ("acme.example", "shop.acme.example", "*.acme.example")]
    answer = answer_of([certificate("ours", *names), *others], [listener(443, "ours")])

    assert domains(answer, deployment) == set()
    assert {name.partition(" ")[2] for name in served(answer)} == {"ours"}


def test_domain_that_is_configured_wins(served: Served, deployment: Deployment) -> None:
    """Where the configuration tells the domain, that of a certificate that is served is none, whatever it holds for."""
    company = certificate("ours", "acme.example", "*.acme.example")
    listed = [company, certificate("shop", "acme.example"), certificate("renewed", "lora.acme.example")]
    given = told(deployment, "5-4-ecs-services", ClusterIDAddressTemplate="lora.acme.example")
    answer = answer_of(listed, [listener(443, "ours")])

    assert domains(answer, given) == {"lora.acme.example"}
    assert {name.partition(" ")[2] for name in served(answer, given)} == {"ours", "renewed"}


def test_unknown_listeners(served: Served, deployment: Deployment) -> None:
    """Where a load balancer's listeners could not be read, by how many a certificate is served is unknown, not 0."""
    given = told(deployment, "5-7-ecs-proxy", TLSCertificateARN=f"{ACM}/a")
    gone = answer_of([certificate("a")])
    gone["listeners"] = {NLB: {}}

    assert "listeners a" not in served(answer_of([certificate("a")], None), given)
    assert "listeners a" not in served(gone, given)
    assert "listeners a" not in served(answer_of([certificate("a")], [listener(443)]), given)
    assert served(answer_of([certificate("a")], [listener(443, protocol="TCP")]), given)["listeners a"] == 0


def test_wildcard(served: Served) -> None:
    """A wildcard is one of the certificate's own domain, by either name; of more than 100 names it may be unknown."""
    more: dict[str, Any] = {"HasAdditionalSubjectAlternativeNames": True}
    listed = [
        certificate("without"),
        certificate("with", "lora.acme.example", "*.lora.acme.example"),
        certificate("star", "*.lora.acme.example", "lora.acme.example"),
        certificate("other", "lora.acme.example", "*.noc.lora.acme.example"),
        certificate("many", **more),
        certificate("found", "lora.acme.example", "*.lora.acme.example", **more),
    ]

    found = served(answer_of(listed, [listener(443, "with")]))

    values = {name.partition(" ")[2]: value for name, value in found.items() if name.startswith("wildcard")}
    assert values == {"without": 0, "with": 1, "star": 1, "other": 0, "found": 1}


def test_states(served: Served) -> None:
    """What is pending has no end, what is expired is still listed; neither is issued."""
    pending = certificate("pending", Status="PENDING_VALIDATION", Type="AMAZON_ISSUED")
    del pending["NotAfter"], pending["RenewalEligibility"], pending["InUse"]
    listed = [certificate("served", RenewalEligibility="ELIGIBLE"), pending, certificate("expired", Status="EXPIRED")]

    found = served(answer_of(listed, [listener(443, "served")]))

    assert {name: value for name, value in found.items() if name.endswith("pending")} == {
        "info pending": 1,
        "issued pending": 0,
        "listeners pending": 0,
        "wildcard pending": 0,
    }
    assert found["issued expired"] == 0
    assert found["expiry_timestamp_seconds expired"] == ENDS.timestamp()
    assert found["renewal_eligible served"] == 1
    assert found["renewal_eligible expired"] == 0


def record(name: str, type_: str = "A", *, looks: bool = True, at: str = "") -> dict[str, Any]:
    at = at or "dualstack.Acme-prod-eu1-0123.elb.eu-west-1.amazonaws.com."
    return {
        "Name": name,
        "Type": type_,
        "AliasTarget": {"HostedZoneId": "Z2", "DNSName": at, "EvaluateTargetHealth": looks},
    }


def test_aliases(deployment: Deployment, series: Series) -> None:
    """Aliases of the deployment's load balancer are told by their plain name, whatever is written around it."""
    records = [
        record("lora.acme.example."),
        record("\\052.lora.acme.example.", looks=False),
        record("both.lora.acme.example.", looks=False),
        record("both.lora.acme.example.", "AAAA"),
        record("other.lora.acme.example.", at="other-0123.elb.eu-west-1.amazonaws.com."),
        {"Name": "cname.lora.acme.example.", "Type": "CNAME", "TTL": 60, "ResourceRecords": [{"Value": "x"}]},
    ]
    answer = answer_of([], records={("Z1", "lora.acme.example"): {"ResourceRecordSets": records}, ("Z2", "x"): {}})

    assert series(samples(answer, deployment)) == {
        'tts_aws_dns_alias_evaluates_target_health{record="lora.acme.example"}': 1,
        'tts_aws_dns_alias_evaluates_target_health{record="*.lora.acme.example"}': 0,
        'tts_aws_dns_alias_evaluates_target_health{record="both.lora.acme.example"}': 0,
    }


@given(st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="\\."), min_size=1))
def test_names_of_records(label: str) -> None:
    """A name is read as it was meant, whichever of its characters Route 53 writes in octal."""
    written = "".join(each if each.isalnum() else f"\\{ord(each):03o}" for each in label)

    assert plain(f"{written}.example.") == f"{label}.example".lower()


def zone(name: str, *, private: bool = False) -> dict[str, Any]:
    return {"Id": f"/hostedzone/{name}", "Name": name, "Config": {"PrivateZone": private}}


def test_zones() -> None:
    """A domain is looked up where it is answered: in the public zone of the longest name that it ends with."""
    zones = [zone("example."), zone("acme.example."), zone("me.example."), zone("lora.acme.example.", private=True)]

    assert zones_of("lora.acme.example", zones) == ["acme.example."]
    assert zones_of("acme.example", zones) == ["acme.example."]
    assert zones_of("acme.example", [zone("me.example."), zone("acme.test.")]) == []


def asked(standin: Standin, operation: str) -> int:
    return sum(count for (_, _, _, name, _), count in standin.calls.items() if name == operation)


def fetched(
    clock: FrozenClock, change: Callable[[Deployment], Deployment] = lambda each: each
) -> tuple[Answer, list[str]]:
    """The stand-in's answer for the production example, and the reasons of the failures."""

    async def fetch() -> tuple[Answer, list[str]]:
        async with account(clock, services=SERVICES) as reads:
            [deployment] = [change(each) for each in await surveyed(reads)]
            aws = attempt(reads, COLLECTOR.interval)
            return await COLLECTOR.fetch(aws, deployment), [failure.reason for failure in aws.failures]

    return asyncio.run(fetch())


def test_every_kind_of_key(standin: Standin, clock: FrozenClock) -> None:
    """ACM lists RSA of up to 2,048 bits only, unless it is asked for the others, such as certbot's ECDSA."""
    for number, key in enumerate(KEY_TYPES, start=1):
        standin.world.change(f"deployments/acme-prod-eu1/acm/{number}", certificate(key) | {"KeyAlgorithm": key})

    answer, _ = fetched(clock)

    listed = answer["certificates"]["CertificateSummaryList"]
    assert {each["KeyAlgorithm"] for each in listed} == set(KEY_TYPES)
    assert len(KEY_TYPES) == 7


def test_zone_with_another_domain_in_front(standin: Standin, clock: FrozenClock) -> None:
    """In a zone that holds other names too, the records of the domain are found, by one call."""
    standin.world.change("deployments/acme-prod-eu1/route53/public_zone", "example.")
    records = [{"Name": f"a{number:03}.example.", "Type": "A"} for number in range(301)]
    ours = {"Name": "lora.acme.example.", "Type": "A", "AliasTarget": "nlb"}
    behind = [{"Name": f"z{number:03}.example.", "Type": "A"} for number in range(301)]
    standin.world.change("deployments/acme-prod-eu1/route53/records", [*records, ours, *behind])

    answer, failures = fetched(clock)

    [part] = answer["records"].values()
    assert failures == []
    assert "lora.acme.example." in {each["Name"] for each in part["ResourceRecordSets"]}
    assert asked(standin, "ListResourceRecordSets") == 1


def test_zone_that_was_deleted(standin: Standin, clock: FrozenClock) -> None:
    """A zone that is deleted between listing and looking has no records, which is no failure."""
    standin.faults.add(kind="error", code="NoSuchHostedZone", status=404, operation="ListResourceRecordSets")

    answer, failures = fetched(clock)

    assert failures == []
    assert list(answer["records"].values()) == [{}]


def test_no_load_balancer(standin: Standin, clock: FrozenClock) -> None:
    """Where no load balancer is, no zone is searched for names that lead to it."""
    answer, failures = fetched(clock, lambda deployment: replace(deployment, owned={}, tagged={}))

    assert failures == []
    assert answer["records"] == {}
    assert asked(standin, "ListHostedZones") == 0
