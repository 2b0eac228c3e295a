import pytest

from harness.metrics.rouge import RougeL, rouge_l


def test_rouge_l_counts_the_longest_common_subsequence_of_words() -> None:
    # reference 6 words, candidate 4, common in order: the, sat, mat -> P 3/4, R 3/6, F1 = 2*.75*.5/1.25
    (score,) = rouge_l(["the cat sat on the mat"], ["the dog sat mat"])
    assert (score.precision, score.recall, score.f1) == pytest.approx((0.75, 0.5, 0.6))


def test_words_are_not_stemmed() -> None:
    assert rouge_l(["runs"], ["running"])[0].f1 == 0


def test_words_are_stemmed_if_asked_for() -> None:
    assert rouge_l(["runs"], ["running"], stem=True)[0].f1 == 1


def test_case_and_punctuation_do_not_count() -> None:
    assert rouge_l(["Marda, Velo."], [" marda velo"])[0].f1 == 1


def test_an_empty_candidate_scores_nothing() -> None:
    assert rouge_l(["marda"], [""])[0] == RougeL(0, 0, 0)


def test_one_name_of_two_is_half_of_the_recall() -> None:
    assert rouge_l(["marda velo"], ["marda"])[0].recall == 0.5


def test_candidates_must_match_references_in_number() -> None:
    with pytest.raises(ValueError, match="zip"):
        rouge_l(["a", "b"], ["a"])
