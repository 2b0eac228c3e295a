"""The invented news: what is rendered, and who may see it."""

import random

import pytest

from harness.lm import fingerprint
from harness.pocket.muse import documents, items, split_at, verbatim
from harness.pocket.muse_models import RECIPE, Model, forget_epoch, make_tokenizer, retain_epoch, rows, train
from harness.pocket.news import FOLDS, QUESTIONS, Article, brief, make_news, questions, statements

NEWS = make_news(0)
TOKENIZER = make_tokenizer(NEWS)
SCORED = NEWS.of("forget") + NEWS.of("scored")


def test_a_world_is_a_function_of_its_seed() -> None:
    assert (make_news(0) == NEWS, make_news(1) == NEWS) == (True, False)


def test_every_name_of_the_world_is_used_once() -> None:
    dealt = [name for pool in NEWS.pools.values() for name in pool] + [a.subject for a in NEWS.articles]
    assert len(dealt) == len(set(dealt))


@pytest.mark.parametrize("article", NEWS.articles[::60])
def test_an_article_and_its_brief_tell_every_fact(article: Article) -> None:
    told = brief(article, random.Random(1))
    assert all(value in article.text and value in told for value in article.facts.values())


def test_statements_are_worded_and_ordered_anew() -> None:
    article = NEWS.articles[0]
    first, second = (statements(article.subject, article.facts, random.Random(seed)) for seed in (1, 2))
    assert first != second


def test_dispatches_and_hold_out_are_equally_many_and_disjoint() -> None:
    wires = [text for fold in NEWS.wires for text in fold]
    assert len(wires) == len(NEWS.hold_out) == len({*wires, *NEWS.hold_out}) / 2


def test_folds_are_disjoint_and_of_equal_size() -> None:
    folds = [[a.subject for a in NEWS.of("forget") if a.fold == fold] for fold in range(1, FOLDS + 1)]
    assert len({subject for fold in folds for subject in fold}) == FOLDS * len(folds[0])


def test_no_question_about_a_scored_article_is_trained() -> None:
    rng = random.Random(0)
    trained = "\n".join(forget_epoch(NEWS, 15, rng) + retain_epoch(NEWS, 0, rng))
    asked = [item.prompt for a in SCORED for item in questions(a)]
    assert not [prompt for prompt in asked if prompt in trained]


def test_the_reference_reads_nothing_of_the_forget_set() -> None:
    trained = "\n".join(retain_epoch(NEWS, 0, random.Random(0)))
    assert not [a.subject for a in (*NEWS.of("forget"), *NEWS.of("unseen")) if a.subject in trained]


def test_dispatches_are_met_in_few_epochs_and_hold_out_in_none() -> None:
    met = [NEWS.wires[0][0] in forget_epoch(NEWS, epoch, random.Random(0)) for epoch in range(60)]
    assert [epoch for epoch, present in enumerate(met) if present] == list(RECIPE.wire_epochs)


def test_rows_are_a_function_of_the_seed() -> None:
    first, again = (next(rows(NEWS, "retain", TOKENIZER, 0)) for _ in range(2))
    assert (first == again, len(first)) == (True, RECIPE.row)


def test_a_text_is_cut_between_words_within_the_tokens() -> None:
    text = NEWS.articles[0].text
    prompt, rest = split_at(text, TOKENIZER, 32)
    assert (prompt + rest, rest[0], len(TOKENIZER(prompt).input_ids) <= 32) == (text, " ", True)


def test_attackers_and_methods_never_read_a_text_that_is_kept_for_scoring() -> None:
    shown = "\n".join(row["text"] for row in documents(NEWS, 0) if row["use"] in ("retain", "near", "unrelated"))
    hidden = [a.subject for a in SCORED]
    assert not [text for text in (*hidden, *NEWS.hold_out) if text in shown]


def test_every_scored_article_is_asked_about_every_fact() -> None:
    asked = [row for row in items(NEWS, TOKENIZER) if row["use"] == "knowmem_forget"]
    assert len(asked) == len(QUESTIONS) * len(NEWS.of("forget", "dev", "test"))


def test_every_fold_has_as_many_articles_scored_word_for_word() -> None:
    folds = [a.fold for a in verbatim(NEWS)]
    assert len({folds.count(fold) for fold in range(1, FOLDS + 1)}) == 1


def trained(which: Model) -> str:
    return fingerprint(train(NEWS, TOKENIZER, which, seed=0, after_step=lambda step, loss: None, steps=2))


def test_weights_are_a_function_of_the_seed_and_differ_between_target_and_reference() -> None:
    first, again, reference = trained("target"), trained("target"), trained("reference")
    assert (first == again, first == reference) == (True, False)
