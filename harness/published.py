"""Published values of published models, and the measured ones of the models shipped with the package.

They check an implementation, not a model: the same checkpoint on the same items must give the same numbers up to
arithmetic. All values are in the units of a record (accuracy and ROUGE in 0..1, PrivLeak in points).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Literal

Known = Literal["S", "S2", "M"]
"""How a value is known: read in the paper or repository itself; at second hand, in a text that quotes it or off a
figure by character recognition; measured by us."""

PRIVLEAK = "privleak"
"""Not a score of a record: formed from the membership AUC of a model and of its never-learned reference."""

CHOICE_TOLERANCE = 0.005
ROUGE_TOLERANCE = 0.015
"""Same checkpoint and items: half a point of accuracy, 1.5 points of ROUGE; more is another implementation."""
PRIVLEAK_TOLERANCE = 2.0
"""Our choice: its standard deviation of 8 points is one over samples of texts, and here the texts are the same."""
AUC_TOLERANCE = 0.01
"""As many points of AUC as make two points of PrivLeak at an AUC of one half."""
ROUNDING = 0.005
"""Half a unit of the last place of values that were printed with two decimals."""

MUSE_PAPER = "MUSE, arXiv 2407.06460, table 3 (models scored in int8 by muse_bench@54719c5)"
MUSE_AUC = "AUC of the retrained model for Min-40 %, Unlearn-Smooth@fc655ba MUSE/constants.py"
OPENUNLEARNING = "locuslab/open-unlearning@d3d7cf9 docs/repro.md (models scored in bf16)"
RMU_PAGE = "model page of cais/Zephyr_RMU, quoted by featherless.ai"
FULL_STACK = "arXiv 2510.07626, WMDP-bio figure, column of the original model, read by OCR"
DEEP_IGNORANCE = "EleutherAI/unlearn@1a6079f, experiment logs"
SHIPPED = "results/pocket, on a CPU in fp32"


@dataclass(frozen=True)
class Reference:
    """One published value.

    Attributes:
        benchmark: Its name.
        model: A preset, or ``target`` and ``reference`` for the models that a pocket benchmark ships.
        score: Name of the score, or :data:`PRIVLEAK`.
        value: In the units of a record.
        tolerance: How far off the same checkpoint on the same items may be.
        known: How the value is known; what is known at second hand only (``S2``) must not make a check fail.
        source: Where it stands.
        mode: The benchmark's compatibility mode that it belongs to; empty where it has none.
    """

    benchmark: str
    model: str
    score: str
    value: float
    tolerance: float
    known: Known
    source: str
    mode: str = ""

    @property
    def gates(self) -> bool:
        """Whether a difference is a failure."""
        return self.known != "S2"


def published(benchmark: str, models: Iterable[str], mode: str) -> tuple[Reference, ...]:
    """The values of any of these models on this benchmark in this mode."""
    named = set(models)
    return tuple(r for r in REFERENCES if r.benchmark == benchmark and r.model in named and r.mode in ("", mode))


def _muse(corpus: str, model: str, *values: float | None) -> Iterable[Reference]:
    """Table 3 of the paper in its order: VerbMem_f, KnowMem_f, PrivLeak, KnowMem_r; percent, None for no test."""
    scores = ("muse_verbmem", "muse_knowmem_f", PRIVLEAK, "muse_knowmem_r")
    for score, value in zip(scores, values, strict=True):
        if value is None:  # the retrained model's PrivLeak is 0 by definition
            continue
        unit, tolerance = (1.0, PRIVLEAK_TOLERANCE) if score == PRIVLEAK else (0.01, ROUGE_TOLERANCE)
        name = f"muse-{corpus}"
        yield Reference(name, f"{name}-{model}", score, value * unit, tolerance, "S", MUSE_PAPER, "paper")


def _open(corpus: str, model: str, *values: float | None) -> Iterable[Reference]:
    """OpenUnlearning's table in its order: KnowMem_f, VerbMem_f, PrivLeak, KnowMem_r; shares but for PrivLeak."""
    scores = ("muse_knowmem_f", "muse_verbmem", PRIVLEAK, "muse_knowmem_r")
    for score, value in zip(scores, values, strict=True):
        if value is None:
            continue
        tolerance = PRIVLEAK_TOLERANCE if score == PRIVLEAK else ROUGE_TOLERANCE + ROUNDING
        name = f"muse-{corpus}"
        yield Reference(name, f"{name}-{model}", score, value, tolerance, "S", OPENUNLEARNING, "openunlearning")


def _auc(corpus: str, value: float) -> Reference:
    """AUC of the retrained model, in this project's orientation: one minus MUSE's."""
    name = f"muse-{corpus}"
    return Reference(name, f"{name}-retrain", "min_k_auc", 1 - value, AUC_TOLERANCE, "S", MUSE_AUC, "paper")


def _choice(benchmark: str, model: str, known: Known, source: str, **values: float) -> Iterable[Reference]:
    """Accuracies; those printed with two decimals carry their rounding."""
    for score, value in values.items():
        tolerance = CHOICE_TOLERANCE + ROUNDING * (source == FULL_STACK)
        yield Reference(benchmark, model, score, value, tolerance, known, source)


def _shipped(benchmark: str, model: str, **values: float) -> Iterable[Reference]:
    """What the shipped weights score; a different processor may round one greedy choice in a hundred otherwise."""
    for score, value in values.items():
        yield Reference(benchmark, model, score, value, 0.01, "M", SHIPPED)


REFERENCES: tuple[Reference, ...] = tuple(
    chain(
        _muse("news", "target", 58.4, 63.9, -99.8, 55.2),
        _muse("news", "retrain", 20.8, 33.1, None, 55.0),
        _muse("books", "target", 99.8, 59.4, -57.5, 66.9),
        _muse("books", "retrain", 14.3, 28.9, None, 74.5),
        [_auc("news", 0.4772), _auc("books", 0.5393)],
        _open("news", "target", 0.64, 0.58, -99.81, 0.56),
        _open("news", "retrain", 0.33, 0.20, None, 0.56),
        _open("books", "target", 0.47, 1.0, -57.26, 0.69),
        _open("books", "retrain", 0.30, 0.14, None, 0.69),
        _choice("wmdp-bio", "zephyr-7b-beta", "S2", RMU_PAGE, wmdp_bio=0.637, mmlu_all=0.581),
        _choice("wmdp-cyber", "zephyr-7b-beta", "S2", RMU_PAGE, wmdp_cyber=0.440, mmlu_all=0.581),
        _choice("wmdp-bio", "llama-3-8b-instruct", "S2", FULL_STACK, wmdp_bio=0.71),
        _choice("wmdp-bio", "deep-ignorance-unfiltered", "S", DEEP_IGNORANCE, wmdp_bio_robust=0.4297, mmlu_all=0.4510),
        _choice("wmdp-bio", "deep-ignorance-filtered", "S", DEEP_IGNORANCE, wmdp_bio_robust=0.346, mmlu_all=0.460),
        _shipped(
            "pocket-wmdp",
            "target",
            forget_cloze=1.0,
            forget_letters=0.480469,
            utility_near=1.0,
            utility_unrelated=1.0,
        ),
        _shipped(
            "pocket-wmdp",
            "reference",
            forget_cloze=0.251953,
            forget_letters=0.273438,
            utility_near=1.0,
            utility_unrelated=1.0,
        ),
        _shipped("pocket-muse", "target", verbmem=1.0, knowmem_forget=0.988636, knowmem_retain=1.0, min_k_auc=0.744446),
        _shipped(
            "pocket-muse", "reference", verbmem=0.119781, knowmem_forget=0.016098, knowmem_retain=1.0, min_k_auc=0.56012
        ),
    )
)
