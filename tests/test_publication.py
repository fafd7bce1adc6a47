"""What /metrics serves: lines of many owners as whole pages in two formats, made when they change, never on a GET."""

from __future__ import annotations

import asyncio
import gzip

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from small import published

from exporter import publication as module
from exporter.metrics import Family, lines
from exporter.publication import Page, Publication

VALUE = Family("tts_aws_value", "A value.", ("name",))
CALLS = Family("tts_aws_calls_total", "Calls.", ("name",), "counter")
TARGET = {"deployment": "d", "environment": "prod", "account_id": "1", "region": "r"}


def ready(family: Family, **values: float) -> dict[str, bytes]:
    return lines([family.sample(value, name=name) for name, value in values.items()], TARGET)


def built(publication: Publication, *, openmetrics: bool = False) -> str:
    asyncio.run(publication.build())
    return publication.page(openmetrics=openmetrics).plain.decode()


def ours(text: str) -> list[str]:
    return [line for line in text.splitlines() if "tts_aws_" in line]


def test_joins_by_family() -> None:
    """The lines of all owners stand together below one head for each family, in the families' order."""
    publication = Publication((VALUE, CALLS))
    publication.publish("one", ready(CALLS, a=1) | ready(VALUE, a=2))
    publication.publish("two", ready(VALUE, b=3))

    target = 'deployment="d",environment="prod",account_id="1",region="r"'
    assert ours(built(publication)) == [
        "# HELP tts_aws_value A value.",
        "# TYPE tts_aws_value gauge",
        f'tts_aws_value{{{target},name="a"}} 2',
        f'tts_aws_value{{{target},name="b"}} 3',
        "# HELP tts_aws_calls_total Calls.",
        "# TYPE tts_aws_calls_total counter",
        f'tts_aws_calls_total{{{target},name="a"}} 1',
    ]
    assert published(publication) == 3


def test_replaces_what_an_owner_published() -> None:
    """Publishing again replaces all that the owner published before, families that it has no more included."""
    publication = Publication((VALUE, CALLS))
    publication.publish("one", ready(CALLS, a=1) | ready(VALUE, a=2))
    publication.publish("two", ready(VALUE, b=3))
    built(publication)

    publication.publish("one", ready(VALUE, c=4))

    page = built(publication)
    assert [line.rpartition(" ")[2] for line in ours(page) if not line.startswith("#")] == ["4", "3"]
    assert "tts_aws_calls" not in page


def test_withdraws() -> None:
    """An owner that is withdrawn leaves nothing, not even a head without series; the others stay."""
    publication = Publication((VALUE, CALLS))
    publication.publish("one", ready(CALLS, a=1))
    publication.publish("two", ready(VALUE, b=3))
    built(publication)

    publication.withdraw("one")
    publication.withdraw("one")
    publication.withdraw("never published")

    assert "tts_aws_calls" not in built(publication)
    assert 'name="b"' in built(publication)
    publication.withdraw("two")
    assert ours(built(publication)) == []


def test_shares_what_was_read_last() -> None:
    """Of what several owners say alike, that one is served who read it last; without any of them nothing is."""

    def served() -> list[str]:
        return [line.rpartition(" ")[2] for line in ours(built(publication)) if not line.startswith("#")]

    publication = Publication((VALUE,))
    publication.share("all", "one", ready(VALUE, a=1), 200.0)
    publication.share("all", "two", ready(VALUE, a=2), 100.0)
    assert served() == ["1"]
    publication.share("all", "two", ready(VALUE, a=3), 300.0)
    assert served() == ["3"]
    publication.share("all", "two", {})
    assert served() == ["1"]

    publication.share("all", "one", {})
    publication.share("all", "never shared", {})

    assert ours(built(publication)) == []
    assert not publication._shared | publication._names  # nothing is remembered of accounts that are gone


def test_both_formats() -> None:
    """Text and OpenMetrics hold the same series; a counter's head has no suffix there, and the end is marked once."""
    publication = Publication((VALUE, CALLS))
    publication.publish("one", ready(CALLS, a=1) | ready(VALUE, a=2.5))

    text, openmetrics = built(publication), built(publication, openmetrics=True)

    assert "# EOF" not in text
    assert openmetrics.endswith("# EOF\n")
    assert openmetrics.count("# EOF") == 1
    assert "# TYPE tts_aws_calls counter\n" in openmetrics
    for parse, page in ((parse_text, text), (parse_openmetrics, openmetrics)):
        samples = [sample for family in parse(page) for sample in family.samples]
        values = {sample.name: sample.value for sample in samples if sample.name.startswith("tts_aws_")}
        assert values == {"tts_aws_value": 2.5, "tts_aws_calls_total": 1}
    assert not [line for line in openmetrics.splitlines() if "_created" in line and "tts_aws_" in line]


def test_the_process_itself() -> None:
    """The process's own series are there in both formats, each once, without anything published."""
    publication = Publication(())

    for page in (built(publication), built(publication, openmetrics=True)):
        assert page.count("# TYPE process_resident_memory_bytes ") == 1
        assert page.count("# TYPE python_info ") == 1


@pytest.mark.parametrize("inline_bytes", [0, 1_000_000_000])
def test_gzip_equals_plain(monkeypatch: pytest.MonkeyPatch, inline_bytes: int) -> None:
    """The compressed page is the plain one, whether it was compressed here or, being large, in a thread."""
    monkeypatch.setattr(module, "INLINE_BYTES", inline_bytes)
    publication = Publication((VALUE,))
    publication.publish("one", ready(VALUE, **{f"n{number}": number for number in range(1000)}))
    asyncio.run(publication.build())

    for openmetrics in (False, True):
        page = publication.page(openmetrics=openmetrics)
        assert gzip.decompress(page.gzip) == page.plain
        assert len(page.gzip) < len(page.plain) / 5


def test_nothing_is_made_on_a_get() -> None:
    """A page is the same object until the next build: what was published meanwhile waits for that."""
    publication = Publication((VALUE,))
    assert publication.page(openmetrics=False) == Page(b"", b"")
    publication.publish("one", ready(VALUE, a=1))
    built(publication)
    page = publication.page(openmetrics=False)

    publication.publish("one", ready(VALUE, a=2))

    assert publication.page(openmetrics=False) is page
    assert " 2\n" in built(publication)
    assert publication.page(openmetrics=False) is not page


def test_an_undeclared_family_is_refused() -> None:
    """Lines of a family that nobody declared are a mistake, not a page that Prometheus refuses."""
    with pytest.raises(KeyError):
        Publication((VALUE,)).publish("one", ready(CALLS, a=1))
