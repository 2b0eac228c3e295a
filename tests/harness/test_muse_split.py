"""Which articles are held back: pure functions over invented texts."""

import pytest
from fake_muse import article, part

from harness.benchmarks.muse_split import COMMON, RUN, dev_keys, pieces, shared_runs, sources_of


def test_pieces_hold_every_word_in_order() -> None:
    text = article("a", 100)
    assert " ".join(pieces(text, 30)).split() == text.split()


def test_pieces_are_about_equally_long() -> None:
    assert [len(piece.split()) for piece in pieces(article("a", 61), 30)] == [20, 20, 21]


def test_white_space_within_a_piece_stays() -> None:
    assert pieces("a  b\n\nc d", 2) == ["a  b", "c d"]


def test_a_document_that_is_short_enough_stays_whole() -> None:
    assert pieces("a b\n\nc", 3) == ["a b\n\nc"]


def test_an_article_that_holds_thirteen_words_of_a_text_shares_a_run_with_it() -> None:
    text = article("scored", 40)
    copied = article("other", 20) + " " + part(text, 10, 10 + RUN)
    assert shared_runs([text], [article("third"), copied]) == [{1: 1}]


def test_twelve_words_in_common_are_none() -> None:
    text = article("scored", 40)
    assert shared_runs([text], [part(text, 0, RUN - 1)]) == [{}]


def test_case_and_punctuation_do_not_hide_a_common_run() -> None:
    text = article("scored", RUN)
    assert shared_runs([text], [text.upper().replace(" ", ", ")]) == [{0: 1}]


@pytest.mark.parametrize(("copies", "counts"), [(COMMON, True), (COMMON + 1, False)])
def test_a_run_that_many_articles_hold_is_boilerplate(copies: int, counts: bool) -> None:
    text = article("scored", RUN)
    assert bool(shared_runs([text], [text] * copies)[0]) is counts


def test_a_question_is_from_the_article_that_holds_its_answer_and_most_of_its_words() -> None:
    articles = ["The mill burnt in 1472.", "The Orkney islands were pledged in 1472.", "The Orkney islands are cold."]
    assert sources_of([("When were the Orkney islands pledged?", "1472")], articles) == [1]


def test_a_question_whose_answer_stands_nowhere_is_from_the_article_with_most_of_its_rare_words() -> None:
    articles = ["The mill burnt.", "Up to four weeks of detention are allowed."]
    assert sources_of([("How long is detention allowed?", "28 days")], articles) == [1]


def test_a_fifth_of_the_keys_serves_selection() -> None:
    assert len(dev_keys([str(key) for key in range(50)])) == 10


def test_which_keys_serve_selection_does_not_depend_on_their_order_or_number_of_items() -> None:
    keys = [str(key) for key in range(50)]
    assert dev_keys(keys) == dev_keys([*reversed(keys), "3", "3"])
