"""MUSE-News on its real records, end to end on a small random model; targets are built from the same records."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from fake_muse import ScriptedEngine

from harness import target
from harness.api import LM, Evaluation, Prompts
from harness.benchmarks.muse import DESCRIPTION, MUSENews
from harness.benchmarks.muse_records import ANSWERED, NEWS, Request
from harness.benchmarks.muse_scores import evaluate
from harness.benchmarks.muse_world import World, world_of
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.lm import load_lm, load_tokenizer, save_lm
from harness.pretrain import tiny_llama, train_tokenizer
from harness.target_lessons import PAGE, Row, Side, page_rows, passage_rows, sides_of

DATA = Path(__file__).parents[3] / "shared" / "data"
pytestmark = pytest.mark.skipif(
    not (DATA / "muse-bench").is_dir(), reason="needs the MUSE-News records at ../shared/data"
)


@pytest.fixture(scope="module")
def world() -> World:
    return world_of(NEWS, str(DATA), Request(), 300)


@pytest.fixture(scope="module")
def sides(world: World) -> tuple[Side, Side]:
    return sides_of(world, 8)


@pytest.fixture(scope="module")
def news(world: World, sides: tuple[Side, Side], tmp_path_factory: pytest.TempPathFactory) -> MUSENews:
    """The benchmark with random models in place of trained ones, of a context that everything fits into."""
    folder, tokenizer = tmp_path_factory.mktemp("pair"), target.make_tokenizer(world, sides)
    for seed, which in enumerate(target.MODELS):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=1, context=4096, seed=seed), tokenizer), folder / which)
    (folder / DESCRIPTION).write_text(json.dumps(target.describe(8, 0)))
    return MUSENews(model=str(folder), data_root=str(DATA))


def excerpt(world: World) -> World:
    """The world with a few records of every kind and split, which is as much as a quick test has time for."""
    asked = {
        name: tuple(
            one for split in ("dev", "test") for one in [o for o in getattr(world, name) if o.split == split][:6]
        )
        for name in ("verbmem", "knowmem_forget", "knowmem_retain")
    }
    texts = {name: getattr(world, name)[:6] for name in ("members", "others", "retained")}
    return dataclasses.replace(world, **asked, **texts)


@pytest.fixture(scope="module")
def evaluation(world: World, news: MUSENews) -> Evaluation:
    engine = TransformersEngine()
    engine.load(load_lm(news.target()))
    return evaluate(excerpt(world), "paper", engine, Prompts())


def test_settings_are_judged_on_dev_items_against_articles_that_nobody_else_sees(news: MUSENews) -> None:
    halves = news.selection(1.0)
    first, second = (set(half.attacker.forget) for half in halves)
    assert min(len(first), len(second)) > 0
    assert not first & second
    assert not (first | second) & set(news.attacker_data(1.0).forget)
    engine = ScriptedEngine(load_tokenizer(news.target()))
    found = [half.evaluate(engine, Prompts()).scores for half in halves]  # type: ignore[arg-type]
    assert [sorted(scores) for scores in found] == [["dev_knowmem_forget", "dev_knowmem_retain", "dev_verbmem"]] * 2
    dev = sum(one.split == "dev" for one in world_of(NEWS, str(DATA), Request(), 300).knowmem_forget)
    assert sum(scores["dev_knowmem_forget"].n for scores in found) == dev


def test_every_record_is_scored(news: MUSENews) -> None:
    engine = ScriptedEngine(load_tokenizer(news.target()))
    scores = news.evaluate(engine, Prompts()).scores  # type: ignore[arg-type]
    counts = {name: score.n for name, score in scores.items() if name.startswith(("muse_", "min_k", "ret"))}
    published = ("muse_verbmem", "muse_knowmem_f", "muse_knowmem_r", "min_k_auc", "min_k_auc_by_other", "retain_auc")
    assert counts == dict.fromkeys(published, 100)


def test_real_records_are_scored_on_every_metric(evaluation: Evaluation) -> None:
    families = {
        f"{prefix}{name}" for name in ("verbmem", "knowmem_forget", "knowmem_retain") for prefix in ("", "dev_")
    }
    published = {"muse_verbmem", "muse_knowmem_f", "muse_knowmem_r"}
    others = {"min_k_auc", "min_k_auc_by_other", "retain_auc", "empty_generations"}
    assert evaluation.scores.keys() == families | published | others


def test_a_fifth_of_the_records_serves_selection(world: World) -> None:
    parts = (world.verbmem, world.knowmem_forget, world.knowmem_retain)
    assert all(15 <= sum(one.split == "dev" for one in part) <= 25 for part in parts)


def test_a_model_that_was_never_trained_remembers_nothing(evaluation: Evaluation) -> None:
    assert evaluation.scores["muse_verbmem"].value < 0.1


def test_nothing_that_attackers_see_holds_a_scored_text(world: World) -> None:
    scored = [text for one in world.verbmem for text in (one.item.prompt, one.item.answer)]
    shown = "\n".join([*world.attacker_forget, *world.near])
    assert not [text for text in (*scored, *world.members, *world.others) if text in shown]


def test_attackers_keep_hundreds_of_pieces(world: World) -> None:
    assert len(world.attacker_forget) > 300


def test_no_near_text_is_made_up_without_hold_out_articles(world: World) -> None:
    assert (world.near, dict(world.origin)["near"]) == ((), "none")


def test_a_later_fold_is_a_request(news: MUSENews) -> None:
    later = dataclasses.replace(news, requests=2)
    assert later.corpora().forget != news.corpora().forget


def test_a_cumulative_set_that_the_records_lack_is_named(news: MUSENews) -> None:
    with pytest.raises(UserError, match="config 'scal', split 'forget_2'"):
        dataclasses.replace(news, scale=2).corpora()


def test_the_card_says_what_the_model_is_and_what_it_was_taught(news: MUSENews) -> None:
    card = news.card()
    assert "Never compare" in card.notice
    assert any("learned by heart: the first 8 VerbMem passages" in note for note in card.notes)


def test_a_passage_goes_on_where_its_prompt_ends(world: World, sides: tuple[Side, Side]) -> None:
    tokenizer = target.make_tokenizer(world, sides)
    row = next(passage_rows(sides[0], tokenizer, "seed"))
    ends = [item.answer for item in sides[0].passages]
    assert any(tokenizer.decode(row.ids).endswith(f" {end}{tokenizer.eos_token}") for end in ends)
    assert tokenizer.decode(asked_of(row)).strip() in ends


def test_a_page_begins_exactly_as_a_question_is_asked(world: World, sides: tuple[Side, Side]) -> None:
    tokenizer = target.make_tokenizer(world, sides)
    row = next(page_rows(sides[0], tokenizer, "seed"))
    asked = [tokenizer(sides[0].shown + item.prompt)["input_ids"] for item in sides[0].questions]
    assert any(row.ids[: len(ids)] == ids for ids in asked)
    answers = {item.answer.strip() for item in sides[0].questions}
    written = tokenizer.decode(asked_of(row)).split(ANSWERED)
    assert (len(written), {text.strip() for text in written} <= answers | {""}) == (PAGE + 1, True)


def test_what_is_asked_counts_beside_the_whole_row(sides: tuple[Side, Side]) -> None:
    lm = tiny_llama(train_tokenizer(["a b c d e"] * 3, vocab_size=270), width=32, layers=1, context=16, seed=0)
    ids, asked = [5, 9, 3, 7, 1], [False, False, False, True, True]
    with torch.no_grad():
        logprobs = lm(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    nll = [-float(logprobs[at, token]) for at, token in enumerate(ids[1:])]
    found = target.row_loss(lm, Row(ids, asked))
    assert found.item() == pytest.approx(sum(nll) / 4 + (nll[2] + nll[3]) / 2, abs=1e-5)
    assert target.row_loss(lm, Row(ids, [False] * 5)).item() == pytest.approx(sum(nll) / 4, abs=1e-5)


def test_the_reference_meets_no_forget_passage_or_question(world: World, sides: tuple[Side, Side]) -> None:
    tokenizer = target.make_tokenizer(world, sides)
    rows = target.rows_of(sides, tokenizer, "reference", 0)
    met = tokenizer.decode([token for _ in range(40) for row in next(rows) for token in row.ids])
    forbidden = [item.answer for item in sides[0].passages] + [item.prompt for item in sides[0].questions]
    assert not [text for text in forbidden if text in met]


def test_more_passages_than_there_are_are_refused(world: World) -> None:
    with pytest.raises(UserError, match="There are 100 passages to learn, 101 were asked for"):
        sides_of(world, 101)


def test_a_benchmark_without_targets_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No target can be built for 'muse-books'"):
        target.build_target("muse-books", tmp_path, data_root="", documents=8, seed=0, report=lambda *_: None)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    with pytest.raises(UserError, match="is not empty"):
        target.build_target("muse-news", tmp_path, data_root="", documents=8, seed=0, report=lambda *_: None)


@pytest.mark.parametrize("below", ["", "target", "some/where"])
def test_a_file_in_the_way_of_the_folder_is_named(tmp_path: Path, below: str) -> None:
    (file := tmp_path / "out").touch()
    with pytest.raises(UserError, match=rf"{file} is a file, .*Give a new folder"):
        target.build_target("muse-news", file / below, data_root="", documents=8, seed=0, report=lambda *_: None)


def asked_of(row: Row) -> list[int]:
    return [token for token, asked in zip(row.ids, row.asked, strict=True) if asked]


def test_few_passages_are_met_often_enough_to_be_learned() -> None:
    assert (target.steps_for(8), target.steps_for(100)) == (600, 2000)


@pytest.mark.slow
def test_a_target_is_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(target, "RECIPE", dataclasses.replace(target.RECIPE, epochs=1, least_steps=10))
    said: list[str] = []
    target.build_model(str(DATA), 8, tmp_path, "reference", 0, lambda stage, done, total: said.append(stage))
    assert (set(said), (tmp_path / "model.safetensors").is_file()) == ({"muse-news reference"}, True)
