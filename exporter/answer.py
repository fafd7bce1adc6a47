"""What a fetch brings: parts of an answer, each with its age, so that each can grow too old for itself."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple


class Age(NamedTuple):
    """When something was read, and from when on it is too old to be served; Unix seconds."""

    read_at: float
    expires_at: float


class Answer(dict[Any, Any]):
    """The parts of a fetch by key; a part that could not be read is absent. ``ages`` has the age of each."""

    def __init__(self) -> None:
        super().__init__()
        self.ages: dict[Any, Age] = {}

    def at(self, moment: float) -> Answer:
        """The parts that are not too old at a moment; of a part that was itself gathered, its young parts."""
        young = Answer()
        for key, age in self.ages.items():
            part = self[key]
            if isinstance(part, Answer) and (oldest := (part := part.at(moment)).oldest()):
                young[key], young.ages[key] = part, oldest
            elif age.expires_at > moment:
                young[key], young.ages[key] = self[key], age
        return young

    def ordered(self, keys: Iterable[Any]) -> Answer:
        """The same parts in the order of the keys: the exposition should not depend on who answered first."""
        same = Answer()
        same.update({key: self[key] for key in keys if key in self})
        same.ages = {key: self.ages[key] for key in same}
        return same

    def keep(self, before: Answer) -> None:
        """Take over the parts of the last answer that this one lacks; they grow old like any other."""
        for key, part in before.items():
            if key not in self:
                self[key], self.ages[key] = part, before.ages[key]
            elif isinstance(part, Answer) and isinstance(self[key], Answer):
                self[key].keep(part)
                self.ages[key] = self[key].oldest() or self.ages[key]

    def oldest(self) -> Age | None:
        """The earliest read and the earliest expiry among the parts; None for an empty answer."""
        ages = self.ages.values()
        return Age(min(age.read_at for age in ages), min(age.expires_at for age in ages)) if ages else None
