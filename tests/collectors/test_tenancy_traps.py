"""What tells that a network has tenants, what does not tell that it has none, and whose a secret is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed

from exporter.answer import Answer
from exporter.collectors.tenancy import COLLECTOR, samples
from exporter.config import DeploymentConfig, IdentityKeys
from exporter.demo.server import Standin
from exporter.deployment import Deployment, Stack
from exporter.ecs import Described
from exporter.metrics import Malformed
from exporter.survey import from_config

Series = Callable[[Any], dict[str, float]]
CLUSTER = "acme-prod-eu1"
STAGING = "arn:aws:iam::444455556666:role/tts-aws-exporter"
BALANCER = "arn:aws:elasticloadbalancing:eu-west-1:111122223333:loadbalancer/net/acme/1"
SERVED, UNUSED = "arn:aws:acm:eu-west-1:111122223333:certificate/1", "arn:aws:acm:eu-west-1:111122223333:certificate/2"
MULTI_TENANT = "tts_aws_tenancy_multi_tenant"
THEN = datetime(2026, 1, 15, 10, tzinfo=UTC)
VARIABLE = {"name": "TTN_LW_TENANCY_DEFAULT_ID", "value": "secret-tenant"}


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """One cluster and one load balancer."""
    owned = {
        "AWS::ECS::Cluster": {CLUSTER: "acme-prod-eu1-5-1-ecs-cluster"},
        "AWS::ElasticLoadBalancingV2::LoadBalancer": {BALANCER: "acme-prod-eu1-1-1-vpc"},
    }
    return replace(deployment, owned=owned)


def service(name: str = "is", status: str = "ACTIVE") -> dict[str, Any]:
    arn = f"arn:aws:ecs:eu-west-1:111122223333:service/{CLUSTER}/{name}"
    return {"serviceArn": arn, "serviceName": name, "status": status, "taskDefinition": f"{name}:1"}


def answered(*services: dict[str, Any], names: tuple[str, ...] = ("lora.acme.example",), **container: Any) -> Answer:
    """An answer in which everything was read: these services, the first with these fields in its container, and a
    served certificate for these names beside one with a wildcard that is not served."""
    answer = Answer()
    definitions = {
        each["taskDefinition"]: {"taskDefinition": {"containerDefinitions": [{"name": "ttes"} | container]}}
        for each in services
    }
    answer["services", CLUSTER] = (Described(list(services), [], complete=True), definitions)
    answer["balancers"] = {"LoadBalancers": [{"LoadBalancerArn": BALANCER}]}
    listener = {"Protocol": "TLS", "Certificates": [{"CertificateArn": SERVED}]}
    answer["listeners"] = {BALANCER: {"Listeners": [listener]}}
    answer["certificates"] = {
        "CertificateSummaryList": [
            {
                "CertificateArn": arn,
                "DomainName": held[0],
                "SubjectAlternativeNameSummaries": list(held),
                "HasAdditionalSubjectAlternativeNames": False,
            }
            for arn, held in ((SERVED, names), (UNUSED, ("other.example", "*.other.example")))
        ]
    }
    return answer


@pytest.fixture
def tenants(deployment: Deployment, series: Series) -> Callable[..., float | None]:
    """What is served of an answer as tenancy, None for no series; with stacks of these templates and parameters."""

    def ask(answer: Answer, *templates: str, configured: bool | None = None, **parameters: str) -> float | None:
        stacks = [Stack(f"acme-prod-eu1-{name}", name, parameters=parameters) for name in (*templates, "5-7-ecs-proxy")]
        given = replace(deployment, multi_tenant=configured, stacks=tuple(stacks))
        return series(samples(answer, given)).get(MULTI_TENANT)

    return ask


Tenants = Callable[..., float | None]


def test_nothing_tells(tenants: Tenants) -> None:
    """No variable, no billing and no wildcard are what a network with tenants can have too: nothing is known."""
    assert tenants(answered(service())) is None
    assert tenants(Answer()) is None


@pytest.mark.parametrize("configured", [False, True])
def test_configured(tenants: Tenants, configured: bool) -> None:
    """What is configured holds, against all evidence and without any answer."""
    assert tenants(Answer(), configured=configured) == configured
    assert tenants(answered(service(), environment=[VARIABLE]), configured=configured) == configured


@pytest.mark.parametrize("said", [None, False, True])
def test_configuration_reaches_the_deployment(said: bool | None) -> None:
    """A deployment is told what was configured of its tenancy, also that nothing was."""
    config = DeploymentConfig(network="acme", environment="prod", cluster="eu1", multi_tenant=said)

    assert from_config("111122223333", "eu-west-1", config, (), IdentityKeys()).multi_tenant is said


def test_variable_of_the_identity_server(tenants: Tenants) -> None:
    """The Identity Server's variable tells, set plainly or from a secret; an empty one is not set, nor is another's."""
    secret = {"name": VARIABLE["name"], "valueFrom": "arn:aws:ssm:eu-west-1:111122223333:parameter/acme"}

    assert tenants(answered(service(), environment=[VARIABLE])) == 1
    assert tenants(answered(service(), secrets=[secret])) == 1
    assert tenants(answered(service(), environment=[VARIABLE | {"value": ""}])) is None
    assert tenants(answered(service(), environment=[VARIABLE | {"name": "TTN_LW_TENANCY_TTL"}])) is None
    assert tenants(answered(service("gs"), environment=[VARIABLE])) is None
    assert tenants(answered(service(status="INACTIVE"), environment=[VARIABLE])) is None


def test_values_of_variables_stay_where_they_are(deployment: Deployment, series: Series) -> None:
    """What a variable is set to is nowhere in what is served."""
    answer = answered(service(), environment=[VARIABLE, {"name": "TTN_LW_CLUSTER_KEYS", "value": "0123456789abcdef"}])

    found = str(series(samples(answer, deployment)))

    assert "secret-tenant" not in found
    assert "0123456789abcdef" not in found


def test_tenant_billing_server(tenants: Tenants) -> None:
    """Who bills tenants has some, by the stack or by the service."""
    assert tenants(Answer(), "5-3c-ecs-tbs-service") == 1
    assert tenants(answered(service("tbs"))) == 1


def test_wildcard(tenants: Tenants) -> None:
    """A wildcard tells on a certificate that a listener serves; one that lies about does not."""
    assert tenants(answered(names=("lora.acme.example", "*.lora.acme.example"))) == 1
    assert tenants(answered(names=("lora.acme.example", "www.lora.acme.example"))) is None


@pytest.mark.parametrize("said", ["false", "true"])
def test_proxy_without_names_of_tenants(tenants: Tenants, said: str) -> None:
    """Whether the proxy answers to names of tenants tells nothing, neither alone nor against what tells of them."""
    parameter = {"EnableVirtualHostWithTenantSubdomain": said}

    assert tenants(answered(service()), **parameter) is None
    assert tenants(answered(service(), environment=[VARIABLE]), **parameter) == 1


@pytest.mark.parametrize("part", [("services", CLUSTER), "listeners", "certificates"])
def test_what_was_not_read_hides_nothing(tenants: Tenants, part: Any) -> None:
    """One sign of tenants is enough, whatever could not be read beside; no sign in what was read tells nothing."""
    found = answered(service(), names=("lora.acme.example", "*.lora.acme.example"), environment=[VARIABLE])
    nothing = answered(service())
    del found[part], nothing[part]

    assert tenants(found) == 1
    assert tenants(nothing) is None


def test_identity_server_of_which_only_the_name_is_known(tenants: Tenants) -> None:
    """A task definition that could not be read may have the variable."""
    answer = answered(service())
    answer["services", CLUSTER] = (answer["services", CLUSTER][0], {})

    assert tenants(answer) is None


def secret(name: str, stack: str = "", **fields: Any) -> dict[str, Any]:
    tags = [{"Key": "aws:cloudformation:stack-name", "Value": stack}] if stack else []
    arn = f"arn:aws:secretsmanager:eu-west-1:111122223333:secret:{name}-a1b2c3"
    return {"ARN": arn, "Name": name, "LastChangedDate": THEN, "Tags": tags} | fields


def secrets(deployment: Deployment, series: Series, *listed: dict[str, Any]) -> dict[str, float]:
    """What is served of secrets, without the common ends of the names."""
    answer = Answer()
    answer["secrets"] = {"SecretList": list(listed)}
    found = series(samples(answer, deployment))
    return {name.removeprefix("tts_aws_secret_").replace("_timestamp_seconds", ""): at for name, at in found.items()}


def test_whose_a_secret_is(deployment: Deployment, series: Series) -> None:
    """By the stack that made it or has it as an output, else by how the vendor's templates name secrets."""
    told = Stack("acme-prod-eu1-4-1-secrets", "4-1-secrets", outputs={"S": secret("told")["ARN"]})
    given = replace(
        deployment,
        stacks=(*deployment.stacks, told),
        assigned_stacks=deployment.assigned_stacks | {told.name, "acme-prod-eu1b-4-1-secrets"},
        owned={"AWS::SecretsManager::Secret": {"included": ""}},
    )

    found = secrets(
        given,
        series,
        secret("of-the-stack", told.name),
        secret("told"),
        secret("included"),
        secret("acme-prod-eu1-license"),
        secret("acme-prod-eu1-by-hand", "somebody-elses-stack"),
        secret("acme-prod-eu1-b-license", "acme-prod-eu1b-4-1-secrets"),
        secret("acme-prod-eu2-license"),
        secret("somebody-elses"),
    )

    mine = ("of-the-stack", "told", "included", "acme-prod-eu1-license", "acme-prod-eu1-by-hand")
    assert found == {f'last_changed{{secret="{name}"}}': THEN.timestamp() for name in mine}


def test_deployment_whose_name_goes_on(deployment: Deployment, series: Series) -> None:
    """A secret that no stack made, of eu1-b, begins like one of eu1 too; a stack of eu1's own takes none away."""
    ours = Stack("acme-prod-eu1-c-4-1-secrets", "4-1-secrets")
    stacks = (*deployment.stacks, ours)
    others = {"acme-prod-eu1-b-4-1-secrets", "acme-prod-4-1-secrets", "acme-prod-eu1-license", ours.name}
    given = replace(deployment, stacks=stacks, assigned_stacks=deployment.assigned_stacks | others)
    mine = ("acme-prod-eu1-console-oauth-client", "acme-prod-eu1-c-license", "acme-prod-eu1-backup", "acme-prod-eu1-b")

    found = secrets(given, series, secret("acme-prod-eu1-b-console-oauth-client"), *map(secret, mine))

    assert found == {f'last_changed{{secret="{name}"}}': THEN.timestamp() for name in mine}


def test_deletion(deployment: Deployment, series: Series) -> None:
    """Only a secret that is about to be deleted has a time for that; one without dates has none at all."""
    later = datetime(2026, 11, 28, tzinfo=UTC)
    undated = secret("acme-prod-eu1-new")
    del undated["LastChangedDate"]

    found = secrets(deployment, series, secret("acme-prod-eu1-a", DeletedDate=later), undated)

    assert found == {
        'last_changed{secret="acme-prod-eu1-a"}': THEN.timestamp(),
        'deletion{secret="acme-prod-eu1-a"}': later.timestamp(),
    }


def required(deployment: Deployment, series: Series, answer: Answer, *listed: dict[str, Any]) -> dict[str, float]:
    """Which of the required secrets are present."""
    answer["secrets"] = {"SecretList": list(listed)}
    found = series(samples(answer, deployment))
    return {name.split('"')[1]: value for name, value in found.items() if "required_secret_present" in name}


def test_required_secrets(deployment: Deployment, series: Series) -> None:
    """Console and NOC each sign in with a client of their own; one about to be deleted is as good as gone."""
    running = answered(service("console"), service("noc"), service("gs"))
    console, noc = "acme-prod-eu1-console-oauth-client", "acme-prod-eu1-noc-oauth-client"

    assert required(deployment, series, running) == {console: 0, noc: 0}
    assert required(deployment, series, running, secret(console), secret(noc)) == {console: 1, noc: 1}
    assert required(deployment, series, running, secret(console, DeletedDate=THEN)) == {console: 0, noc: 0}
    assert required(deployment, series, answered(service("console")), secret(console)) == {console: 1}
    assert required(deployment, series, Answer()) == {}


def test_unlisted_secrets_are_not_missing(deployment: Deployment, series: Series) -> None:
    """Where secrets could not be listed none is missing; where one has no name it may be any."""
    running = answered(service("console"))

    assert "present" not in str(series(samples(running, deployment)))
    running["secrets"] = {"SecretList": [{"ARN": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:x"}]}
    found = list(samples(running, deployment))
    assert [each for each in found if isinstance(each, Malformed)] == found


def fetched(clock: FrozenClock, **settings: Any) -> tuple[Answer, list[str]]:
    """The answer of the stand-in, and the failures."""

    async def fetch() -> tuple[Answer, list[str]]:
        async with account(clock, role_arn=STAGING) as reads:
            [deployment] = await surveyed(reads)
            aws = attempt(reads, COLLECTOR.interval)
            answer = await COLLECTOR.fetch(aws, replace(deployment, **settings))
            return answer, [failure.operation for failure in aws.failures]

    return asyncio.run(fetch())


def operations(standin: Standin) -> set[str]:
    return {operation for _, _, _, operation, _ in standin.calls}


def test_what_is_configured_is_not_looked_for(standin: Standin, clock: FrozenClock) -> None:
    """Load balancers and certificates are asked for only as long as nobody said whether there are tenants."""
    fetched(clock, multi_tenant=False)
    assert not operations(standin) & {"DescribeLoadBalancers", "DescribeListeners", "ListCertificates"}

    fetched(clock)
    assert operations(standin) > {"DescribeLoadBalancers", "DescribeListeners", "ListCertificates"}


def test_no_secret_is_read(standin: Standin, clock: FrozenClock) -> None:
    """Secrets are listed in one call, those that are about to be deleted among them, and none is opened."""
    answer, failures = fetched(clock)

    assert failures == []
    assert [each["Name"] for each in answer["secrets"]["SecretList"] if "DeletedDate" in each]
    assert [name for name in operations(standin) if "Secret" in name] == ["ListSecrets"]
