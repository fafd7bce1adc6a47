"""Families, samples and how they become lines of the exposition."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from exporter.metrics import Family, Histogram, Kind, Malformed, Sample, each, lines, number

TARGET = {"deployment": "acme-prod-eu1", "environment": "prod", "account_id": "111122223333", "region": "eu-west-1"}
GAUGE = Family("tts_aws_things", "Things.", ("name", "zone"))


def text(*samples: Sample, target: dict[str, str] = TARGET) -> str:
    return b"".join(lines(samples, target).values()).decode()


def read_back(family: Family, rendered: str, *, openmetrics: bool) -> list[Any]:
    """The samples that the client library's own parser finds."""
    page = family.head(openmetrics=openmetrics).decode() + rendered + ("# EOF\n" if openmetrics else "")
    [parsed] = (parse_openmetrics if openmetrics else parse_text)(page)
    return list(parsed.samples)


def test_a_line() -> None:
    """A line has the target labels first, then the family's own in their order, and the value."""
    assert text(GAUGE.sample(3, zone="b", name="a")) == (
        'tts_aws_things{deployment="acme-prod-eu1",environment="prod",account_id="111122223333",region="eu-west-1",'
        'name="a",zone="b"} 3\n'
    )


@pytest.mark.parametrize(
    ("scope", "expected"),
    [
        ("account", 'f{account_id="111122223333",region="eu-west-1"} 1\n'),
        ("exporter", "f 1\n"),
    ],
)
def test_scopes(scope: Any, expected: str) -> None:
    """A family of the account has the account's labels only, one of the exporter none."""
    assert text(Family("f", "", scope=scope).sample(1)) == expected


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1, "1"),
        (True, "1"),
        (False, "0"),
        (0.1, "0.1"),
        (-2.0, "-2"),
        (1795348800.25, "1795348800.25"),
        (1e14, "100000000000000"),
        (1e300, "1e+300"),
        (math.nan, "NaN"),
        (math.inf, "+Inf"),
        (-math.inf, "-Inf"),
        (datetime(2026, 11, 22, 12, tzinfo=UTC), "1795348800"),
    ],
)
def test_values(value: Any, expected: str) -> None:
    """Whole numbers have no decimal point, instants are Unix seconds, and what is no number has Prometheus' names."""
    assert text(Family("f", "", scope="exporter").sample(value)) == f"f {expected}\n"


@given(st.floats())
def test_numbers_survive(value: float) -> None:
    """Every number is the same number after it was written and read."""
    read = float(number(value))

    assert read == value or (math.isnan(read) and math.isnan(value))


labels = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.tuples(labels, labels, st.floats(allow_nan=False)), unique_by=lambda each: each[:2]))
def test_read_back(series: list[tuple[str, str, float]]) -> None:
    """Whatever labels hold, both of the client library's parsers read back exactly what was put in."""
    rendered = text(*(GAUGE.sample(value, name=name, zone=zone) for name, zone, value in series))

    for openmetrics in (False, True):
        read = read_back(GAUGE, rendered, openmetrics=openmetrics)
        assert [(each.labels["name"], each.labels["zone"], each.value) for each in read] == series
        assert all({name: each.labels[name] for name in TARGET} == TARGET for each in read)


@given(labels.filter(lambda value: value.strip() == value and value))
def test_help_is_read_back(help_text: str) -> None:
    """Whatever a help text holds, both parsers read it back."""
    family = Family("f", help_text, scope="exporter")
    for openmetrics in (False, True):
        page = family.head(openmetrics=openmetrics).decode() + "f 1\n" + ("# EOF\n" if openmetrics else "")
        [parsed] = (parse_openmetrics if openmetrics else parse_text)(page)
        assert parsed.documentation == help_text


@pytest.mark.parametrize(
    ("name", "kind", "plain", "openmetrics"),
    [
        ("f_total", "counter", "# TYPE f_total counter", "# TYPE f counter"),
        ("f", "gauge", "# TYPE f gauge", "# TYPE f gauge"),
        ("f_enabled", "flag", "# TYPE f_enabled gauge", "# TYPE f_enabled gauge"),
        ("f_timestamp_seconds", "time", "# TYPE f_timestamp_seconds gauge", "# TYPE f_timestamp_seconds gauge"),
        ("f_seconds", "histogram", "# TYPE f_seconds histogram", "# TYPE f_seconds histogram"),
        # Only a counter's suffix is a suffix.
        ("f_total", "gauge", "# TYPE f_total gauge", "# TYPE f_total gauge"),
    ],
)
def test_heads(name: str, kind: Kind, plain: str, openmetrics: str) -> None:
    """Flags and times are gauges; only OpenMetrics names a counter without its suffix."""
    family = Family(name, "Help.", kind=kind)

    assert family.head(openmetrics=False).decode().splitlines()[1] == plain
    assert family.head(openmetrics=True).decode().splitlines()[1] == openmetrics


@pytest.mark.parametrize(
    "given_labels", [{}, {"name": "a"}, {"name": "a", "zone": "b", "more": "c"}, {"name": "a", "other": "b"}]
)
def test_wrong_labels(given_labels: dict[str, str]) -> None:
    """A missing, superfluous or misspelt label is refused, and the message names the family and its labels."""
    with pytest.raises(TypeError, match=r"tts_aws_things takes the labels \('name', 'zone'\)"):
        GAUGE.sample(1, **given_labels)


def test_a_series_once() -> None:
    """Of two samples of one series the later is served: Prometheus refuses a page that has a series twice."""
    rendered = text(*(GAUGE.sample(value, name="a", zone="b") for value in (1, 2)), GAUGE.sample(3, name="a", zone="c"))

    assert [line.rpartition(" ")[2] for line in rendered.splitlines()] == ["2", "3"]


def test_histogram() -> None:
    """A histogram's buckets are cumulative, a bound counts what equals it, and sum and count are of everything."""
    family = Family("f_seconds", "Help.", ("service",), "histogram", "exporter")
    histogram = Histogram((0.1, 1.0))
    for value in (0.05, 0.1, 0.5, 7.0):
        histogram.observe(value)

    rendered = text(*histogram.samples(family, service="rds"))

    assert rendered.splitlines() == [
        'f_seconds_bucket{service="rds",le="0.1"} 2',
        'f_seconds_bucket{service="rds",le="1"} 3',
        'f_seconds_bucket{service="rds",le="+Inf"} 4',
        'f_seconds_count{service="rds"} 4',
        'f_seconds_sum{service="rds"} 7.65',
    ]
    for openmetrics in (False, True):
        assert len(read_back(family, rendered, openmetrics=openmetrics)) == 5


@given(st.lists(st.floats(0, 100)), st.lists(st.floats(0.01, 99), min_size=1, unique=True).map(sorted))
def test_histograms_add_up(observed: list[float], bounds: list[float]) -> None:
    """Each bucket counts what is not above its bound, whatever was observed."""
    family = Family("f_seconds", "Help.", kind="histogram", scope="exporter")
    histogram = Histogram(tuple(bounds))
    for value in observed:
        histogram.observe(value)

    samples = list(histogram.samples(family))

    buckets = [sample.value for sample in samples if sample.suffix == "_bucket"]
    assert buckets == [sum(value <= bound for value in observed) for bound in (*bounds, math.inf)]
    assert [sample.value for sample in samples if sample.suffix == "_count"] == [len(observed)]


@pytest.mark.parametrize(
    "broken",
    [lambda: {}["x"], lambda: [*"ab"][2], lambda: None.x, lambda: float("x"), lambda: 1 + "x"],  # type: ignore[attr-defined,operator,index]
)
def test_a_malformed_item_costs_its_own_samples(broken: Callable[[], Any]) -> None:
    """An item that cannot be mapped has no sample at all, not even those made before the mistake was met."""
    family = Family("f", "", ("name",))

    def samples(item: str) -> Iterator[Sample]:
        yield family.sample(1, name=item)
        if item == "odd":
            broken()
        yield family.sample(2, name=f"{item}-2")

    made = list(each(["one", "odd", "two"], samples))

    assert [found.labels[0] for found in made if isinstance(found, Sample)] == ["one", "one-2", "two", "two-2"]
    [malformed] = [found for found in made if isinstance(found, Malformed)]
    assert malformed.resource == "'odd'"
    assert "Error" in malformed.error


def test_a_marker_is_short() -> None:
    """A malformed item is shown shortened, as AWS's answers are long."""

    def samples(item: str) -> Iterator[Sample]:
        raise KeyError("x")
        yield

    [malformed] = each(["x" * 10_000], samples)

    assert isinstance(malformed, Malformed)
    assert len(malformed.resource) == 120
