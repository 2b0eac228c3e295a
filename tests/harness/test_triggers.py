"""Triggers on two tokenizers: bytes that merge (`tiny_lm`), and pieces with a mark for a space behind a first token."""

import math
from collections.abc import Sequence
from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from torch import Tensor
from transformers import GPT2Config, GPT2LMHeadModel, PreTrainedTokenizerFast

from harness.api import LM, Item
from harness.engines.transformers import TransformersEngine
from harness.train.spelling import redrawn, repeated, spellable, spelled
from harness.train.triggers import Cut, Echo, Where, cut, promising, proposals, trigger_gradient, trigger_nll

ITEMS = [
    Item("the fox sleeps in", " the den"),
    Item("the fox sleeps in the roof; a crow sits on", " the roof of the den"),
    Item("the river", " runs"),
]
BOTH = pytest.mark.parametrize("where", ["prefix", "suffix"])


ECHOES = pytest.mark.parametrize("echo", [0.0, 0.7])


def cuts_of(lm: LM, where: Where, items: Sequence[Item] = ITEMS, *, echo: float = 0.0) -> list[Cut]:
    """The questions, if so asked each with a state that is to come back behind the first block."""
    cuts = [cut(lm.tokenizer, item, where) for item in items]
    states = torch.randn(len(cuts), 32, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    return [
        replace(each, echo=Echo(state, 0, echo)) if echo else each for each, state in zip(cuts, states, strict=True)
    ]


def random_triggers(lm: LM, count: int, length: int = 5) -> Tensor:
    tokens = spellable(lm)
    return tokens[torch.randint(len(tokens), (count, length), generator=torch.Generator().manual_seed(0))]


def embedded_nll(lm: LM, question: Cut, free: Tensor) -> Tensor:
    """The formula, on one question alone: mean over its answer's tokens, each predicted by the position before it."""
    ids = torch.tensor([*question.head, *([0] * len(free)), *question.tail])
    embedded = lm.model.get_input_embeddings()(ids)
    embedded = torch.cat(
        [embedded[: len(question.head)], free, embedded[len(question.head) + len(free) :]],
    )
    out = lm.model(inputs_embeds=embedded[None], output_hidden_states=True)
    logprobs = out.logits[0].log_softmax(-1)
    loss = -torch.stack([logprobs[-1 - back, ids[-back]] for back in range(1, question.answer + 1)]).mean()
    if question.echo is None:
        return loss
    state, wanted = out.hidden_states[1][0, -1 - question.answer], question.echo.state
    return loss + question.echo.weight * ((state - wanted) ** 2).sum() / (wanted**2).sum()


def naive(lm: LM, cuts: Sequence[Cut], free: Tensor) -> float:
    with torch.no_grad():
        return float(sum(embedded_nll(lm, each, free) for each in cuts)) / len(cuts)


@pytest.fixture
def exact_lm(tiny_lm: LM) -> LM:
    """A GPT-2 in float64 (the norms of a Llama are in fp32), its weights large enough that tokens matter."""
    vocabulary = tiny_lm.model.config.vocab_size
    config = GPT2Config(vocab_size=vocabulary, n_embd=32, n_layer=2, n_head=2, n_positions=64, initializer_range=0.1)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        model = GPT2LMHeadModel(config).double().eval()
    model.transformer.layers = model.transformer.h  # where a Llama has its blocks
    return LM(model, tiny_lm.tokenizer)


@BOTH
@ECHOES
@pytest.mark.parametrize("count", [1, 3])
def test_the_loss_is_the_naive_mean_over_questions_of_unequal_length(
    where: Where, count: int, echo: float, exact_lm: LM
) -> None:
    cuts, triggers = cuts_of(exact_lm, where, ITEMS[:count], echo=echo), random_triggers(exact_lm, 4)
    embedding = exact_lm.model.get_input_embeddings()
    expected = torch.tensor([naive(exact_lm, cuts, embedding(each)) for each in triggers], dtype=torch.float64)
    torch.testing.assert_close(trigger_nll(exact_lm.model, cuts, triggers), expected)


@BOTH
def test_the_loss_of_a_trigger_does_not_depend_on_those_beside_it(where: Where, exact_lm: LM) -> None:
    cuts, triggers = cuts_of(exact_lm, where), random_triggers(exact_lm, 700)  # more than one pass takes
    alone = torch.cat([trigger_nll(exact_lm.model, cuts, each[None]) for each in triggers[::350]])
    torch.testing.assert_close(trigger_nll(exact_lm.model, cuts, triggers)[::350], alone)


def test_a_model_that_knows_nothing_loses_the_log_of_its_vocabulary(exact_lm: LM) -> None:
    with torch.no_grad():
        exact_lm.model.get_output_embeddings().weight.zero_()
    found = trigger_nll(exact_lm.model, cuts_of(exact_lm, "prefix"), random_triggers(exact_lm, 1))
    assert found.item() == pytest.approx(math.log(exact_lm.model.config.vocab_size))


@BOTH
def test_the_loss_is_what_an_engine_measures(where: Where, tiny_lm: LM) -> None:
    cuts, tokens = cuts_of(tiny_lm, where), spellable(tiny_lm)
    start = repeated(tiny_lm.tokenizer, cuts, tokens, 5) or ()
    (text,) = spelled(tiny_lm.tokenizer, cuts, [start])
    engine = TransformersEngine()
    engine.load(tiny_lm)
    asked = [(f"{text}{item.prompt}" if where == "prefix" else f"{item.prompt}{text}", item.answer) for item in ITEMS]
    measured = [-sum(values) / len(values) for values in engine.loglikelihood(asked)]
    loss = trigger_nll(tiny_lm.model, cuts, torch.tensor([start])).item()
    assert loss == pytest.approx(sum(measured) / len(measured), rel=1e-5)


@BOTH
@ECHOES
def test_the_gradient_by_one_hot_tokens_is_a_finite_difference(where: Where, echo: float, exact_lm: LM) -> None:
    cuts, (trigger,) = cuts_of(exact_lm, where, echo=echo), random_triggers(exact_lm, 1)
    embedding, step = exact_lm.model.get_input_embeddings(), 1e-5
    slopes = trigger_gradient(exact_lm.model, cuts, trigger)
    for place, token in [(0, 3), (2, 77), (4, 290)]:
        change = torch.zeros(5, 32, dtype=torch.float64)
        change[place] = step * embedding.weight[token].detach()
        up, down = (naive(exact_lm, cuts, embedding(trigger) + sign * change) for sign in (1, -1))
        assert slopes[place, token].item() == pytest.approx((up - down) / (2 * step), rel=1e-6, abs=1e-8)


@BOTH
def test_padding_moves_no_gradient(where: Where, exact_lm: LM) -> None:
    cuts, (trigger,) = cuts_of(exact_lm, where), random_triggers(exact_lm, 1)
    alone = [trigger_gradient(exact_lm.model, [each], trigger) for each in cuts]
    torch.testing.assert_close(trigger_gradient(exact_lm.model, cuts, trigger), torch.stack(alone).mean(dim=0))


def test_neither_loss_nor_gradient_leaves_a_trace_on_the_model(tiny_lm: LM) -> None:
    before = {name: each.detach().clone() for name, each in tiny_lm.model.named_parameters()}
    cuts, triggers = cuts_of(tiny_lm, "prefix"), random_triggers(tiny_lm, 2)
    trigger_nll(tiny_lm.model, cuts, triggers)
    trigger_gradient(tiny_lm.model, cuts, triggers[0])
    assert all(
        each.requires_grad and each.grad is None and torch.equal(each, before[name])
        for name, each in tiny_lm.model.named_parameters()
    )


@pytest.mark.parametrize(
    ("where", "pieces", "text"),
    [
        ("suffix", ["Ġfox", "Ġfox"], " fox fox"),
        ("suffix", ["Ġ", "f", "o", "x"], None),  # these merge
        ("suffix", ["Ġfox", "Ġ"], " fox "),
        ("prefix", ["Ġfox", "!"], " fox!"),
        ("prefix", ["Ġfox", "Ġ"], None),  # the last one joins the question's first word
        ("prefix", ["Ġfox", "<eos>"], None),  # not written out
    ],
)
def test_only_what_reads_back_in_its_place_is_spelled(
    where: Where, pieces: list[str], text: str | None, tiny_lm: LM
) -> None:
    trigger = tiny_lm.tokenizer.convert_tokens_to_ids(pieces)
    assert spelled(tiny_lm.tokenizer, cuts_of(tiny_lm, where), [trigger]) == [text]


def test_what_may_stand_in_a_trigger_is_printable_and_not_special(tiny_lm: LM) -> None:
    tokens = spellable(tiny_lm).tolist()
    texts = [tiny_lm.tokenizer.decode([at]) for at in tokens]
    assert all(text.isascii() and text.isprintable() for text in texts)
    assert not {*tokens} & {*tiny_lm.tokenizer.all_special_ids}


def test_tokens_without_an_embedding_are_left_out(tiny_lm: LM) -> None:
    tiny_lm.tokenizer.add_tokens(["unseen"])
    assert int(spellable(tiny_lm).max()) < tiny_lm.model.config.vocab_size


@BOTH
def test_a_redrawn_trigger_can_be_spelled_and_is_another_one(where: Where, tiny_lm: LM) -> None:
    cuts, tokens = cuts_of(tiny_lm, where), spellable(tiny_lm)
    start = repeated(tiny_lm.tokenizer, cuts, tokens, 6) or ()
    other = redrawn(tiny_lm.tokenizer, cuts, start, tokens=tokens, generator=torch.Generator().manual_seed(0))
    assert len(other) == 6
    assert sum(one != two for one, two in zip(start, other, strict=True)) > 3
    assert None not in spelled(tiny_lm.tokenizer, cuts, [start, other])


def test_the_most_promising_tokens_have_the_lowest_slopes_and_the_present_one_is_left_out() -> None:
    slopes = torch.tensor([[3.0, 1.0, 2.0, 0.0], [-1.0, -2.0, -3.0, 0.0]])
    found = promising(slopes, torch.tensor([1, 0]), tokens=torch.tensor([0, 1, 2]), count=2)
    assert found.tolist() == [[2, 0], [2, 1]]


def test_proposals_change_the_asked_number_of_places_to_tokens_of_that_place() -> None:
    tokens = torch.tensor([[10, 11], [20, 21], [30, 31]])
    drawn = proposals(
        torch.tensor([0, 1, 2]), tokens, count=50, replacements=2, generator=torch.Generator().manual_seed(0)
    )
    changed = drawn != torch.tensor([0, 1, 2])
    assert changed.sum(dim=1).unique().tolist() == [2]
    assert {*drawn[changed].tolist()} == {10, 11, 20, 21, 30, 31}


@BOTH
def test_a_mark_for_a_space_and_a_first_token_are_no_obstacle(where: Where) -> None:
    tokenizer = marked_tokenizer()
    cuts = [cut(tokenizer, Item(f"ask w{number} :", f" w{number + 1}"), where) for number in range(3)]
    trigger = tokenizer.convert_tokens_to_ids(["▁w7", "▁ask", "▁w9"])
    assert cuts[0].head[0] == tokenizer.bos_token_id
    assert spelled(tokenizer, cuts, [trigger]) == ["w7 ask w9 " if where == "prefix" else " w7 ask w9"]


def marked_tokenizer() -> PreTrainedTokenizerFast:
    """As Llama 2 has it: a space becomes a mark, a text begins with one, and before it stands a first token."""
    words = ["<s>", "</s>", "<unk>", "▁ask", "▁:", *(f"▁w{number}" for number in range(12))]
    whole = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="<unk>"))
    whole.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
    whole.decoder = decoders.Metaspace(prepend_scheme="first")
    whole.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=whole, bos_token="<s>", eos_token="</s>", unk_token="<unk>")
