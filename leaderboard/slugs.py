"""Names as parts of addresses, files and keys: lower-case letters, digits and hyphens, whatever a name holds."""

from __future__ import annotations

import re

from harness.record import digest

LONGEST = 48


def stem(name: str) -> str:
    """The part of a name that is safe in an address; not distinct."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:LONGEST].strip("-") or "unnamed"


def distinct_stem(name: str) -> str:
    """The name itself where it is safe (an underscore reads as a hyphen), else its safe part and part of its digest."""
    plain = stem(name)
    return plain if plain == name.replace("_", "-") and "-" not in name else f"{plain}-{digest(name)[:6]}"
