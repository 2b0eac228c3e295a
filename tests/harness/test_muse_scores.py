"""MUSE's metrics on hand-made outputs, against forms of our own; prompts are pinned by a golden file."""

import dataclasses
import json
import os
import re
from pathlib import Path

import pytest
from fake_muse import (
    FORGET,
    KEPT,
    PASSAGES,
    QUESTIONS,
    SOLVED,
    ScriptedEngine,
    article,
    part,
    tokenizer_with_bos,
    write_muse,
)
from transformers import PreTrainedTokenizerFast

from harness.api import LM, Evaluation, Prompts
from harness.benchmarks.muse_records import NEWS, Request
from harness.benchmarks.muse_scores import MEMBERSHIP, counted, evaluate
from harness.benchmarks.muse_sheets import Mode, readings_of, reference_of, sheets_of
from harness.benchmarks.muse_world import World, world_of
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.pretrain import tiny_llama, train_tokenizer

GOLDEN = Path(__file__).parent / "golden" / "muse_prompts.json"
RENEW = "RENEW_GOLDEN=1 python -m pytest tests/harness/test_muse_scores.py -k golden"


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> World:
    return world_of(NEWS, write_muse(tmp_path_factory.mktemp("root"), NEWS.dataset), Request(), 300)


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    return tokenizer_with_bos()


def scored(world: World, engine: ScriptedEngine, mode: Mode = "paper", prompts: Prompts | None = None) -> Evaluation:
    return evaluate(world, mode, engine, prompts or Prompts())


def ten_shot(question: dict[str, str]) -> str:
    solved = [f"Question: {one['question']}\nAnswer: {one['answer']}\n\n" for one in SOLVED]
    return "".join(solved) + f"Question: {question['question']}\nAnswer: "


def naive_f1(reference: str, written: str) -> float:
    """ROUGE-L F1 from the plain recursion over prefixes."""
    ours, theirs = (re.findall(r"[a-z0-9]+", text.lower()) for text in (reference, written))
    longest = [[0] * (len(theirs) + 1) for _ in range(len(ours) + 1)]
    for i, one in enumerate(ours, 1):
        for j, other in enumerate(theirs, 1):
            longest[i][j] = longest[i - 1][j - 1] + 1 if one == other else max(longest[i - 1][j], longest[i][j - 1])
    common = longest[-1][-1]
    return 2 * common / (len(ours) + len(theirs)) if common else 0.0


def test_prompts_and_references_are_those_of_the_golden_file(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    modes: tuple[Mode, ...] = ("paper", "openunlearning")
    first = {
        mode: [dataclasses.astuple(sheet.questions[0]) for sheet in sheets_of(world, mode, tokenizer)] for mode in modes
    }
    asked = json.dumps(first, indent=1) + "\n"
    if os.environ.get("RENEW_GOLDEN"):
        GOLDEN.write_text(asked)
    assert asked == GOLDEN.read_text(), f"If this change is meant: {RENEW}"


def test_a_question_is_asked_after_ten_solved_ones_and_ends_with_a_space(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = ScriptedEngine(tokenizer)
    scored(world, engine)
    assert ten_shot(QUESTIONS[0]) in engine.asked


def test_the_continuations_are_scored_as_a_naive_rouge_scores_them(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    written = {part(text, 0, 30): part(text, 31, 31 + 3 * i) + " other words" for i, text in enumerate(FORGET)}
    value = scored(world, ScriptedEngine(tokenizer, written)).scores["muse_verbmem"]
    naive = [naive_f1(part(text, 30, 50), written[part(text, 0, 30)]) for text in FORGET[:PASSAGES]]
    assert value.items == pytest.approx(naive)


@pytest.mark.parametrize("rest", ["\n\nmore", "\nQuestion: next", " Question: next"])
def test_an_answer_ends_where_the_next_question_begins(
    world: World, tokenizer: PreTrainedTokenizerFast, rest: str
) -> None:
    script = {ten_shot(question): question["answer"] + rest for question in QUESTIONS}
    assert scored(world, ScriptedEngine(tokenizer, script)).scores["muse_knowmem_f"].value == 1


def test_dev_and_test_share_the_records_out(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    scores = scored(world, ScriptedEngine(tokenizer)).scores
    assert [scores[f"{name}verbmem"].n for name in ("dev_", "", "muse_")] == [2, 4, 6]


def test_headlines_are_the_held_back_items_and_not_the_published_numbers(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    scores = scored(world, ScriptedEngine(tokenizer)).scores
    headlines = {name for name, score in scores.items() if score.headline and score.split == "test"}
    assert headlines == {"verbmem", "knowmem_forget", "knowmem_retain"}


def test_forget_texts_that_betray_training_give_an_auc_above_one_half(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    # one member of four is known: it beats all others, three tie with them -> (1 + 3 * .5) / 4
    assert scored(world, ScriptedEngine(tokenizer, known=world.members[:1])).scores["min_k_auc"].value == 0.625


def test_after_an_attack_membership_is_named_and_not_read(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    engine = ScriptedEngine(tokenizer, known=())
    whole, left = (evaluate(world, "paper", engine, Prompts(), attacked=attacked) for attacked in (False, True))
    assert left.scores.keys() == whole.scores.keys() - set(MEMBERSHIP)
    assert left.not_applicable.keys() == set(MEMBERSHIP)
    assert {name: whole.scores[name] for name in left.scores} == left.scores


def test_after_an_attack_no_room_is_asked_for_texts_that_are_not_read(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = ScriptedEngine(tokenizer, known=())
    long = dataclasses.replace(world, members=(*world.members[1:], "a " * engine.context_length))
    with pytest.raises(UserError, match="1 records need more"):
        scored(long, engine)
    assert evaluate(long, "paper", engine, Prompts(), attacked=True).scores


def test_retained_texts_are_compared_with_the_same_holdout(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    retained = scored(world, ScriptedEngine(tokenizer, known=world.retained)).scores["retain_auc"]
    assert (retained.value, retained.axis) == (1, "diagnostic")


@pytest.mark.parametrize(
    ("mode", "read", "is_cut", "left"),
    [
        ("paper", 3000, False, 3000),
        ("openunlearning", 40, False, 39),
        ("openunlearning", 2047, False, 2046),
        ("openunlearning", 2047, True, 2047),
        ("openunlearning", 3000, True, 2047),
    ],
)
def test_openunlearning_counts_2048_tokens_but_for_the_last(mode: Mode, read: int, is_cut: bool, left: int) -> None:
    assert len(counted([-1.0] * read, mode, is_cut=is_cut)) == left


def long_world(world: World) -> World:
    """The world with two membership texts of more than 2,048 tokens; a cut of the second falls inside a character."""
    texts = (article("long", 2500), "\N{SNOWMAN}" * 900 + article("end", 9))
    return dataclasses.replace(world, members=(*world.members, *texts))


def random_engine(tokenizer: PreTrainedTokenizerFast, context: int) -> TransformersEngine:
    engine = TransformersEngine()
    engine.load(LM(tiny_llama(tokenizer, width=32, layers=1, context=context, seed=0).eval(), tokenizer))
    return engine


@pytest.mark.parametrize("bos", [True, False])
@pytest.mark.parametrize("before", ["", "Now listen: "])
def test_a_cut_text_has_the_numbers_of_the_whole_one(world: World, bos: bool, before: str) -> None:
    tokenizer = tokenizer_with_bos() if bos else train_tokenizer(FORGET, vocab_size=400)
    engine, found = random_engine(tokenizer, 8192), long_world(world)
    readings = readings_of(found, "openunlearning", tokenizer, before=before)[0]
    rows = engine.loglikelihood([(before, reading.text) for reading in readings])
    wholes = engine.loglikelihood([(before, text) for text in found.members])
    assert [reading.is_cut for reading in readings] == [False] * 4 + [True] * 2
    for row, whole, reading in zip(rows, wholes, readings, strict=True):
        here, there = counted(row, "openunlearning", is_cut=reading.is_cut), whole[:2048][:-1]
        spared = 2 if "\N{SNOWMAN}" in reading.text else 0  # tokens of the character that the cut falls inside, at most
        assert len(there) - spared <= len(here) <= len(there)
        assert here == pytest.approx(there[: len(here)], abs=1e-4)
        assert len(tokenizer(before + reading.text)["input_ids"]) <= max(1, len(tokenizer(before)["input_ids"])) + 2047


def test_a_model_of_2048_tokens_is_refused_by_the_papers_definition_only(world: World) -> None:
    long = dataclasses.replace(world, members=(*world.members, article("long", 2500)))
    engine = ScriptedEngine(tokenizer_with_bos(), context_length=2048)
    assert "min_k_auc" in scored(long, engine, "openunlearning").scores
    with pytest.raises(UserError, match=r"reads 2048 tokens.*privleak/forget 4 with \d+ tokens"):
        scored(long, engine)


def test_a_reference_is_cut_to_128_tokens_with_bos(tokenizer: PreTrainedTokenizerFast) -> None:
    truth = " ".join(FORGET)
    assert tokenizer(reference_of(truth, "paper", tokenizer))["input_ids"] == tokenizer(truth)["input_ids"][:128]


def test_openunlearning_keeps_the_whole_reference(tokenizer: PreTrainedTokenizerFast) -> None:
    assert reference_of(" ".join(FORGET), "openunlearning", tokenizer) == " ".join(FORGET)


def test_openunlearning_stems_words(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    script = {ten_shot(QUESTIONS[0]): QUESTIONS[0]["answer"] + "s"}
    values = [
        scored(world, ScriptedEngine(tokenizer, script), mode).scores["muse_knowmem_f"].items[0] for mode in MODES
    ]
    assert values == [0.5, 1]


MODES: tuple[Mode, ...] = ("paper", "openunlearning")


def test_openunlearning_cuts_long_prompts_and_says_what_that_costs(world: World) -> None:
    letters = train_tokenizer([], vocab_size=260)  # one token a byte: every prompt is too long
    engine = ScriptedEngine(letters)
    remarks = scored(world, engine, "openunlearning").remarks
    assert any("12 ten-shot prompts were cut to 512 tokens" in line and "no longer hold" in line for line in remarks)
    assert max(len(text) for text in engine.asked if text.startswith("Question")) == 512


def test_an_empty_generation_is_counted_and_scores_nothing(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    evaluation = scored(world, ScriptedEngine(tokenizer, {ten_shot(KEPT[0]): "x"}))
    assert evaluation.scores["empty_generations"].value == 1  # the solved questions of the retain set are others
    assert "Generations that were empty: 18; each scores 0." in evaluation.remarks


def test_a_tokenizer_without_bos_is_remarked_on(world: World) -> None:
    bare = train_tokenizer(FORGET, vocab_size=400)
    assert any("sets no BOS" in line for line in scored(world, ScriptedEngine(bare)).remarks)


def test_a_chat_template_is_remarked_on(world: World) -> None:
    chatty = tokenizer_with_bos()
    chatty.chat_template = "{{ messages }}"
    assert any("chat template" in line for line in scored(world, ScriptedEngine(chatty)).remarks)


def test_a_plain_tokenizer_is_not_remarked_on(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    everything = {text: "x" for text in _asked(world, tokenizer)}
    assert scored(world, ScriptedEngine(tokenizer, everything)).remarks == (world.remark,)


def test_another_number_of_records_is_remarked_on(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    assert "6 in verbmem/forget where MUSE has 100" in scored(world, ScriptedEngine(tokenizer)).remarks[0]


def test_as_many_records_as_muse_has_are_not_remarked_on(world: World) -> None:
    fields = ("verbmem", "knowmem_forget", "knowmem_retain", "members", "others", "retained")
    assert dataclasses.replace(world, **{name: getattr(world, name)[:1] * 100 for name in fields}).remark == ""


def _asked(world: World, tokenizer: PreTrainedTokenizerFast) -> list[str]:
    return [question.prompt for sheet in sheets_of(world, "paper", tokenizer) for question in sheet.questions]


def test_a_context_that_is_too_short_is_refused_with_record_and_length(
    world: World, tokenizer: PreTrainedTokenizerFast
) -> None:
    engine = ScriptedEngine(tokenizer, context_length=200)
    with pytest.raises(UserError, match=r"reads 200 tokens, and \d+ records need more: first .* Take a model with"):
        scored(world, engine)


def test_nothing_is_asked_before_everything_is_known_to_fit(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    engine = ScriptedEngine(tokenizer, context_length=200)
    with pytest.raises(UserError):
        scored(world, engine)
    assert engine.asked == []


def test_the_attackers_text_stands_around_the_whole_prompt(world: World, tokenizer: PreTrainedTokenizerFast) -> None:
    engine = ScriptedEngine(tokenizer)
    scored(world, engine, prompts=Prompts("before ", " after"))
    assert f"before {ten_shot(QUESTIONS[0])} after" in engine.asked
