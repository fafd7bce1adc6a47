"""Verdicts: what a row of a practice becomes, by scope, configuration, waivers and what could not be read."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import pytest

from exporter.config import PracticeConfig, Waiver
from exporter.deployment import Deployment
from exporter.errors import Failure
from exporter.facts import Facts, Reading
from exporter.metrics import Family, Sample
from exporter.practice import DEPLOYMENT, Practice, Verdict
from exporter.scorecard import ACCEPTED_UNTIL, Finding, counts, end_of, judge, remembered, samples
from exporter.skew import samples as skew

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC).timestamp()
LID = Family("tts_aws_toy_lid_closed", "A lid.", ("toy",), "flag")
VERSION = Family("tts_aws_component_version_number", "A version.", ("component", "bound"))
DENIED = Failure("toys.DescribeLids", "access_denied", "AccessDenied", "", action="toys:DescribeLids")


def lids(deployment: Deployment, *closed: tuple[str, float], failures: Iterable[Failure] = ()) -> Facts:
    """Facts of a collector of lids; what could not be read is not complete."""
    served = [LID.sample(value, toy=name) for name, value in closed]
    reading = Reading(served, NOW - 60, not failures, tuple(failures))
    return Facts(deployment, {"toys": reading}, {LID.name: "toys"}, NOW)


def closed(facts: Facts) -> Iterator[Verdict]:
    for toy, value in facts.by("toy_lid_closed", "toy").items():
        yield Verdict.of(toy, value, "closed", "open")


def row(impact: str = "warning", judged: object = closed, practice: str = "BP-51", **more: object) -> Practice:
    return Practice(practice, impact, "AWS::Toy::Lid", "closed", ("toy_lid_closed",), judged, **more)  # type: ignore[arg-type]


def states(findings: Iterable[Finding]) -> set[tuple[str, str, str]]:
    return {(each.impact, each.resource, each.state) for each in findings}


def waiver(resource: str = "box-*", until: date = date(2026, 11, 22), **more: str) -> Waiver:
    given = {"practice": "BP-51", "resource": resource, "reason": "empty", "until": until, **more}
    return Waiver.model_validate(given)


def test_each_resource_has_a_verdict(deployment: Deployment) -> None:
    """A resource follows or violates; the finding carries words of the catalogue and of the verdict."""
    found = judge(lids(deployment, ("box-1", 1), ("box-2", 0)), [row()], {}, ())

    assert states(found) == {("warning", "box-1", "compliant"), ("warning", "box-2", "violated")}
    wrong = next(each for each in found if each.state == "violated")
    assert (wrong.deployment, wrong.fact, wrong.expected) == ("acme-prod-eu1", "open", "closed")
    assert wrong.section == "back-ups"


def test_the_worst_impact_hides_the_lesser(deployment: Deployment) -> None:
    """What violates the critical row of a practice is no warning beside, not even when the worse one is accepted."""
    critical = row("critical", lambda facts: [Verdict("box-1", False), Verdict("box-2", True)])
    facts = lids(deployment, ("box-1", 0), ("box-2", 0))

    found = states(judge(facts, [row(), critical], {}, ()))
    assert found == {
        ("critical", "box-1", "violated"),
        ("critical", "box-2", "compliant"),
        ("warning", "box-2", "violated"),
    }

    accepted = states(judge(facts, [row(), critical], {}, [waiver("box-1")]))
    assert ("critical", "box-1", "accepted") in accepted
    assert not [each for each in accepted if each[:2] == ("warning", "box-1")]


def test_an_unknown_worse_row_hides_nothing(deployment: Deployment) -> None:
    """Where it is unknown whether it is critical, the warning stands."""
    critical = row("critical", lambda facts: [Verdict("box-1", None)])

    found = judge(lids(deployment, ("box-1", 0)), [row(), critical], {}, ())

    assert states(found) == {("critical", "box-1", "unknown"), ("warning", "box-1", "violated")}


def test_what_was_refused_is_unknown_with_its_action(deployment: Deployment) -> None:
    """Without any fact, and the reading incomplete, there is one unknown verdict that names the missing IAM action."""
    (found,) = judge(lids(deployment, failures=[DENIED]), [row()], {}, ())

    assert (found.state, found.resource, found.missing) == ("unknown", "", ("toys:DescribeLids",))
    assert "access_denied" in found.fact


def test_resources_that_may_be_missing_are_unknown(deployment: Deployment) -> None:
    """Where not all of a deployment's resources could be found, having none of a kind is no fact."""
    denied = Failure("resourcegroupstaggingapi.GetResources", "access_denied", "X", "", action="tag:GetResources")
    partly = replace(deployment, incomplete=denied)

    (found,) = judge(lids(partly), [row()], {}, ())
    assert (found.state, found.missing) == ("unknown", ("tag:GetResources",))
    assert states(judge(lids(partly, ("box-1", 0)), [row()], {}, ())) == {
        ("warning", "box-1", "violated"),
        ("warning", "", "unknown"),
    }


def test_a_part_that_was_not_read_is_unknown(deployment: Deployment) -> None:
    """Beside what was read one unknown verdict stands for what may be there as well; a deployment has its verdict."""
    rest, known = judge(lids(deployment, ("box-1", 1), failures=[DENIED]), [row()], {}, ())

    assert (known.resource, known.state) == ("box-1", "compliant")
    assert (rest.resource, rest.state, rest.missing) == ("", "unknown", ("toys:DescribeLids",))
    assert rest.fact.startswith("not everything could be read; toys.DescribeLids: access_denied")
    whole = replace(row(), resource_type=DEPLOYMENT)
    (only,) = judge(lids(deployment, ("acme-prod-eu1", 1), failures=[DENIED]), [whole], {}, ())
    assert (only.resource, only.state) == ("acme-prod-eu1", "compliant")


def test_resources_of_two_types_have_verdicts_of_their_own(deployment: Deployment) -> None:
    """One name for two resources: neither hides the other, and their waiver has one end, the later one."""
    lid = row("critical", lambda _: [Verdict("box-1", False)])
    box = replace(row(judged=lambda _: [Verdict("box-1", False)]), resource_type="AWS::Toy::Box")
    accepted = waiver(until=date(2027, 1, 31))

    found = judge(lids(deployment), [lid, box], {}, [accepted])

    assert states(found) == {("critical", "box-1", "accepted"), ("warning", "box-1", "accepted")}
    later = replace(found[1], accepted=waiver(until=date(2027, 2, 28)))
    ends = [each for each in samples([found[0], later]) if each.family is ACCEPTED_UNTIL]
    assert [each.value for each in ends] == [datetime(2027, 3, 1, tzinfo=UTC).timestamp()]


@pytest.mark.parametrize(("network", "refused"), [("", []), ("twin", ["twin"]), ("others", ["other"])])
def test_what_a_neighbour_could_not_read_is_named(deployment: Deployment, network: str, refused: list[str]) -> None:
    """A row that looks at the staging twin or at the network's others says what was refused there."""
    facts = lids(deployment)
    facts.twin, other = (lids(deployment, failures=[DENIED._replace(action=name)]) for name in ("twin", "other"))
    facts.others = (other,)

    (found,) = judge(facts, [row(judged=lambda _: [Verdict("box-1", None)], network=network)], {}, ())

    assert list(found.missing) == refused


def test_what_does_not_apply_has_no_verdict(deployment: Deployment) -> None:
    """A practice about resources that a completely read deployment does not have says nothing."""
    assert judge(lids(deployment), [row()], {}, ()) == []


def test_any_collector_of_a_row_can_hide_a_resource(deployment: Deployment) -> None:
    """What a row's second collector did not read is unknown beside the verdicts that there are."""
    facts = Facts(
        deployment,
        {
            "toys": Reading([LID.sample(1, toy="box-1")], NOW, complete=True),
            "versions": Reading((), NOW, complete=False, failures=(DENIED,)),
        },
        {LID.name: "toys", VERSION.name: "versions"},
        NOW,
    )
    both = replace(row(), facts=("toy_lid_closed", "component_version_number"))

    assert states(judge(facts, [both], {}, ())) == {("warning", "box-1", "compliant"), ("warning", "", "unknown")}


def test_a_collector_that_does_not_run_is_named(deployment: Deployment) -> None:
    """Facts of a collector that is switched off are unknown, and it is said which one it is."""
    facts = Facts(deployment, {}, {LID.name: "toys"}, NOW)

    (found,) = judge(facts, [row()], {}, ())

    assert found.state == "unknown"
    assert "the collector toys does not run" in found.fact


def test_a_mistake_of_one_row_is_its_own(deployment: Deployment) -> None:
    """A row that raises gives an unknown verdict; the others are judged."""

    def broken(facts: Facts) -> Iterator[Verdict]:
        raise KeyError("lid")

    found = judge(lids(deployment, ("box-1", 1)), [row(judged=broken, practice="BP-52"), row()], {}, ())

    assert {(each.practice, each.state, each.mistake) for each in found} == {
        ("BP-52", "unknown", True),
        ("BP-51", "compliant", False),
    }


@pytest.mark.parametrize(
    ("scope", "environment", "role", "judged"),
    [
        ("all", "staging", "secondary", True),
        ("prod", "prod", None, True),
        ("prod", "staging", None, False),
        ("primary", "staging", "primary", True),
        ("primary", "staging", None, True),
        ("primary", "prod", "secondary", False),
    ],
)
def test_scope(deployment: Deployment, scope: str, environment: str, role: str | None, judged: bool) -> None:
    """A row is judged where its scope says; a cluster of unknown role counts as primary."""
    facts = lids(replace(deployment, environment=environment, role=role), ("box-1", 1))

    assert bool(judge(facts, [row(scope=scope)], {}, ())) == judged
    for enabled in (True, False):
        assert bool(judge(facts, [row(scope=scope)], {"BP-51": PracticeConfig(enabled=enabled)}, ())) == enabled


def test_a_configured_impact_is_for_all_rows(deployment: Deployment) -> None:
    """Rows that the configuration gives one impact are one: violated if any of them is."""
    critical = row("critical", lambda facts: [Verdict("box-1", True)])

    found = judge(lids(deployment, ("box-1", 0)), [critical, row()], {"BP-51": PracticeConfig(impact="info")}, ())

    assert states(found) == {("info", "box-1", "violated")}


def test_a_waiver_holds_through_its_last_day(deployment: Deployment) -> None:
    """Accepted until the end of the day that is named, UTC; a violation again after it, and the end is exported."""
    facts = lids(deployment, ("box-1", 0), ("bin-1", 0), ("box-2", 1))
    accepted = waiver()
    end = datetime(2026, 11, 23, tzinfo=UTC).timestamp()
    assert end_of(accepted) == end

    found = judge(facts, [row()], {}, [accepted])
    assert states(found) == {
        ("warning", "box-1", "accepted"), ("warning", "bin-1", "violated"), ("warning", "box-2", "compliant"),
    }  # fmt: skip

    facts.now = end
    expired = judge(facts, [row()], {}, [accepted])
    assert ("warning", "box-1", "violated") in states(expired)
    for each in (found, expired):
        served = rendered(samples(each))
        assert served["tts_aws_best_practice_accepted_until_timestamp_seconds", "BP-51", "box-1"] == end
        assert served["tts_aws_best_practice_compliant", "BP-51", "warning", "AWS::Toy::Lid", "box-1"] == 0


def test_the_longest_waiver_counts(deployment: Deployment) -> None:
    """Of several waivers that fit, the one that ends last holds; one for other deployments does not."""
    waivers = [
        waiver(until=date(2027, 1, 31)),
        waiver(until=date(2027, 3, 31)),
        waiver(until=date(2028, 1, 1), deployment="other-*"),
    ]
    (found,) = judge(lids(deployment, ("box-1", 0)), [row()], {}, waivers)

    assert found.accepted
    assert found.accepted.until == date(2027, 3, 31)


def test_every_number_of_verdicts_is_there(deployment: Deployment) -> None:
    """Counts are served for every impact and verdict, also at 0, and unknown verdicts have no series of their own."""
    found = judge(
        lids(deployment, ("box-1", 1)),
        [row(), row("critical", lambda _: [Verdict("x", None)])],
        {},
        (),
    )
    served = rendered(samples(found))

    numbers = {key[1:]: value for key, value in served.items() if key[0] == "tts_aws_best_practice_verdicts"}
    assert len(numbers) == 12
    assert {key: value for key, value in numbers.items() if value} == {
        ("warning", "compliant"): 1,
        ("critical", "unknown"): 1,
    }
    assert not [key for key in served if key[0] == "tts_aws_best_practice_compliant" and key[-1] == "x"]
    assert counts(found)["critical", "unknown"] == 1


def test_a_violation_is_remembered(deployment: Deployment) -> None:
    """When a violation was seen first is kept while it lasts, and starts anew when it comes back."""
    broken = lids(deployment, ("box-1", 0))
    first = remembered(judge(broken, [row()], {}, ()), {}, NOW)
    later = remembered(judge(broken, [row()], {}, ()), {each.key: each for each in first}, NOW + 60)
    assert [each.first_seen for each in later] == [NOW]

    well = remembered(
        judge(lids(deployment, ("box-1", 1)), [row()], {}, ()), {each.key: each for each in later}, NOW + 120
    )
    assert [each.first_seen for each in well] == [None]
    again = remembered(judge(broken, [row()], {}, ()), {each.key: each for each in well}, NOW + 180)
    assert [each.first_seen for each in again] == [NOW + 180]


def running(deployment: Deployment, versions: dict[str, tuple[float, float]], *, complete: bool = True) -> Facts:
    """Facts of a deployment that runs these versions: (lowest, highest) by component."""
    served = [
        VERSION.sample(value, component=component, bound=bound)
        for component, pair in versions.items()
        for bound, value in zip(("lowest", "highest"), pair, strict=True)
    ]
    return Facts(deployment, {"versions": Reading(served, NOW, complete)}, {VERSION.name: "versions"}, NOW)


def test_production_ahead_of_staging(deployment: Deployment) -> None:
    """A component is ahead when its highest version here is above the lowest in staging; 3.9 is below 3.10."""
    facts = running(deployment, {"gs": (3010000, 3010000), "ns": (3009000, 3009000), "js": (3001000, 3001000)})
    facts.twin = running(deployment, {"gs": (3009000, 3010000), "ns": (3009000, 3010000)})

    assert rendered(skew(facts, "staging")) == {
        ("tts_aws_staging_configured",): 1,
        ("tts_aws_version_ahead_of_staging", "gs"): 1,
        ("tts_aws_version_ahead_of_staging", "ns"): 0,
    }


def test_skew_needs_both_sides(deployment: Deployment) -> None:
    """Nothing is compared while either side could not be read; staging is compared with nothing."""
    versions = {"gs": (3010000.0, 3010000.0)}
    for here, there in ((True, False), (False, True)):
        facts = running(deployment, versions, complete=here)
        facts.twin = running(deployment, versions, complete=there)
        assert rendered(skew(facts, "staging")) == {("tts_aws_staging_configured",): 1}
    assert rendered(skew(running(deployment, versions), "")) == {("tts_aws_staging_configured",): 0}
    assert rendered(skew(running(replace(deployment, environment="staging"), versions), "")) == {}


def rendered(found: Iterable[Sample]) -> dict[tuple[str, ...], float]:
    """Samples by name and labels."""
    return {(each.family.name, *each.labels): each.value for each in found}
