"""Who sees what of MUSE, on invented records in the hub's layout, whole and with splits missing."""

from collections.abc import Iterable
from pathlib import Path

import datasets
import pytest
from fake_muse import FORGET, RECORDS, article, write_models, write_muse

from harness.benchmarks.muse import MUSEBooks, MUSENews
from harness.benchmarks.muse_records import BOOKS, NEWS, Corpus, Records, Request
from harness.benchmarks.muse_world import World, halves, world_of
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.testing import failures
from harness.testing.benchmark import check_benchmark

SCORED = FORGET[:8]
"""Articles of passages, questions and membership texts; the rest may be shown to attackers."""
Place = tuple[str, str]


def world(
    root: Path, corpus: Corpus = NEWS, request: Request | None = None, *, without: tuple[Place, ...] = ()
) -> World:
    return world_of(corpus, write_muse(root, corpus.dataset, without=without), request or Request(), 300)


def words_of(texts: Iterable[str]) -> list[str]:
    return " ".join(texts).split()


def test_attackers_see_exactly_the_articles_without_a_scored_text(tmp_path: Path) -> None:
    assert list(world(tmp_path).attacker_forget) == FORGET[8:]


def test_a_near_copy_of_a_scored_article_is_held_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = {"text": "Once more: " + FORGET[0]}
    monkeypatch.setitem(RECORDS, ("raw", "forget"), [*RECORDS["raw", "forget"], copy])  # type: ignore[misc]
    assert list(world(tmp_path).attacker_forget) == FORGET[8:]


def test_methods_see_every_document_to_be_forgotten(tmp_path: Path) -> None:
    assert words_of(world(tmp_path).forget) == words_of(FORGET)


def test_methods_see_a_corpus_in_pieces_of_equal_length(tmp_path: Path) -> None:
    assert [len(piece.split()) for piece in world(tmp_path).forget] == [240, 240, 240]  # 12 articles of 60 words


def test_near_texts_hold_no_membership_text(tmp_path: Path) -> None:
    assert list(world(tmp_path).near) == [article(f"near {i}") for i in range(6)]


def test_the_regulariser_has_the_texts_that_muse_gives_it(tmp_path: Path) -> None:
    assert words_of(world(tmp_path).retain) == words_of([article(f"retain1 {i}") for i in range(8)])


def test_items_of_one_article_serve_one_split(tmp_path: Path) -> None:
    seen = world(tmp_path)
    assert [one.split for one in seen.verbmem] == [one.split for one in seen.knowmem_forget]


def test_a_book_is_split_by_piece(tmp_path: Path) -> None:
    assert list(world(tmp_path, BOOKS).attacker_forget) == FORGET[8:]


def test_without_its_retain_split_the_regulariser_has_membership_texts_and_says_so(tmp_path: Path) -> None:
    seen = world(tmp_path, without=(("raw", "retain1"),))
    assert words_of(seen.retain) == words_of(seen.retained)
    assert dict(seen.origin)["retain"] == "privleak/retain"


def test_without_hold_out_texts_nothing_is_near_since_a_fold_may_have_been_learned(tmp_path: Path) -> None:
    seen = world(tmp_path, without=(("raw", "holdout"),))
    assert (seen.near, dict(seen.origin)["near"]) == ((), "none")


def test_a_request_is_one_fold_and_attackers_see_all_folds_so_far(tmp_path: Path) -> None:
    seen, second = world(tmp_path, request=Request(requests=2)), [article(f"second {i}") for i in range(5)]
    assert words_of(seen.forget) == words_of(second)
    assert list(seen.attacker_forget) == FORGET[8:] + second


def test_a_larger_scale_forgets_the_cumulative_set_at_once(tmp_path: Path) -> None:
    seen = world(tmp_path, request=Request(scale=2))
    assert words_of(seen.forget) == words_of(FORGET + [article(f"second {i}") for i in range(5)])


def test_what_is_scored_is_the_same_for_every_request(tmp_path: Path) -> None:
    seen, later = world(tmp_path), world(tmp_path, request=Request(requests=3))
    assert (seen.verbmem, seen.knowmem_forget, seen.members) == (later.verbmem, later.knowmem_forget, later.members)


@pytest.mark.parametrize(
    ("request_", "missing"), [(Request(scale=3), ("scal", "forget_3")), (Request(), ("privleak", "holdout"))]
)
def test_a_split_that_nothing_stands_in_for_is_named(tmp_path: Path, request_: Request, missing: Place) -> None:
    with pytest.raises(UserError, match=f"MUSE-News, config '{missing[0]}', split '{missing[1]}'"):
        world(tmp_path, request=request_, without=(missing,))


def with_count(monkeypatch: pytest.MonkeyPatch, place: Place, count: int) -> None:
    monkeypatch.setitem(RECORDS, place, RECORDS[place][:count])  # type: ignore[misc]


@pytest.mark.parametrize("split", ["forget_qa_icl", "retain_qa_icl"])
def test_there_are_always_ten_solved_questions(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, split: str) -> None:
    with_count(monkeypatch, ("knowmem", split), 3)
    with pytest.raises(UserError, match=f"config 'knowmem', split '{split}' has 3 records, 10 were expected"):
        world(tmp_path)


@pytest.mark.parametrize(
    ("place", "message"),
    [
        (("verbmem", "forget"), "gives 1 dev items, and a score needs 2"),
        (("knowmem", "forget_qa"), "gives [01] dev items, and a score needs 2"),
        (("knowmem", "retain_qa"), "gives 0 test items|gives 1 dev items"),
        (("privleak", "holdout"), "gives 1 texts, and a score needs 2"),
    ],
)
def test_a_single_record_is_refused_with_its_split(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: Place, message: str
) -> None:
    with_count(monkeypatch, place, 1)
    with pytest.raises(UserError, match=f"config '{place[0]}', split '{place[1]}' under .*({message}).* MUSE has 100"):
        world(tmp_path)


def test_fewer_records_than_muse_has_are_remarked_on(tmp_path: Path) -> None:
    remark = world(tmp_path).remark
    assert remark.startswith("Records: 6 in verbmem/forget where MUSE has 100, 6 in knowmem/forget_qa where MUSE has")


def test_the_hub_must_have_as_many_records_as_muse(monkeypatch: pytest.MonkeyPatch) -> None:
    served = datasets.Dataset.from_list([dict(record) for record in RECORDS["verbmem", "forget"]])
    monkeypatch.setattr("datasets.load_dataset", lambda *_, **__: served)
    with pytest.raises(UserError, match=r"config 'verbmem', split 'forget'.* has 6 records, 100 were expected"):
        Records(NEWS.dataset, "").passages()


def test_growing_and_following_forget_sets_are_not_mixed() -> None:
    with pytest.raises(UserError, match="scale=2 and requests=3 were both given"):
        MUSENews(scale=2, requests=3)


@pytest.mark.parametrize("cls", [MUSENews, MUSEBooks])
def test_the_benchmark_conforms(tmp_path: Path, cls: type[MUSENews | MUSEBooks]) -> None:
    root = write_muse(tmp_path / "root", (NEWS if cls is MUSENews else BOOKS).dataset)
    benchmark = cls(model=write_models(tmp_path / "pair"), data_root=root)
    assert failures(check_benchmark(benchmark, TransformersEngine())) == []


@pytest.mark.parametrize("cls", [MUSENews, MUSEBooks])
def test_the_identity_names_texts_models_and_where_texts_are_from(
    tmp_path: Path, cls: type[MUSENews | MUSEBooks]
) -> None:
    dataset = NEWS.dataset if cls is MUSENews else BOOKS.dataset
    benchmark = cls(model=write_models(tmp_path / "pair"), data_root=write_muse(tmp_path / "root", dataset))
    files = [f"{model}/{name}" for model in ("target", "reference") for name in FILES]
    assert set(benchmark.identity()) == {"texts", "retain", "near", "unrelated", "auxiliary", *files}
    assert benchmark.identity()["auxiliary"] == "absent"


FILES = ("config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json")


def test_the_mode_is_part_of_the_title(tmp_path: Path) -> None:
    root = write_muse(tmp_path / "root", BOOKS.dataset)
    benchmark = MUSEBooks(model=write_models(tmp_path / "pair"), data_root=root, mode="openunlearning")
    assert benchmark.card().title == "MUSE-Books (OpenUnlearning's definitions)"


def test_a_small_model_is_a_slice_with_presets_for_small_models(tmp_path: Path) -> None:
    root = write_muse(tmp_path / "root", BOOKS.dataset)
    benchmark = MUSEBooks(model=write_models(tmp_path / "pair"), data_root=root)
    assert (benchmark.card().scale, benchmark.preset()) == ("slice", "small")


def test_a_folder_with_one_model_has_no_reference(tmp_path: Path) -> None:
    folder = write_models(tmp_path / "pair")
    assert MUSENews(model=f"{folder}/target").reference() is None


def test_a_reference_may_be_given_apart(tmp_path: Path) -> None:
    folder = write_models(tmp_path / "pair")
    one = MUSENews(model=f"{folder}/target", reference_model=f"{folder}/reference")
    assert one.reference() == f"{folder}/reference"


@pytest.mark.parametrize("typed", ["", "muse-news-target", "muse-bench/MUSE-News_target@" + "0" * 40])
def test_a_published_target_brings_its_retrained_model(typed: str) -> None:
    assert str(MUSENews(model=typed).reference()).startswith("muse-bench/MUSE-News_retrain@")


def test_a_description_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    folder = write_models(tmp_path / "pair")
    (tmp_path / "pair" / "target.json").write_text("{}")
    with pytest.raises(UserError, match="does not say what its target learned"):
        MUSENews(model=folder).target()


def test_every_split_that_is_read_is_among_the_needs(tmp_path: Path) -> None:
    root = write_muse(tmp_path / "root", NEWS.dataset)
    needs = MUSENews(model=write_models(tmp_path / "pair"), data_root=root, requests=2).needs()
    assert {("raw", "forget"), ("sust", "forget_2"), ("privleak", "holdout")} <= {(n.config, n.split) for n in needs}


def test_halves_of_the_dev_articles_show_nothing_of_what_the_other_half_asks(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.benchmarks.muse_split.DEV", 2)  # three of the six articles serve selection
    seen = world(tmp_path)
    for shown, asked in halves(seen, 999):
        own = {FORGET.index(text) for text in shown}
        wanted = {FORGET.index(one.home) for one in (*asked.verbmem, *asked.knowmem_forget)}
        assert (len(own | wanted), len(own) > 0, len(wanted) > 0, own & wanted) == (3, True, True, set())
        assert own.isdisjoint(FORGET.index(text) for text in seen.attacker_forget)
        assert {one.split for part in asked.scored().values() for one in part} == {"dev"}


def test_too_few_dev_items_for_a_half_are_refused_with_the_number(tmp_path: Path) -> None:
    benchmark = MUSENews(model=write_models(tmp_path / "pair"), data_root=write_muse(tmp_path / "root", NEWS.dataset))
    with pytest.raises(UserError, match="Half of the dev articles have 1 VerbMem items, and a score needs 2"):
        benchmark.selection(1.0)
