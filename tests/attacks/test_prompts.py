import dataclasses

import pytest

from attacks.prompts import PERSONAS, TEMPLATES, PromptSuite
from harness.api import LM, AttackerData, NotApplicable, Point

SMALL = PromptSuite(shots=3, items=3, passages=2, filler_tokens=10)


def points(attack: PromptSuite, lm: LM, data: AttackerData, seed: int = 0) -> dict[str, Point]:
    """Points by the name of their template."""
    found = list(attack.attack(lm, data, seed=seed))
    return {point.series.partition(" k=")[0]: point for point in found}


def test_every_template_is_a_series_of_its_own(tiny_lm: LM, attacker_data: AttackerData) -> None:
    whole = dataclasses.replace(attacker_data, writes=True)
    plain = set(TEMPLATES) - {"role play", "best of k", "chat"}
    personas = {f"role play {number}" for number in range(1, len(PERSONAS) + 1)}
    assert set(points(SMALL, tiny_lm, whole)) == plain | personas | {"best of 8"}


def test_a_chat_template_stands_around_the_question(tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.tokenizer.chat_template = "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}<reply>"
    prompts = points(SMALL, tiny_lm, attacker_data)["chat"].prompts
    assert prompts.around("w1?") == "<user>w1?<reply>"


def test_words_of_the_question_are_changed_and_nothing_else(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = points(SMALL, tiny_lm, attacker_data)
    assert found["rephrasing"].prompts.around("Question: What is it?\nAnswer:") == "Q: Tell me it?\nA:"
    noisy = found["noise"].prompts.around("abcdefghijklmnopqrstuvwxyz")
    assert (noisy.replace(" ", ""), noisy.count(" ")) == ("abcdefghijklmnopqrstuvwxyz", SMALL.noise)


def test_the_cipher_of_the_question_is_that_of_the_shots(tiny_lm: LM, attacker_data: AttackerData) -> None:
    prompts = points(SMALL, tiny_lm, attacker_data)["cipher"].prompts
    item = attacker_data.utility_items[0]
    ciphered = prompts.around(item.prompt).removeprefix(prompts.before)
    assert ciphered == "esk atoloty w40 :"
    allowed = {
        prompts.around(one.prompt).removeprefix(prompts.before) + one.answer for one in attacker_data.utility_items
    }
    assert set(prompts.before.split("\n\n")[:-1]) < allowed


def test_the_best_of_several_is_asked_for_only_where_something_is_written(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    assert not any("best of" in name for name in points(SMALL, tiny_lm, attacker_data))
    with pytest.raises(ValueError, match="more than there are samples"):
        PromptSuite(samples=2, best_of=4)


def test_in_context_items_are_train_items_only(tiny_lm: LM, attacker_data: AttackerData) -> None:
    before = points(SMALL, tiny_lm, attacker_data)["items in context"].prompts.before
    allowed = {item.prompt + item.answer for item in attacker_data.items}
    assert set(before.split("\n\n")[:-1]) < allowed


def test_passages_are_forget_documents_the_attacker_owns(tiny_lm: LM, attacker_data: AttackerData) -> None:
    before = points(SMALL, tiny_lm, attacker_data)["passages in context"].prompts.before
    assert set(before.split("\n\n")[:-1]) < set(attacker_data.forget)


def test_the_budget_is_the_forget_tokens_in_context(tiny_lm: LM, attacker_data: AttackerData) -> None:
    found = points(SMALL, tiny_lm, attacker_data)
    # A solved item is five words and a document six; a blank line is no token of this vocabulary.
    assert (found["items in context"].budget, found["passages in context"].budget) == (15, 12)


@pytest.mark.parametrize("template", ["few-shot", "reply prefix", "filler"])
def test_templates_without_forget_text_have_budget_zero(
    template: str, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    assert points(SMALL, tiny_lm, attacker_data)[template].budget == 0


def test_filler_holds_the_stated_number_of_tokens(tiny_lm: LM, attacker_data: AttackerData) -> None:
    before = points(SMALL, tiny_lm, attacker_data)["filler"].prompts.before
    assert len(before.split()) == 10


def test_shots_that_would_overfill_the_context_are_left_out_and_the_name_says_so(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    (point,) = PromptSuite(templates=("few-shot",), shots=8).attack(tiny_lm, attacker_data, seed=0)
    assert point.series == "few-shot k=6"  # half of a context of 64 holds six solved items of five words


def test_a_seed_fixes_the_shots_and_another_one_changes_them(tiny_lm: LM, attacker_data: AttackerData) -> None:
    first, again, other = (points(SMALL, tiny_lm, attacker_data, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_templates_without_data_are_left_out(tiny_lm: LM, attacker_data: AttackerData) -> None:
    bare = dataclasses.replace(attacker_data, items=[], utility_items=[])
    left_out = {"few-shot", "items in context", "cipher"}
    assert set(points(SMALL, tiny_lm, bare)) == set(points(SMALL, tiny_lm, attacker_data)) - left_out


def test_no_data_for_any_template_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    bare = dataclasses.replace(attacker_data, items=[])
    with pytest.raises(NotApplicable):
        list(PromptSuite(templates=("items in context",)).attack(tiny_lm, bare, seed=0))
