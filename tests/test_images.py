"""Image references as people and mirrors write them, and versions that must compare as numbers do."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.images import Image, Version, parse

HUB = "docker.io/thethingsindustries/lorawan-stack"
DIGEST = "sha256:ae0305a9427a91f6f63e55af0eaa1d9c4c02af07f672d15e4a77d99b65327822"

numbers = st.integers(0, 999)
pres = st.one_of(st.just(""), st.from_regex(r"(rc|alpha|beta|dev)[0-9A-Za-z.]*", fullmatch=True))
versions = st.builds(Version, st.just(3), numbers, st.one_of(st.none(), numbers), pres)
flavours = st.sampled_from(["", "-aws", "-aws-proxy", "-aws-trm-prometheus"])


@pytest.mark.parametrize(
    ("reference", "version", "pinned", "flavour"),
    [
        (f"{HUB}:3.36.1-aws", "3.36.1", True, "aws"),
        ("thethingsindustries/lorawan-stack:3.36.1-aws-trm-prometheus", "3.36.1", True, "aws-trm-prometheus"),
        ("111122223333.dkr.ecr.eu-west-1.amazonaws.com/tts/server:3.36.1-aws", "3.36.1", True, "aws"),  # a free name
        ("registry.local:5000/lorawan-stack:3.36.1-aws-proxy", "3.36.1", True, "aws-proxy"),  # a port is no tag
        ("registry.local:5000/lorawan-stack", "None", False, None),
        (f"{HUB}:3.35-aws", "3.35", False, "aws"),
        (f"{HUB}:3.12-aws-proxy", "3.12", False, "aws-proxy"),
        (f"{HUB}:v3.30.0-aws-proxy", "3.30.0", True, "aws-proxy"),
        (f"{HUB}:3.30.0-rc1-aws", "3.30.0-rc1", True, "aws"),
        (f"{HUB}:3.36.1-aws@{DIGEST}", "3.36.1", True, "aws"),
        (f"{HUB}:3.36-aws@{DIGEST}", "3.36", True, "aws"),  # by its digest
        (f"{HUB}@{DIGEST}", "None", True, None),
        (f"{HUB}:latest", "None", False, None),
        (HUB, "None", False, None),
        (f"{HUB}:3.36.1", "3.36.1", True, ""),  # not made for ECS
        (f"{HUB}:3.36.1-aws-arm64", "3.36.1", True, "aws"),
        ("thethingsnetwork/lorawan-stack:3.36.1", "3.36.1", True, ""),  # the open-source edition
        ("ghcr.io/thethingsindustries/lorawan-stack-noc-grafana:3.30.0", "3.30.0", True, None),
        ("docker.io/thethingsindustries/aws-certbot-dns-route53:latest", "None", False, None),
        ("lorawan-stack:production", "None", False, None),  # the operator's own tag
        (f"{HUB}:3.36.1-acme2", "None", False, None),
    ],
)
def test_images_of_the_things_stack(reference: str, version: str, pinned: bool, flavour: str | None) -> None:
    """The vendor's images are known by name or by tag; the tag tells release, flavour and whether it can move."""
    image = parse(reference)

    assert (image.vendors, str(image.version), image.pinned, image.flavour) == (True, version, pinned, flavour)


@pytest.mark.parametrize(
    "reference",
    [
        "quay.io/thanos/thanos:v0.29.0",
        "quay.io/prometheus/node-exporter:v1.7.0",
        "registry.local/tts-aws-exporter:3.1.4",
        "public.ecr.aws/aws-observability/aws-for-fluent-bit:2.31.12-aws",
        "busybox",
        "",
        ":",
        "@",
    ],
)
def test_images_of_others(reference: str) -> None:
    """Of an image that is not of The Things Stack nothing is read from a tag: its numbers mean something else."""
    image = parse(reference)

    assert (image.vendors, image.version, image.flavour) == (False, None, None)


def test_parts_of_a_reference() -> None:
    """Registry, name, tag and digest are kept apart; without a tag it is latest, unless a digest says which it is."""
    assert parse(f"host:1/a/b:3.36.1-aws@{DIGEST}") == Image(
        "host:1/a/b", "b", "3.36.1-aws", DIGEST, True, Version(3, 36, 1), "aws", True
    )
    assert parse("host:1/a/b").tag == "latest"
    assert parse(f"host:1/a/b@{DIGEST}").tag == ""


def test_what_starts_the_binary_is_the_vendors() -> None:
    """A mirror can have any name and a tag without flavour: who starts the vendor's binary knows better."""
    assert not parse("mirror/tts:3.36.1").vendors
    image = parse("mirror/tts:3.36.1", starts_stack=True)
    assert (image.vendors, image.version, image.flavour) == (True, Version(3, 36, 1), "")


@pytest.mark.parametrize(
    "tag", ["3.36.1\n", "٣.36.1", f"3.{'9' * 5000}.1", f"3.1.{'9' * 5000}", "3.36.1-rc" + "9" * 5000, "3..1", "3.36."]
)
def test_tags_that_only_look_like_versions(tag: str) -> None:
    """Digits of other scripts, lines and numbers without end are no release, and stop nothing."""
    image = parse(f"{HUB}:{tag}")

    assert image.version is None or image.version.pre.startswith("rc9")


@given(st.text())
def test_any_string_is_taken_apart(reference: str) -> None:
    """No string raises, and every part of it comes from it."""
    image = parse(reference)

    assert image.repository in reference
    assert image.digest in reference
    assert image.tag in reference or image.tag == "latest"


@given(versions, flavours, st.sampled_from(["", f"@{DIGEST}"]))
def test_a_tag_is_read_as_it_was_written(version: Version, flavour: str, digest: str) -> None:
    """Whatever release and flavour a tag is made of is found in it."""
    image = parse(f"{HUB}:{version}{flavour}{digest}")

    assert image.version == version
    assert image.flavour == flavour.removeprefix("-")
    assert image.pinned == (version.patch is not None or bool(digest))


def test_versions_compare_as_numbers() -> None:
    """3.9 is older than 3.10, a pre-release than its release, and rc9 than rc10."""
    ordered = ["3.9.12", "3.10.0-alpha2", "3.10.0-rc1", "3.10.0-rc9", "3.10.0-rc10", "3.10.0", "3.10.1", "3.36.0"]
    parsed = [Version.parse(text) for text in ordered]

    assert None not in parsed
    assert sorted(filter(None, reversed(parsed))) == parsed
    assert Version(3, 10) < Version(3, 10, 0)
    assert Version(3, 9, 9) < Version(3, 10)


@given(st.lists(versions.filter(lambda version: version.patch is not None)))
def test_numbers_sort_as_versions_do(given_: list[Version]) -> None:
    """In PromQL the numbers of versions have the versions' order, pre-releases of one release aside."""
    ordered = [version.number for version in sorted(given_)]

    assert ordered == sorted(ordered)


def test_numbers() -> None:
    """A number can be read by a person; a pre-release lies between the release before and its own."""
    assert Version(3, 36, 1).number == 3_036_001
    assert Version(3, 36, 0).number < Version(3, 36, 1, "rc1").number < Version(3, 36, 1).number
    with pytest.raises(ValueError, match=r"3\.36 has no patch"):
        _ = Version(3, 36).number


@pytest.mark.parametrize(
    ("text", "version"),
    [
        ("3.36.1", Version(3, 36, 1)),
        ("v3.36.1", Version(3, 36, 1)),
        ("3.37.0-rc1", Version(3, 37, 0, "rc1")),
        ("3.36", None),
        ("3.36.1-aws", None),
        ("3.36.1-rc1-aws", None),
        ("2.36.1", None),
        ("", None),
    ],
)
def test_versions_are_parsed_in_full(text: str, version: Version | None) -> None:
    """A stack's VersionTag is a whole release with or without v; a tag with more to it is none."""
    assert Version.parse(text) == version
