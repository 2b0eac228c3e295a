"""Documents of a third domain for the benchmarks on real records: solved word problems of GSM8K's training split.

ILU makes unlearning invariant to fine-tuning on them (2506.01339). No attacker owns them, and utility by GSM8K is
measured on the test split. They are loaded when a method looks at them, since every other runs without.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import overload

from harness.benchmarks.content import text_digest
from harness.benchmarks.records import SplitName, is_text, load_split
from harness.benchmarks.wmdp_questions import is_there
from harness.errors import UserError
from harness.models import Need
from harness.presets import REVISIONS

PLACE = SplitName("openai/gsm8k", "main", "train")
COUNT = 7_473
NEED = Need("dataset", PLACE.dataset, PLACE.config, PLACE.split, REVISIONS[PLACE.dataset], optional=True)


@dataclass(frozen=True)
class Problems(Sequence[str]):
    """Questions with their solutions as they stand, one text each.

    Attributes:
        data_root: Folder laid out as the hub is; empty for the hub.
    """

    data_root: str

    @overload
    def __getitem__(self, index: int) -> str: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[str]: ...

    def __getitem__(self, index: int | slice) -> str | Sequence[str]:
        """One text or several."""
        return _texts(self.data_root)[index]

    def __len__(self) -> int:
        """How many there are."""
        return len(_texts(self.data_root))

    def digest(self) -> str:
        """What identifies them: on the hub the pinned commit, under a data root SHA-256; ``absent`` without them."""
        if not is_there(PLACE.dataset, self.data_root):
            return "absent"
        return text_digest(_texts(self.data_root)) if self.data_root else REVISIONS[PLACE.dataset]


@lru_cache(maxsize=2)
def _texts(data_root: str) -> tuple[str, ...]:
    if not is_there(PLACE.dataset, data_root):
        raise UserError(
            f"This method needs documents of a third domain, {PLACE}, which is not under {data_root}. Copy it to "
            f"<root>/{PLACE.dataset}, leave --data-root out, or leave the method out."
        )
    rows = load_split(
        PLACE,
        columns=("question", "answer"),
        data_root=data_root,
        check=is_text("question", "answer"),
        revision=REVISIONS[PLACE.dataset],
        count=None if data_root else COUNT,
    )
    return tuple(f"{row['question']}\n{row['answer']}" for row in rows)
