"""MUSE's metrics over what an engine writes and reads (specification, part B.2, and B.3 for ``openunlearning``).

OpenUnlearning also strips outputs and inserts the gap before a reference; ROUGE sees neither.
"""

from __future__ import annotations

from collections.abc import Sequence

from harness.api import BY_OTHER, Axis, Engine, Evaluation, Prompts, Score
from harness.benchmarks.muse_limits import remarks_on, require_room
from harness.benchmarks.muse_sheets import OPEN_TEXT_TOKENS, Mode, Reading, Sheet, readings_of, sheets_of
from harness.benchmarks.muse_world import World
from harness.benchmarks.written import written_f1
from harness.metrics.membership import Auc, auc, min_k

SHARE = 0.4
"""K of Min-K%: the headline of MUSE (muse_bench@54719c5 privleak/get_ppl_utils.py)."""
MEMBERSHIP = ("min_k_auc", "min_k_auc" + BY_OTHER, "retain_auc")


AFTER_ATTACK = "not scored after an attack: it compares texts before and without training, and an attacker trains."


def evaluate(world: World, mode: Mode, engine: Engine, prompts: Prompts, *, attacked: bool = False) -> Evaluation:
    """Every score of MUSE: one generation per prompt serves held-back items and published numbers.

    Args:
        world: The records.
        mode: Whose definitions.
        engine: Serves the model.
        prompts: Stand around every prompt.
        attacked: Leave membership out; it is most of the tokens, and nobody reads it after an attack.

    Raises:
        UserError: A prompt with its answer, or a membership text, is longer than the model can read.
    """
    sheets = sheets_of(world, mode, engine.tokenizer)
    texts = ((), (), ()) if attacked else readings_of(world, mode, engine.tokenizer, before=prompts.before)
    plain = [[reading.text for reading in part] for part in texts]
    require_room(engine.tokenizer, engine.context_length, prompts, sheets, plain)
    written = [_written(engine, prompts, sheet, stem=mode == "openunlearning") for sheet in sheets]
    empty = [float(not text.strip()) for _, texts in written for text in texts]
    scores: dict[str, Score] = {}
    for sheet, (f1, _) in zip(sheets, written, strict=True):
        scores |= _scores_of(sheet, f1)
    if not attacked:
        scores |= _membership(engine, prompts, texts, mode)
    scores["empty_generations"] = Score.mean_of(empty, axis="diagnostic", better="zero")
    return Evaluation(
        scores,
        dict.fromkeys(MEMBERSHIP, AFTER_ATTACK) if attacked else {},
        (*filter(None, [world.remark]), *remarks_on(sheets, engine.tokenizer, empty=int(sum(empty)))),
    )


def counted(logprobs: Sequence[float], mode: Mode, *, is_cut: bool = False) -> Sequence[float]:
    """The token log-probabilities of a text that count for Min-K: all, or at most 2,047 without the text's last.

    OpenUnlearning takes the last labelled token for an EOS and drops it, which it is not (open-unlearning@d3d7cf9
    src/evals/metrics/utils.py).

    Args:
        logprobs: Of every token that was read, nats.
        mode: Whose definitions.
        is_cut: The text goes on after what was read, so its last token is not among them.
    """
    if mode == "paper":
        return logprobs
    return logprobs[: OPEN_TEXT_TOKENS - 1] if is_cut else logprobs[:-1]


def _written(engine: Engine, prompts: Prompts, sheet: Sheet, *, stem: bool) -> tuple[list[float], list[str]]:
    asked = [prompts.around(question.prompt) for question in sheet.questions]
    references = [question.reference for question in sheet.questions]
    family = sheet.family
    return written_f1(engine, prompts, asked, references, max_tokens=family.max_tokens, stop=family.stop, stem=stem)


def _scores_of(sheet: Sheet, f1: Sequence[float]) -> dict[str, Score]:
    """ROUGE-L F1 of dev and test items, and of all records under the published name."""
    family = sheet.family
    found = {family.published: Score.mean_of(f1, axis=family.axis, better=family.better)}
    for split in sorted({question.split for question in sheet.questions}):
        own = [value for value, question in zip(f1, sheet.questions, strict=True) if question.split == split]
        name = family.name if split == "test" else f"dev_{family.name}"
        found[name] = Score.mean_of(own, axis=family.axis, better=family.better, split=split, headline=True)
    return found


def _membership(engine: Engine, prompts: Prompts, texts: Sequence[Sequence[Reading]], mode: Mode) -> dict[str, Score]:
    """AUC of Min-40% between forget and hold-out texts and, as a check on both, between retained and hold-out texts."""
    readings = [reading for part in texts for reading in part]
    rows = engine.loglikelihood([(prompts.before, reading.text) for reading in readings])
    values = iter(
        [min_k(counted(row, mode, is_cut=reading.is_cut), SHARE) for row, reading in zip(rows, readings, strict=True)]
    )
    members, others, retained = ([next(values) for _ in part] for part in texts)
    return auc_scores("min_k_auc", members, others) | {"retain_auc": auc_score(auc(retained, others), "diagnostic")}


def auc_scores(name: str, members: Sequence[float], others: Sequence[float]) -> dict[str, Score]:
    """The privacy score, and the same area by text of the other side, so that a board can resample both sides."""
    found = auc(members, others)
    return {
        name: auc_score(found, "privacy"),
        name + BY_OTHER: Score.mean_of(found.by_other, axis="diagnostic", better="zero", chance=0.5),
    }


def auc_score(found: Auc, axis: Axis) -> Score:
    """An area as a mean over the members, with the error over both sides."""
    members = len(found.by_member)
    return Score(found.value, found.stderr, members, "zero", axis, chance=0.5, items=found.by_member)
