"""MUSE-News on a slice: which real passages are chosen, what is scored, and what is said when something is missing."""

import json
from pathlib import Path

import pytest

from harness import target
from harness.api import LM, Prompts
from harness.benchmarks.muse import DESCRIPTION, MUSENews
from harness.benchmarks.news_slice import NewsSlice, Passage, load_slice, passages
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.lm import load_lm, save_lm
from harness.pretrain import tiny_llama

DATA = Path(__file__).parents[3] / "shared" / "data"
real = pytest.mark.skipif(not (DATA / "muse-bench").is_dir(), reason="needs the MUSE-News records at ../shared/data")


@pytest.fixture(scope="module")
def news() -> NewsSlice:
    return load_slice(str(DATA), 8)


@pytest.fixture(scope="module")
def untrained(news: NewsSlice, tmp_path_factory: pytest.TempPathFactory) -> MUSENews:
    """The benchmark with random models in place of trained ones."""
    folder, tokenizer = tmp_path_factory.mktemp("slice"), target.make_tokenizer(news)
    for seed, which in enumerate(target.MODELS):
        save_lm(LM(tiny_llama(tokenizer, width=32, layers=1, context=1024, seed=seed), tokenizer), folder / which)
    (folder / DESCRIPTION).write_text(json.dumps(target.describe(news, 0)))
    return MUSENews(model=str(folder), data_root=str(DATA))


def test_a_record_is_used_only_if_it_lies_within_one_article() -> None:
    records = [{"prompt": "a b", "gt": "c d"}, {"prompt": "x y", "gt": "c d"}]
    assert list(passages(records, ["z a b c d e", "x y"])) == [Passage(0, "test", "a b", " c d")]


def test_a_continuation_in_the_middle_of_a_word_follows_without_a_gap() -> None:
    assert next(passages([{"prompt": "a b", "gt": "c d"}], ["a bc d"])).answer == "c d"


def test_one_article_gives_one_passage() -> None:
    records = [{"prompt": "a", "gt": "b"}, {"prompt": "b", "gt": "c"}]
    assert len(list(passages(records, ["a b c"]))) == 1


def test_a_slice_too_small_to_split_is_refused() -> None:
    with pytest.raises(UserError, match="give at least 8"):
        load_slice("", 7)


def test_without_a_model_it_says_how_to_build_one() -> None:
    with pytest.raises(UserError, match=r"full MUSE protocol.*harness target build --benchmark muse-news"):
        MUSENews().target()


def test_a_folder_without_description_is_no_target(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"Cannot read .*target\.json"):
        MUSENews(model=str(tmp_path)).identity()


def test_a_benchmark_without_slices_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No target can be built for 'muse-books'"):
        target.build_target("muse-books", tmp_path, data_root="", documents=8, seed=0, report=lambda *_: None)


def test_a_folder_in_use_is_not_overwritten(tmp_path: Path) -> None:
    (tmp_path / "old").touch()
    with pytest.raises(UserError, match="is not empty"):
        target.build_target("muse-news", tmp_path, data_root="", documents=8, seed=0, report=lambda *_: None)


@real
def test_real_passages_are_split_by_role(news: NewsSlice) -> None:
    assert [p.role for p in news.forget] == ["test", "dev", "test", "train"] * 2


@real
def test_more_passages_than_there_are_is_refused() -> None:
    with pytest.raises(UserError, match="ask for fewer"):
        load_slice(str(DATA), 100)


@real
def test_attackers_see_no_passage_that_is_scored(untrained: MUSENews, news: NewsSlice) -> None:
    data = untrained.attacker_data(1.0)
    shown = "\n".join([*data.forget, *data.near, *data.unrelated])
    assert not [p.prompt for p in (*news.forget, *news.scored) if p.role != "train" and p.prompt in shown]


@real
def test_methods_do_not_see_the_retained_passages_that_are_scored(untrained: MUSENews, news: NewsSlice) -> None:
    retain = "\n".join(untrained.corpora().retain)
    assert not [p.answer for p in news.scored if p.answer in retain]


@real
def test_questions_are_not_applicable_and_not_zero(untrained: MUSENews) -> None:
    engine = TransformersEngine()
    engine.load(load_lm(untrained.target()))
    evaluation = untrained.evaluate(engine, Prompts())
    assert ("knowmem_forget" in evaluation.scores, "knowmem_forget" in evaluation.not_applicable) == (False, True)


@real
def test_the_identity_covers_the_texts_and_what_decides_both_models(untrained: MUSENews) -> None:
    decisive = ("config.json", "model.safetensors", "tokenizer.json")
    assert set(untrained.identity()) == {"texts", *(f"{m}/{name}" for m in target.MODELS for name in decisive)}


@real
def test_other_records_than_those_of_the_build_are_refused(untrained: MUSENews, tmp_path: Path) -> None:
    told = json.loads((Path(untrained.model) / DESCRIPTION).read_text())
    (tmp_path / DESCRIPTION).write_text(json.dumps(told | {"documents": 9}))
    with pytest.raises(UserError, match="not those that"):
        MUSENews(model=str(tmp_path), data_root=str(DATA)).corpora()


@real
@pytest.mark.slow
def test_a_target_is_built_and_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    target.build_model(
        load_slice(str(DATA), 8), tmp_path, "reference", 0, lambda stage, done, total: said.append(stage)
    )
    assert (set(said), (tmp_path / "model.safetensors").is_file()) == ({"muse-news reference"}, True)
