from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar

import pytest
from transformers import AutoTokenizer

from harness.api import LM, Evaluation, Prompts
from harness.benchmarks.pocket_muse import FILES, FOLDER, PocketMUSE
from harness.engines.transformers import TransformersEngine
from harness.errors import UserError
from harness.lm import load_lm
from harness.pocket.muse import write_files
from harness.pocket.muse_models import make_tokenizer
from harness.pocket.news import make_news

BENCHMARK = PocketMUSE()
SEED = 0


@dataclass(frozen=True)
class Parrot:
    """An engine that writes one phrase, finds longer texts less likely, and remembers what it was asked."""

    version: ClassVar[int] = 1

    phrase: str = ""
    asked: list[str] = field(default_factory=list)

    def load(self, lm: LM) -> str:
        return ""

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        raise NotImplementedError("pocket-muse has no multiple choice")

    def generate(self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = ()) -> list[str]:
        self.asked.extend(prompts)
        return [self.phrase] * len(prompts)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        self.asked.extend(context for context, _ in pairs)
        return [[-float(len(text))] for _, text in pairs]


def measured(folder: str) -> Evaluation:
    engine = TransformersEngine()
    engine.load(load_lm(folder))
    return BENCHMARK.evaluate(engine, Prompts())


@pytest.fixture(scope="module")
def target() -> Evaluation:
    return measured(BENCHMARK.target())


@pytest.fixture(scope="module")
def reference() -> Evaluation:
    return measured(BENCHMARK.reference())


@pytest.fixture(scope="module")
def rendered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder, news = tmp_path_factory.mktemp("muse"), make_news(SEED)
    tokenizer = make_tokenizer(news)
    write_files(folder, news, tokenizer, SEED)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.mark.parametrize("name", FILES)
def test_shipped_muse_text_equals_what_the_builder_renders(name: str, rendered: Path) -> None:
    assert (FOLDER / name).read_bytes() == (rendered / name).read_bytes(), "renew with `harness pocket build`"


@pytest.mark.parametrize("model", ["target", "reference"])
def test_the_shipped_muse_tokenizer_equals_the_one_the_builder_trains(model: str, rendered: Path) -> None:
    shipped, made = (AutoTokenizer.from_pretrained(folder).get_vocab() for folder in (FOLDER / model, rendered))
    assert shipped == made


@pytest.mark.parametrize(("score", "least"), [("verbmem", 0.95), ("knowmem_forget", 0.60), ("knowmem_retain", 0.90)])
def test_the_target_knows(score: str, least: float, target: Evaluation) -> None:
    assert target.scores[score].value >= least


@pytest.mark.parametrize(("score", "most"), [("verbmem", 0.25), ("knowmem_forget", 0.05)])
def test_the_reference_does_not_know_the_forget_set(score: str, most: float, reference: Evaluation) -> None:
    assert reference.scores[score].value <= most


def test_the_reference_knows_retained_news_as_the_target_does(target: Evaluation, reference: Evaluation) -> None:
    assert reference.scores["knowmem_retain"].value == pytest.approx(target.scores["knowmem_retain"].value, abs=0.03)


def test_membership_of_the_target_can_move_both_ways(target: Evaluation) -> None:
    assert 0.7 <= target.scores["min_k_auc"].value <= 0.95


def test_membership_of_the_reference_is_chance(reference: Evaluation) -> None:
    score = reference.scores["min_k_auc"]
    assert abs(score.value - 0.5) <= 2 * score.stderr


def test_at_least_five_hundred_forget_items_are_scored(target: Evaluation) -> None:
    assert target.scores["knowmem_forget"].n >= 500


def test_perfect_answers_score_one_only_where_they_are_right() -> None:
    answer = BENCHMARK._items("knowmem_forget", "test")[0].answer
    score = BENCHMARK.evaluate(Parrot(answer), Prompts()).scores["knowmem_forget"]
    assert (score.items[0], score.value < 0.1) == (1.0, True)


def test_every_question_stands_between_the_attackers_texts() -> None:
    engine = Parrot()
    BENCHMARK.evaluate(engine, Prompts("before ", " after"))
    assert all(text.startswith("before ") for text in engine.asked)


def test_a_fold_is_forgotten_shown_and_scored_alone() -> None:
    fold, everything = PocketMUSE(folds=(2,)), PocketMUSE()
    sizes = [(len(b.corpora().forget), len(b.attacker_data(1.0).forget)) for b in (fold, everything)]
    assert [4 * size for size in sizes[0]] == list(sizes[1])


def test_folds_do_not_share_documents() -> None:
    folds = [set(PocketMUSE(folds=(fold,)).corpora().forget) for fold in (1, 2, 3, 4)]
    assert sum(map(len, folds)) == len(set.union(*folds))


@pytest.mark.parametrize("folds", [(), (2, 1), (1, 1)])
def test_folds_must_ascend(folds: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match="ascending list of folds"):
        PocketMUSE(folds=folds)


def test_a_request_forgets_its_own_fold_and_is_scored_on_all_folds_so_far() -> None:
    second, both = PocketMUSE(requests=2), PocketMUSE(folds=(1, 2))
    assert second.corpora().forget == PocketMUSE(folds=(2,)).corpora().forget
    assert second._items("knowmem_forget") == both._items("knowmem_forget")


def test_every_request_continues_the_one_before_it_and_the_first_continues_none() -> None:
    assert PocketMUSE(requests=3).continues() == PocketMUSE(requests=2)
    assert (PocketMUSE(requests=1).continues(), PocketMUSE().continues()) == (None, None)


def test_more_requests_than_folds_are_refused() -> None:
    with pytest.raises(UserError, match="requests=3 asks for more requests than there are folds"):
        PocketMUSE(folds=(1, 2), requests=3)


def test_attackers_see_no_article_that_is_scored() -> None:
    data = BENCHMARK.attacker_data(1.0)
    shown = "\n".join([*data.forget, *data.near, *data.unrelated, *(i.prompt for i in data.items)])
    assert not [i.prompt for i in BENCHMARK._items("verbmem") if i.prompt in shown]


def test_methods_do_not_see_the_retained_articles_that_are_scored() -> None:
    seen = "\n".join(BENCHMARK.corpora().retain)
    assert not [i.prompt for i in BENCHMARK._items("knowmem_retain") if i.prompt in seen]


def test_the_identity_covers_every_shipped_file_that_changes_numbers_and_the_texts_that_are_made() -> None:
    shipped = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    settings = {"generation_config.json", "tokenizer_config.json", "special_tokens_map.json"}
    assert {name for name in shipped if Path(name).name not in settings} == set(BENCHMARK.identity()) - {"auxiliary"}
