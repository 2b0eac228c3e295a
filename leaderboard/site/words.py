"""Words that pages share: names of families, access and data, status, gates."""

from __future__ import annotations

from collections.abc import Mapping

from leaderboard.board import Row, Section
from leaderboard.evidence import ERRORS, TOLERANCE

SECTION_WORDS: Mapping[Section, str] = {
    "reference": "control",
    "ranked": "ranked",
    "below_utility": "below the utility gate",
    "not_unlearned": "not unlearned",
    "incomplete": "incomplete",
}
FAMILY_NAMES = {
    "relearn": ("Relearn", "text, questions"),
    "finetune": ("Fine-tune", "other text"),
    "edit": ("Edit", "of weights"),
    "activation": ("Activation", "directions"),
    "embedding": ("Embedding", "soft prompts"),
    "prompt": ("Prompt", "asked, searched"),
}
STATE_WORDS = {"not_applicable": "n/a", "not_defined": "n/d", "failed": "fail", "not_run": "n/r"}
"""What stands where an attack left no K."""
ROLE_NAMES = {"original": "original model", "reference": "never-learned model"}
CONTROL_NAMES = {"original": "original", "reference": "never-learned"}
"""What controls are called, whatever their methods are."""
ACCESS_WORDS = {
    "none": "nothing",
    "text": "asks the model and reads its answers",
    "logits": "sees probabilities",
    "grey": "sees some of the inside",
    "activations": "reads and differentiates through the model",
    "weights": "owns and changes the weights",
}
DATA_WORDS = {
    "none": "nothing",
    "unrelated": "text of another domain",
    "near": "text like the forget set about other entities",
    "forget": "forget documents about facts that are not scored",
    "items": "solved questions about facts that are not scored",
}
STATUS_WORDS = {
    "self-reported": "handed in, but its files do not check: see the problems on its page.",
    "files checked": "handed in; schema, ids and hashes hold, and totals equal the means of their items.",
    "first-party": "measured by the maintainers of this board, once.",
    "re-scored": f"some of its cells were measured again by the maintainers and agree (within {TOLERANCE:g}, or "
    f"{ERRORS:g} standard errors).",
    "reproduced": "every cell of a seed was measured again by the maintainers and agrees likewise.",
}
FIDELITY_WORDS = {
    "formula-checked": "its update equals the published formula in a test",
    "reproduced": "a published number was met within its tolerance",
    "approximate": "something of it is unknown or was left out, which its file says",
}
LIMITS = (
    "Controls, panel, cards, titles and remarks of a board are its maintainers'; an entry opens no board of its own.",
    "Rows that a board has get no cells from others but those of attacks outside its panel.",
    "Under every attack of the panel an entry has the stops and items that every row has; what it lacks is missing.",
    "That an attack does not apply is taken from it only where it applies to no control either.",
    "Of two entries with the same row the first by name of its folder has it.",
)
NAME_RULES = (
    "A name has at most 60 characters, no control characters and nothing that reverses the direction of text.",
    "Links are https and nothing else.",
    "A folder holds at most 64 MiB, and nothing in it leads out of it.",
    "Records carry WMDP by log-probabilities alone. No text of a gated corpus may be among the files.",
    "An attacker's prompts that were optimised against a model are held as digests.",
    "Records are published under the licence that the entry names; CC-BY-4.0 if you have no other wish.",
)


def gate(value: float) -> str:
    """A utility gate."""
    return f"{100 * value:g} %" if value else "none"


def called(row: Row) -> str:
    """What a row is called in a line of text."""
    return CONTROL_NAMES.get(row.card.role, row.label.text)
