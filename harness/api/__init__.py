"""What a plugin author needs: the values that cross the border and the protocols behind it.

Standard library and typing only, so that declaring a component costs nothing to import. A component is a frozen
dataclass with one method; its fields are the constructor, the only place of a default, the grid's vocabulary, the
documentation and what a record stores.
"""

from harness.api.attackers import (
    Access,
    AttackerData,
    DataAccess,
    Family,
    Point,
    Prompts,
    Selection,
    Threat,
    Verdict,
    remarked,
    shortage,
)
from harness.api.fields import param
from harness.api.protocols import Attack, Benchmark, Engine, Method
from harness.api.values import (
    BY_OTHER,
    LM,
    STRICT,
    Axis,
    BenchmarkCard,
    Corpora,
    Direction,
    Evaluation,
    Fidelity,
    Item,
    Need,
    NotApplicable,
    Personas,
    Published,
    Role,
    Scale,
    Score,
    Split,
)

__all__ = [
    "BY_OTHER",
    "LM",
    "STRICT",
    "Access",
    "Attack",
    "AttackerData",
    "Axis",
    "Benchmark",
    "BenchmarkCard",
    "Corpora",
    "DataAccess",
    "Direction",
    "Engine",
    "Evaluation",
    "Family",
    "Fidelity",
    "Item",
    "Method",
    "Need",
    "NotApplicable",
    "Personas",
    "Point",
    "Prompts",
    "Published",
    "Role",
    "Scale",
    "Score",
    "Selection",
    "Split",
    "Threat",
    "Verdict",
    "param",
    "remarked",
    "shortage",
]
