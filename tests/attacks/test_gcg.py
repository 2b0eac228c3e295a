import dataclasses
import random
from pathlib import Path

import pytest
import torch
from tokenizers import normalizers

from attacks.gcg import GCG, GCGEnhanced, Kept, Search, continued
from harness.api import LM, AttackerData, Item, NotApplicable, Point
from harness.lm import load_lm
from harness.train.spelling import redrawn, repeated, spellable, spelled
from harness.train.triggers import Where, cut, trigger_nll
from tests.attacks.conftest import make_lm

SMALL = GCG(length=4, steps=6, width=8, topk=16, items=3, checkpoints=(0, 2))
TOKENS = 3 * 5  # in three solved questions of the fixture
BOTH = pytest.mark.parametrize("where", ["prefix", "suffix"])


def points(attack: GCG, lm: LM, data: AttackerData, seed: int = 0) -> list[Point]:
    return list(attack.attack(lm, data, seed=seed))


def search_of(lm: LM, data: AttackerData, length: int = 4) -> Search:
    cuts, tokens = [cut(lm.tokenizer, item, "prefix") for item in data.items[:3]], spellable(lm)
    return Search(lm, cuts, tokens, repeated(lm.tokenizer, cuts, tokens, length) or ())


def course(attack: GCG, search: Search, seed: int = 0) -> list[Kept]:
    return list(attack.run(search, torch.Generator().manual_seed(seed)))


def test_the_control_comes_first_then_the_start_the_checkpoints_and_the_end(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    found = [(point.series.split()[0], point.budget) for point in points(SMALL, tiny_lm, attacker_data)]
    assert found == [("random", 0), ("prefix", 0), ("prefix", 2 * TOKENS), ("prefix", 6 * TOKENS)]


def test_a_series_tells_length_questions_and_candidates_per_step(tiny_lm: LM, attacker_data: AttackerData) -> None:
    assert {point.series for point in points(SMALL, tiny_lm, attacker_data)} == {"random L=4", "prefix L=4 N=3 width=8"}


@BOTH
def test_every_text_reads_back_as_the_stated_number_of_tokens(
    where: str, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    item, length = attacker_data.items[7], len(tiny_lm.tokenizer(attacker_data.items[7].prompt)["input_ids"])
    for point in points(dataclasses.replace(SMALL, where=where), tiny_lm, attacker_data):
        asked = point.prompts.before + item.prompt + point.prompts.after
        assert bool(point.prompts.before) is (where == "prefix")
        assert len(tiny_lm.tokenizer(asked)["input_ids"]) == length + 4


def test_the_loss_never_rises_and_falls_in_the_end(tiny_lm: LM, attacker_data: AttackerData) -> None:
    losses = [kept.loss for kept in course(SMALL, search_of(tiny_lm, attacker_data))]
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] < losses[0]


def test_a_kept_loss_is_the_loss_of_the_kept_tokens(tiny_lm: LM, attacker_data: AttackerData) -> None:
    search = search_of(tiny_lm, attacker_data)
    kept = course(SMALL, search)[-1]
    again = trigger_nll(tiny_lm.model, search.cuts, torch.tensor([kept.ids])).item()
    assert kept.loss == pytest.approx(again, rel=1e-5)


def test_a_step_scores_as_many_candidates_as_it_may(tiny_lm: LM, attacker_data: AttackerData) -> None:
    counts = [kept.evaluations for kept in course(SMALL, search_of(tiny_lm, attacker_data))]
    assert counts == [8 * step for step in range(7)]


def test_a_search_ends_quietly_where_nothing_new_is_left_to_score(tiny_lm: LM, attacker_data: AttackerData) -> None:
    search = search_of(tiny_lm, attacker_data, length=1)
    few = dataclasses.replace(search, tokens=search.tokens[:5])
    assert course(dataclasses.replace(SMALL, length=1), few)[-1].evaluations <= 5


@pytest.mark.parametrize("seed", [0, 1])
def test_what_is_found_beats_random_strings_on_the_optimised_questions(
    seed: int, tiny_lm: LM, attacker_data: AttackerData
) -> None:
    search, chance = search_of(tiny_lm, attacker_data), torch.Generator().manual_seed(seed)
    strings = [
        redrawn(tiny_lm.tokenizer, search.cuts, search.start, tokens=search.tokens, generator=chance) for _ in range(20)
    ]
    luck = trigger_nll(tiny_lm.model, search.cuts, torch.tensor(strings)).min()
    assert course(SMALL, search, seed)[-1].loss < luck.item()


@BOTH
def test_of_tokens_that_merge_only_strings_that_read_back_are_kept(where: Where, tiny_models: Path) -> None:
    lm = load_lm(tiny_models / "target")  # byte pairs
    cuts, tokens = [cut(lm.tokenizer, Item("the fox sleeps in", " the den"), where)], spellable(lm)
    search = Search(lm, cuts, tokens, repeated(lm.tokenizer, cuts, tokens, 6) or ())
    kept = course(dataclasses.replace(SMALL, steps=10), search)
    assert None not in spelled(lm.tokenizer, cuts, [each.ids for each in kept])
    assert kept[-1].loss < kept[0].loss


def test_a_seed_fixes_the_result_and_another_one_changes_it(tiny_lm: LM, attacker_data: AttackerData) -> None:
    first, again, other = (points(SMALL, tiny_lm, attacker_data, seed) for seed in (0, 0, 1))
    assert first == again != other


def test_the_global_generators_stay_where_they_were(tiny_lm: LM, attacker_data: AttackerData) -> None:
    torch_state, python_state = torch.get_rng_state(), random.getstate()
    points(SMALL, tiny_lm, attacker_data)
    assert torch.equal(torch.get_rng_state(), torch_state)
    assert random.getstate() == python_state


@BOTH
def test_the_model_is_left_alone_at_every_point(where: str, tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.model.get_input_embeddings().weight.requires_grad_(False)
    before = {name: (each.detach().clone(), each.requires_grad) for name, each in tiny_lm.model.named_parameters()}
    for _ in dataclasses.replace(SMALL, where=where).attack(tiny_lm, attacker_data, seed=0):
        for name, each in tiny_lm.model.named_parameters():
            weight, wanted = before[name]
            assert torch.equal(each, weight)
            assert each.requires_grad is wanted
            assert each.grad is None
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in tiny_lm.model.modules())


def test_a_trigger_takes_at_most_a_tenth_of_the_context(tiny_lm: LM, attacker_data: AttackerData) -> None:
    long = dataclasses.replace(SMALL, length=20, steps=1)
    assert points(long, tiny_lm, attacker_data)[0].series == "random L=6"  # of 64 tokens


def test_questions_that_do_not_fit_are_left_out(tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.model.config.max_position_embeddings = 20
    mixed = [Item("ask " * 20 + ":", " w1"), *attacker_data.items[:2]]
    found = points(SMALL, tiny_lm, dataclasses.replace(attacker_data, items=mixed))
    assert found[-1].series == "prefix L=2 N=2 width=8"


def test_without_solved_questions_it_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    with pytest.raises(NotApplicable, match="owns no solved question"):
        points(SMALL, tiny_lm, dataclasses.replace(attacker_data, items=[]))


def test_with_questions_that_fill_the_context_it_is_not_applicable(tiny_lm: LM, attacker_data: AttackerData) -> None:
    tiny_lm.model.config.max_position_embeddings = 5
    with pytest.raises(NotApplicable, match="leaves room for a prefix of 1 tokens in a context of 5 tokens"):
        points(SMALL, tiny_lm, attacker_data)


def test_with_a_tokenizer_that_gives_back_no_text_it_is_not_applicable(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    tiny_lm.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("w", "W")
    with pytest.raises(NotApplicable, match="none reads back as the same tokens"):
        points(SMALL, tiny_lm, attacker_data)


ENHANCED = GCGEnhanced(length=4, steps=3, width=4, topk=16, items=3, checkpoints=(0,), forced=2, depth=0.5)


def test_the_enhanced_search_is_after_what_the_original_writes_and_how_it_begins_to(
    tiny_lm: LM, attacker_data: AttackerData
) -> None:
    data = dataclasses.replace(attacker_data, original=lambda: make_lm(tied=False))
    item = attacker_data.items[0]
    (question,) = ENHANCED.targets(tiny_lm, data, [item])
    original, ids = make_lm(tied=False), tiny_lm.tokenizer(item.prompt)["input_ids"]
    for _ in range(2):
        ids.append(int(original.model(torch.tensor([ids])).logits[0, -1].argmax()))
    assert list(question.tail[-2:]) == ids[-2:]
    assert question.echo is not None
    with torch.no_grad():
        hidden = original.model(torch.tensor([ids[:-2]]), output_hidden_states=True).hidden_states[1][0, -1]
    torch.testing.assert_close(question.echo.state.float(), hidden)


def test_the_enhanced_search_asks_the_original_and_is_never_ranked(tiny_lm: LM, attacker_data: AttackerData) -> None:
    data = dataclasses.replace(attacker_data, original=lambda: make_lm(tied=False))
    assert len(list(ENHANCED.attack(tiny_lm, data, seed=0))) == 3
    assert ENHANCED.threat.base_model
    with pytest.raises(NotApplicable, match="was not handed over"):
        next(ENHANCED.attack(tiny_lm, attacker_data, seed=0))


def test_a_model_that_ends_at_once_writes_nothing(tiny_lm: LM) -> None:
    with torch.no_grad():
        tiny_lm.model.lm_head.weight.zero_()
        tiny_lm.model.lm_head.weight[0] = 0
    tiny_lm.tokenizer.eos_token = "<pad>"
    assert continued(tiny_lm, tiny_lm.tokenizer("ask forget w1 :")["input_ids"], 3) == ""
