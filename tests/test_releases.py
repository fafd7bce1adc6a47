"""The release table that is shipped: it is whole, it loads or names what is wrong, and it answers for any way up."""

from __future__ import annotations

import re
from datetime import date
from importlib.resources import files

import pytest
import yaml

from exporter import releases
from exporter.images import Version
from exporter.releases import Migration, OrderException, Stopover, Trap, load, minors_between
from exporter.templates import TEMPLATES

TEXT = (files("exporter") / releases.FILE).read_text()


def version(text: str) -> Version:
    found = Version.parse(text)
    assert found
    return found


def test_the_table_is_whole() -> None:
    """Every minor since 3.18 is there with all its patches, each later than the one before."""
    dates = load().releases
    minors = {each.minor for each in dates}

    assert minors == set(range(18, max(minors) + 1))
    for minor in minors:
        patches = [each.patch for each in dates if each.minor == minor]
        days = [day for each, day in dates.items() if each.minor == minor]
        assert patches == list(range(len(patches)))
        assert days == sorted(set(days))
    assert dates[version("3.36.0")] == date(2026, 3, 27)
    assert dates[version("3.34.3")] == date(2025, 10, 16)


def test_newest() -> None:
    """The newest release is the highest, not the last in the file."""
    assert str(load().newest()) == "3.36.2"


def test_minors_are_counted_as_numbers() -> None:
    """A release is as many minors behind as there were minors since; patches and what is ahead do not count."""
    assert minors_between(version("3.25.2"), version("3.36.2")) == 11
    assert minors_between(version("3.9.0"), version("3.10.0")) == 1
    assert minors_between(version("3.36.0"), version("3.36.2")) == 0
    assert minors_between(version("3.37.0"), version("3.36.2")) == 0
    assert minors_between(Version(3, 35), version("3.36.0")) == 1


def migrations_between(before: Version, after: Version) -> list[Migration]:
    """The migrations of the releases after one, up to another."""
    return [each for each in load().migrations if before < each.version <= after]


def traps_between(before: Version, after: Version) -> list[Trap]:
    """The traps on the way from one release to another."""
    return [trap for trap in load().traps if trap.waits_for(before, after)]


def order_exceptions_between(before: Version, after: Version) -> list[OrderException]:
    """The exceptions to the order of the releases after one, up to another."""
    return [each for each in load().order_exceptions if before < each.version <= after]


def stopovers_between(before: Version, after: Version) -> list[Stopover]:
    """The stop-overs that who is before one of them cannot leap over."""
    return [stop for stop in load().stopovers if before < stop.version and stop.entering <= after]


@pytest.mark.parametrize(
    ("before", "after", "databases"),
    [
        ("3.36.1", "3.36.2", []),
        ("3.35.2", "3.36.1", ["noc-db"]),
        ("3.33.2", "3.34.3", []),
        ("3.31.1", "3.33.0", ["is-db", "noc-db", "is-db", "noc-db"]),
        ("3.25.1", "3.25.2", ["noc-db"]),
        ("3.24.0", "3.25.0", ["noc-db", "ns-db"]),
        ("3.25.2", "3.26.0", ["storage-db"]),
        ("3.17.2", "3.18.0", ["js-db"]),
        ("3.36.1", "3.35.2", []),
    ],
)
def test_migrations(before: str, after: str, databases: list[str]) -> None:
    """Migrations are due for what comes after the present release, up to the one that is upgraded to."""
    found = migrations_between(version(before), version(after))

    assert [each.database for each in found] == databases


def test_migrations_are_not_all_alike() -> None:
    """One can be left out, and one is an initialisation."""
    [noc, ns] = migrations_between(version("3.24.2"), version("3.25.0"))
    assert (noc.optional, ns.optional) == (False, True)
    commands = {each.command for each in migrations_between(version("3.20.2"), version("3.21.0"))}
    assert commands == {"migrate", "init"}


def traps(before: str, after: str) -> set[tuple[str, str]]:
    """Version and first words of the traps on a way."""
    found = traps_between(version(before), version(after))
    return {(str(trap.version), " ".join(trap.text.split()[:2])) for trap in found}


def test_traps() -> None:
    """The traps of a way are those of the releases that it goes through or ends at, not of the one it begins at."""
    assert traps("3.25.2", "3.26.0") == {("3.26.0", "The UDP"), ("3.26.0", "dcs-db migrate")}
    assert traps("3.26.0", "3.29.2") == set()
    assert ("3.30.2", "Replicas of") in traps("3.30.1", "3.36.2")
    assert ("3.30.2", "Replicas of") not in traps("3.30.2", "3.36.2")


def test_trap_that_is_a_window() -> None:
    """The releases on Amazon Linux 2023 trouble who goes to or comes from one of them, not who leaps over them."""
    window = ("3.34.1", "Up to")

    assert window in traps("3.33.2", "3.34.1")
    assert window in traps("3.33.2", "3.35.0")
    assert window in traps("3.34.3", "3.36.2")
    assert window not in traps("3.33.2", "3.35.1")
    assert window not in traps("3.35.1", "3.36.2")


def test_order_exceptions() -> None:
    """What is documented to be done first, and what is put right last, lies on the way past its release."""
    [exception] = order_exceptions_between(version("3.30.0"), version("3.36.0"))
    assert [step.template[:3] for step in exception.first] == ["5-4", "2-5", "2-6"]
    assert [step.template[:3] for step in exception.last] == ["5-4"]
    between = order_exceptions_between(version("3.11.1"), version("3.26.0"))
    assert [str(each.version) for each in between] == ["3.11.2", "3.24.0", "3.26.0"]


@pytest.mark.parametrize(
    ("before", "after", "stops"),
    [
        ("3.18.2", "3.20.0", [("3.19.2", "is-db")]),
        ("3.19.1", "3.19.2", []),
        ("3.19.2", "3.20.0", []),
        ("3.23.2", "3.25.0", [("3.24.0", "ns-db")]),
        ("3.24.1", "3.36.2", []),
        ("3.23.2", "3.24.2", []),
        ("3.16.2", "3.36.2", [("3.19.2", "is-db"), ("3.24.0", "ns-db")]),
    ],
)
def test_stopovers(before: str, after: str, stops: list[tuple[str, str]]) -> None:
    """A database that is too old cannot be migrated past certain releases in one go."""
    found = stopovers_between(version(before), version(after))

    assert [(str(stop.version), stop.database) for stop in found] == stops


def test_templates_that_are_named_exist() -> None:
    """Every template that the file names is one that stacks are recognised by."""
    known = load()
    named = {template for trap in known.traps for template in trap.templates}
    named |= {step.template for each in known.order_exceptions for step in (*each.first, *each.last)}

    assert named <= TEMPLATES.keys()


def test_is_read_once() -> None:
    """Whoever asks gets the same table."""
    assert load() is load()


@pytest.mark.parametrize(
    ("good", "broken", "key"),
    [
        ("version: 3.12.2", "version: 3.12", "traps.0.version"),
        ('"3.36": {0:', '"3.x": {0:', "releases.3.x.0"),
        ("2026-06-22", "June", "releases.3.36.1"),
        ('"3.36": {', '"3.37": soon\n  "3.36": {', "releases: expected minor -> patch -> date"),
        ("database: js-db", "databases: js-db", "migrations.0.database"),
        ("optional: true", "optional: perhaps", "migrations.12.optional"),
        ("until: 3.35.0", "until: soon", "traps.24.until"),
        ("action: delete the stack", "do: delete the stack", "order_exceptions.0.first.0.action"),
        ("entering: 3.20.0", "enters: 3.20.0", "stopovers.0.entering"),
        ("stopovers:", "stops:", "stopovers"),
        ("- {version: 3.18.0, database: js-db}", "- {version: 3.18.0, database: js-db, why: so}", "migrations.0.why"),
        ("- {version: 3.18.0, database: js-db}", "- {version: 3.36.2, database: js-db}", "migrations.1.version"),
        ("templates: [2-3-db-redis]", "templates: 2-3-db-redis", "traps.1.templates"),
        ("\ntraps:\n", "\ntraps:\n- just text\n", "traps.0"),
        ("releases:\n", "releases: {\n", "while parsing"),
    ],
)
def test_a_broken_file_names_the_key(good: str, broken: str, key: str) -> None:
    """What is misspelt, missing, of another kind or out of order is told by its key."""
    assert good in TEXT

    with pytest.raises(ValueError, match=re.escape(f"releases.yaml: {key}")):
        releases.parse(TEXT.replace(good, broken, 1))


def test_an_empty_table_is_no_table() -> None:
    """Without any release nothing could be the newest."""
    with pytest.raises(ValueError, match=r"releases: .* at least 1 item"):
        releases.parse(yaml.safe_dump({**yaml.safe_load(TEXT), "releases": {}}))
