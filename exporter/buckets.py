"""What a bucket of a deployment is for, and so what is expected of it."""

from __future__ import annotations

from .deployment import Stack

# Outputs of 2-4b-routing-s3 that name its buckets.
_OUTPUTS = {"InteropConfigBucket": "interop", "EDCSConfigBucket": "edcs", "PluginsConfigBucket": "plugins"}

# A purpose -> the word that the bucket's name has for it. CloudFormation makes names of the stack's, then the logical
# id's letters in lower case (profilepicturesbucket), so a word need not stand alone.
_WORDS = {
    "interop": "interop",
    "edcs": "edcs",
    "plugins": "plugin",
    "profile_pictures": "profile",
    "device_pictures": "device",
    "mtls": "mtls",
    "logs": "logs",
}

# What the buckets of a template can be for.
_TEMPLATES = {
    "1-1-vpc": ("logs",),
    "2-4a-is-s3": ("profile_pictures", "device_pictures"),
    "2-4b-routing-s3": ("interop", "edcs", "plugins"),
    "2-4c-mtls-s3": ("mtls",),
}


def purpose(name: str, stack: Stack | None) -> str:
    """The purpose of a bucket: interop, edcs, plugins, profile_pictures, device_pictures, mtls, logs or other.

    ``stack`` is the one that owns it, None where no stack does. Its outputs decide, then its template, then the name.
    """
    if stack:
        for output, named in _OUTPUTS.items():
            if stack.outputs.get(output) == name:
                return named
    possible = _TEMPLATES.get(stack.template or "", tuple(_WORDS)) if stack else tuple(_WORDS)
    if len(possible) == 1:
        return possible[0]
    # What tells buckets apart stands last; a network can be called device-makers.
    last = max(possible, key=lambda each: name.rfind(_WORDS[each]))
    return last if _WORDS[last] in name else "other"
