"""Whose an alarm is, although it does not say so; who hears it, although nobody may know at which address."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from conftest import FrozenClock, account, attempt, surveyed
from hypothesis import given
from hypothesis import strategies as st
from small import small_aws

from exporter import alarms
from exporter.answer import Answer
from exporter.assignment import resource_of
from exporter.collectors.alarms import COLLECTOR, samples
from exporter.demo.server import Standin
from exporter.deployment import UNASSIGNED, Deployment
from exporter.errors import Failure
from exporter.metrics import Malformed, Sample

Series = Callable[[Any], dict[str, float]]
HERE = "eu-west-1:111122223333"
TOPIC, OTHERS, ABROAD = (
    f"arn:aws:sns:{place}" for place in (f"{HERE}:pager", f"{HERE}:others", "eu-west-1:999988887777:central")
)
OPSGENIE = "api.opsgenie.com"
ELB = f"arn:aws:elasticloadbalancing:{HERE}"
NLB, UDP = f"{ELB}:loadbalancer/net/main/50dc6c495c0c9188", f"{ELB}:targetgroup/udp/6d0ecf831eec9f09"
ASKED = ("cloudformation", "resourcegroupstaggingapi", "cloudwatch", "sns")
SECRET = "de1eb4b1-5ec4-e700-0000-000000000000"


@pytest.fixture
def deployment(deployment: Deployment) -> Deployment:
    """A deployment with an alarm and a topic that its stacks tagged, beside another one in the same account."""
    owned = {
        "AWS::CloudWatch::Alarm": {"tagged": "acme-prod-eu1-2-1-db-aurora-master"},
        "AWS::SNS::Topic": {"pager": "acme-prod-eu1-1-1-vpc"},
        "AWS::RDS::DBCluster": {"aurora": "acme-prod-eu1-2-1-db-aurora-master"},
        "AWS::ElastiCache::ReplicationGroup": {"sessions": "acme-prod-eu1-2-3-db-redis-general"},
        "AWS::ECS::Cluster": {"main": "acme-prod-eu1-5-1-ecs-cluster"},
        "AWS::ElasticLoadBalancingV2::LoadBalancer": {NLB: "acme-prod-eu1-1-1-vpc"},
        "AWS::ElasticLoadBalancingV2::TargetGroup": {UDP: "acme-prod-eu1-1-1-vpc"},
    }
    assigned = {type_: frozenset(ids) for type_, ids in owned.items()}
    assigned["AWS::RDS::DBCluster"] |= {"others"}
    assigned["AWS::CloudWatch::Alarm"] |= {"others-tagged"}
    assigned["AWS::SNS::Topic"] |= {"others"}
    return replace(deployment, owned=owned, assigned=assigned)


def alarm(name: str = "tagged", *actions: str, **more: Any) -> dict[str, Any]:
    return {
        "AlarmName": name,
        "AlarmArn": f"arn:aws:cloudwatch:{HERE}:alarm:{name}",
        "StateValue": "OK",
        "ActionsEnabled": True,
        "AlarmActions": list(actions),
        **more,
    }


def on(**dimensions: str) -> list[dict[str, str]]:
    return [{"Name": name, "Value": value} for name, value in dimensions.items()]


def subscription(topic: str = TOPIC, host: str = OPSGENIE, arn: str = f"{TOPIC}:80e38bc5") -> dict[str, str]:
    return {"TopicArn": topic, "SubscriptionArn": arn, "Protocol": "https", "Endpoint": host}


def answer(
    *listed: dict[str, Any],
    subscribed: list[dict[str, str]] | None = None,
    topics: tuple[str, ...] | None = (TOPIC, OTHERS),
) -> Answer:
    found = Answer()
    found["alarms"] = {"MetricAlarms": list(listed), "CompositeAlarms": []}
    if topics is not None:
        found["topics"] = list(topics)
    if subscribed is not None:
        found["subscriptions"] = subscribed
    return found


@pytest.fixture
def pages(deployment: Deployment, series: Series) -> Callable[..., float | None]:
    """Whether the one alarm that acts on some ARNs notifies a pager, with these subscriptions."""

    def notifies(actions: list[str], *subscribed: dict[str, str]) -> float | None:
        found = series(samples(answer(alarm("tagged", *actions), subscribed=list(subscribed)), deployment))
        return found.get('tts_aws_cloudwatch_alarm_notifies_pager{alarm="tagged"}')

    return notifies


def test_states(deployment: Deployment, series: Series) -> None:
    """Exactly the state that an alarm is in is 1; a state that we do not know is none of the three."""
    found = series(samples(answer(alarm(StateValue="INSUFFICIENT_DATA")), deployment))
    unheard_of = series(samples(answer(alarm(StateValue="SNOOZED")), deployment))

    state = 'tts_aws_cloudwatch_alarm_state{{alarm="tagged",state="{}"}}'
    assert [found[state.format(each)] for each in ("OK", "ALARM", "INSUFFICIENT_DATA")] == [0, 0, 1]
    assert not [name for name in unheard_of if "alarm_state" in name]


def test_any_pager_counts(pages: Callable[..., float | None]) -> None:
    """A confirmed subscription of whomever makes an alarm heard, on any of its topics."""
    assert pages([TOPIC], subscription()) == 1
    assert pages([TOPIC], subscription(host="")) == 1
    assert pages([OTHERS, TOPIC], subscription()) == 1


def test_nobody_hears(pages: Callable[..., float | None]) -> None:
    """A subscription that waits for confirmation or is deleted hears nothing, nor does one of another topic."""
    assert pages([TOPIC], subscription(arn="PendingConfirmation")) == 0
    assert pages([TOPIC], subscription(arn="Deleted")) == 0
    assert pages([TOPIC], subscription(topic=OTHERS)) == 0
    assert pages([TOPIC]) == 0


def test_no_topic(pages: Callable[..., float | None]) -> None:
    """An alarm that acts on nothing, or only reboots a host, is known to page nobody."""
    assert pages([], subscription()) == 0
    assert pages(["arn:aws:automate:eu-west-1:ec2:reboot"], subscription()) == 0


def test_topic_of_another_account(pages: Callable[..., float | None]) -> None:
    """Who listens to another account's topic is not known, which is neither yes nor no."""
    assert pages([ABROAD], subscription()) is None
    assert pages([ABROAD, TOPIC], subscription()) == 1


def test_subscriptions_unread(deployment: Deployment, series: Series) -> None:
    """Without the subscriptions the alarms' states are served, and nothing is said of who hears them."""
    found = series(samples(answer(alarm("tagged", TOPIC)), deployment))

    assert found['tts_aws_cloudwatch_alarm_actions_enabled{alarm="tagged"}'] == 1
    assert not [name for name in found if "notifies" in name or "subscriptions" in name]


@pytest.mark.parametrize(
    ("alarm", "ours"),
    [
        (alarm("tagged", OTHERS), True),
        (alarm("others-tagged", TOPIC, Dimensions=on(DBClusterIdentifier="aurora")), False),
        (alarm("x", Dimensions=on(DBClusterIdentifier="aurora", Role="WRITER")), True),
        (alarm("x", TOPIC, Dimensions=on(DBClusterIdentifier="others")), False),
        (alarm("x", Dimensions=on(CacheClusterId="sessions-002", CacheNodeId="0001")), True),
        (alarm("x", Dimensions=on(CacheClusterId="sessions-0002-001")), True),
        (alarm("x", Dimensions=on(CacheClusterId="sessions-b-001")), False),
        (alarm("x", Dimensions=on(ClusterName="main", ServiceName="gs")), True),
        (alarm("x", Dimensions=on(LoadBalancer="net/main/50dc6c495c0c9188")), True),
        (alarm("x", Dimensions=on(TargetGroup="targetgroup/udp/6d0ecf831eec9f09")), True),
        (alarm("x", Metrics=[{"Id": "e", "Expression": "m * 2"}, {"Id": "m", "MetricStat": {
            "Metric": {"Namespace": "AWS/RDS", "Dimensions": on(DBClusterIdentifier="aurora")}}}]), True),
        (alarm("x", TOPIC, AlarmRule="ALARM(y)"), True),
        (alarm("x", ABROAD.replace("central", "pager"), AlarmRule="ALARM(y)"), False),
        (alarm("x", Dimensions=on(FunctionName="billing")), False),
        (alarm("acme-prod-eu1-aurora-cpu"), False),
    ],
)  # fmt: skip
def test_whose(alarm: dict[str, Any], ours: bool, deployment: Deployment, series: Series) -> None:
    """An alarm is ours by its stack, else by the resource it watches, else by the topic it tells; never by its name."""
    found = series(samples(answer(alarm), deployment))

    assert found["tts_aws_cloudwatch_alarms"] == ours


def test_nobodys(deployment: Deployment, series: Series) -> None:
    """Unassigned is what no deployment here owns: not another deployment's, and not autoscaling's."""
    listed = [
        alarm("others-tagged"),
        alarm("x", Dimensions=on(DBClusterIdentifier="others")),
        alarm("y", OTHERS),
        alarm("TargetTracking-service/main/gs-AlarmHigh-1"),
        alarm("billing"),
    ]

    found = series(samples(answer(*listed), deployment))

    assert found['tts_aws_unassigned_resources{resource_type="AWS::CloudWatch::Alarm"}'] == 1


def test_autoscaling(deployment: Deployment, series: Series) -> None:
    """Alarms that steer Auto Scaling go off as they should: left out, but not one that tells somebody as well."""
    scaling = f"arn:aws:autoscaling:{HERE}:scalingPolicy:1:autoScalingGroupName/ecs:policyName/out"
    listed = [
        alarm("TargetTracking-service/main/gs-AlarmLow-1", TOPIC, Dimensions=on(ClusterName="main")),
        alarm("step-out", scaling, Dimensions=on(ClusterName="main")),
        alarm("step-out-and-tell", scaling, TOPIC),
    ]

    found = series(samples(answer(*listed), deployment))

    assert {name.partition('alarm="')[2].partition('"')[0] for name in found if 'alarm="' in name} == {
        "step-out-and-tell"
    }


def test_every_topic_has_all_its_series(deployment: Deployment, series: Series) -> None:
    """A topic nobody listens to has its zeros; so has one that only an alarm acts on, and none of another account."""
    found = series(samples(answer(alarm("tagged", OTHERS, ABROAD), subscribed=[subscription()]), deployment))

    name = 'tts_aws_sns_topic_subscriptions{{topic="{}",provider="{}",state="{}"}}'
    of = {
        name.format(topic, provider, state): float((topic, provider, state) == ("pager", "opsgenie", "confirmed"))
        for topic in ("pager", "others")
        for provider in ("opsgenie", "jira_service_management", "other")
        for state in ("confirmed", "pending")
    }
    assert {series: value for series, value in found.items() if "topic_subscriptions" in series} == of
    assert found["tts_aws_sns_topics"] == 3


def test_topic_listed_by_its_stack(deployment: Deployment, series: Series) -> None:
    """A stack lists its topic by ARN, the tags by name: it is one topic, and an alarm on it alone is ours."""
    listed = replace(deployment, owned={"AWS::SNS::Topic": {TOPIC: "acme-prod-eu1-1-1-vpc"}})

    found = series(samples(answer(alarm("x", TOPIC), subscribed=[subscription()]), listed))

    assert found["tts_aws_sns_topics"] == found["tts_aws_cloudwatch_alarms"] == 1
    assert found['tts_aws_cloudwatch_alarm_notifies_pager{alarm="x"}'] == 1


def test_topic_that_is_gone(deployment: Deployment, series: Series) -> None:
    """Tags outlive their topic: one that SNS does not list is none, and has no series."""
    gone = series(samples(answer(subscribed=[], topics=(OTHERS,)), deployment))
    there = series(samples(answer(subscribed=[]), deployment))

    assert (gone["tts_aws_sns_topics"], there["tts_aws_sns_topics"]) == (0, 1)
    assert not [name for name in gone if "subscriptions" in name]
    assert len([name for name in there if "subscriptions" in name]) == 6


def test_topics_unread(deployment: Deployment, series: Series) -> None:
    """Where SNS could not be asked for its topics their number is unknown; one that an alarm names has its series."""
    found = series(samples(answer(alarm("tagged", OTHERS), subscribed=[], topics=None), deployment))

    assert "tts_aws_sns_topics" not in found
    assert {name.partition('topic="')[2].partition('"')[0] for name in found if "subscriptions" in name} == {"others"}


def test_account_unknown(deployment: Deployment, series: Series) -> None:
    """Before STS has said whose the credentials are, no topic is known as ours: nothing is said, above all no 0."""
    found = series(samples(answer(alarm("tagged", TOPIC), subscribed=[]), replace(deployment, account_id="")))

    assert not [name for name in found if "notifies" in name or "subscriptions" in name]


def test_none_at_all(deployment: Deployment, series: Series) -> None:
    """No alarm and no topic are facts: 0, not silence. With a part of the listing missing they are none."""
    bare = replace(deployment, owned={})
    part = answer()
    del part["alarms"]["CompositeAlarms"]

    found = series(samples(answer(subscribed=[]), bare))

    assert found["tts_aws_cloudwatch_alarms"] == found["tts_aws_sns_topics"] == 0
    assert series(samples(part, bare)) == {}


def test_number_of_topics_with_the_account_unknown(deployment: Deployment, series: Series) -> None:
    """Before STS has said whose the credentials are, topics are not counted."""
    found = series(samples(answer(), replace(deployment, account_id="")))

    assert "tts_aws_cloudwatch_alarms" in found
    assert "tts_aws_sns_topics" not in found


@pytest.mark.parametrize(
    ("endpoint", "provider"),
    [
        (f"https://api.opsgenie.com/v1/json/cloudwatch?apiKey={SECRET}", "opsgenie"),
        (f"https://api.eu.opsgenie.com/v1/json/cloudwatch?apiKey={SECRET}", "opsgenie"),
        (f"HTTPS://API.OPSGENIE.COM:443/v1/json/cloudwatch?apiKey={SECRET}", "opsgenie"),
        (
            f"https://api.atlassian.com/jsm/ops/integration/v1/json/cloudwatch?apiKey={SECRET}",
            "jira_service_management",
        ),
        (f"https://acme.atlassian.net/hook/{SECRET}", "jira_service_management"),
        (f"https://events.pagerduty.com/integration/{SECRET}/enqueue", "other"),
        (f"https://opsgenie.com.evil.example/{SECRET}", "other"),
        (f"https://notopsgenie.com/{SECRET}", "other"),
        (f"https://proxy.example/?to=https://api.opsgenie.com/{SECRET}", "other"),
        (f"https://on-call:{SECRET}@hooks.example/@api.opsgenie.com", "other"),
        (f"{SECRET}@opsgenie.com", "other"),
        ("arn:aws:lambda:eu-west-1:111122223333:function:opsgenie.com", "other"),
        ("+31201234567", "other"),
        ("", "other"),
    ],
)
def test_provider(endpoint: str, provider: str) -> None:
    """A pager is known by the host of its URL and by nothing else of it."""
    host = alarms.host_of(endpoint)

    assert alarms.provider_of(host) == provider
    assert SECRET not in host


@given(
    st.from_regex(r"[a-z0-9.-]{1,40}", fullmatch=True),
    st.text().filter(lambda text: not set("/?#@") & set(text)),
    st.text(),
)
def test_host_is_all_that_is_kept(host: str, user: str, rest: str) -> None:
    """Whatever stands before and behind the host of a URL, the host is what is kept, and nothing ever raises."""
    assert alarms.host_of(f"https://{user}@{host}/{rest}") == host
    assert alarms.host_of(f"https://{host}?{rest}") == host
    assert isinstance(alarms.host_of(rest), str)
    assert alarms.provider_of(rest) in alarms.PROVIDERS


@given(st.text(min_size=1))
def test_name_of_an_alarm(name: str) -> None:
    """An alarm's name is all that stands behind "alarm:" in its ARN, colons and slashes included."""
    assert resource_of(f"arn:aws:cloudwatch:{HERE}:alarm:{name}") == ("AWS::CloudWatch::Alarm", name)


@given(st.text())
def test_what_is_no_topic(arn: str) -> None:
    """Only an ARN of SNS is a topic's; what alarms act on besides is of many services."""
    assert alarms.topic_of(arn) is None or arn.split(":")[2] == "sns"
    assert alarms.topic_of(f"arn:aws:sns:{HERE}:pager") == ("111122223333", "eu-west-1", "pager")


def read(clock: FrozenClock, attempts: int = 1) -> tuple[Deployment, Answer, list[Failure]]:
    """What the last of some attempts, a minute apart, makes of the stand-in."""

    async def fetch() -> tuple[Deployment, Answer, list[Failure]]:
        async with account(clock, account_id="111122223333", services=ASKED) as reads:
            [deployment] = await surveyed(reads)
            for _ in range(attempts):
                aws = attempt(reads, COLLECTOR.interval)
                answer = await COLLECTOR.fetch(aws, deployment)
                clock.now += COLLECTOR.interval
            return deployment, answer, aws.failures

    return asyncio.run(fetch())


def test_endpoint_is_never_kept(standin: Standin, clock: FrozenClock) -> None:
    """The key in an endpoint is in nothing that fetch gives on, so in no label and in nothing that is logged."""
    topic = "deployments/acme-prod-eu1/sns/0/subscriptions/0"
    standin.world.change(
        f"{topic}/Endpoint", f"https://ops:{SECRET}@api.opsgenie.com/v1/json/cloudwatch?apiKey={SECRET}"
    )

    deployment, answer, failures = read(clock)
    served = list(samples(answer, deployment))
    del answer["subscriptions"][0]["SubscriptionArn"]
    malformed = [each for each in samples(answer, deployment) if isinstance(each, Malformed)]

    assert failures == []
    assert 'opsgenie", "confirmed"), value=1' in str(served).replace("'", '"')
    assert malformed
    assert SECRET not in f"{answer!r} {served!r} {malformed!r}"


def test_unreadable_answer_is_not_quoted(standin: Standin, clock: FrozenClock) -> None:
    """An answer that cannot be parsed is not quoted in the log either: it may begin with an endpoint."""
    standin.faults.add(kind="garbage", operation="ListSubscriptions")

    _, answer, [failure] = read(clock)

    assert failure.reason == "invalid_response"
    assert "garbage" not in failure.detail
    assert set(answer) == {"alarms", "topics"}


def test_malformed_subscription(deployment: Deployment) -> None:
    """One that cannot be understood may be of any topic: nothing is said of who hears, and the states stay."""
    broken = subscription()
    del broken["TopicArn"]

    found = list(samples(answer(alarm("tagged", TOPIC), subscribed=[subscription(), broken]), deployment))

    names = {each.family.name for each in found if isinstance(each, Sample)}
    assert "tts_aws_cloudwatch_alarm_state" in names
    assert not names & {"tts_aws_cloudwatch_alarm_notifies_pager", "tts_aws_sns_topic_subscriptions"}
    assert [each for each in found if isinstance(each, Malformed)]


def test_malformed_alarm(deployment: Deployment) -> None:
    """An alarm without a state costs its own series only."""
    broken = alarm("broken", TOPIC)
    del broken["StateValue"]

    found = list(samples(answer(broken, alarm("tagged", TOPIC), subscribed=[subscription()]), deployment))

    states = [each for each in found if isinstance(each, Sample) and each.family.name.endswith("alarm_state")]
    assert {each.labels[0] for each in states} == {"tagged"}
    assert [each for each in found if isinstance(each, Malformed)]


@pytest.mark.parametrize(
    "broken",
    [
        alarm("x", Metrics=[{"Id": "m", "MetricStat": {}}]),
        alarm("x", AlarmActions=None),
        alarm("tagged", AlarmActions=[TOPIC, 7]),
    ],
)
def test_alarm_that_may_be_anybodys(deployment: Deployment, broken: dict[str, Any]) -> None:
    """An alarm that cannot be understood costs the numbers of alarms and topics, and no other alarm's series."""
    other = alarm("x", TOPIC, Dimensions=on(DBClusterIdentifier="aurora"))

    found = list(samples(answer(broken, other, subscribed=[subscription()]), deployment))

    served = [each for each in found if isinstance(each, Sample)]
    assert len([each for each in found if isinstance(each, Malformed)]) == 1
    assert {each.labels[0] for each in served if "cloudwatch_alarm_" in each.family.name} == {"x"}
    assert not [each for each in served if not each.family.labels or each.family is UNASSIGNED]


@pytest.mark.parametrize(("number", "calls"), [(1_000, 10), (1_001, 2)])
def test_many_alarms(
    clock: FrozenClock, monkeypatch: pytest.MonkeyPatch, deployment: Deployment, number: int, calls: int
) -> None:
    """The alarms of an account that has very many are read every five minutes, those of others every minute."""
    listed = [alarm(f"x-{each}") for each in range(number)]

    async def fetched() -> Answer:
        async with account(clock, account_id="111122223333", services=("cloudwatch", "sns")) as reads:
            for _ in range(10):
                answer = await COLLECTOR.fetch(attempt(reads, COLLECTOR.interval), deployment)
                clock.now += COLLECTOR.interval
            return answer

    with small_aws(clock, monkeypatch) as (small, _):
        small.answers("cloudwatch", "DescribeAlarms", {"MetricAlarms": listed, "CompositeAlarms": []})
        small.answers("sns", "ListTopics", {"Topics": []})
        small.answers("sns", "ListSubscriptions", {"Subscriptions": []})
        found = asyncio.run(fetched())
        pages = len(small.asked("DescribeAlarms"))

    assert len(found["alarms"]["MetricAlarms"]) == number
    assert pages == calls * -(-number // 100)


def test_calls(standin: Standin, clock: FrozenClock) -> None:
    """Alarms are read every minute, composite ones among them; all topics and subscriptions every ten minutes."""
    _, answer, _ = read(clock, attempts=10)

    calls = {key[3]: count for key, count in standin.calls.items() if key[2] in ("cloudwatch", "sns")}
    assert calls == {"DescribeAlarms": 10, "ListTopics": 1, "ListSubscriptions": 1}
    assert [each["AlarmName"] for each in answer["alarms"]["CompositeAlarms"]] == ["acme-prod-eu1-services-combined"]
