"""The engine against a naive loop: one sequence at a time, no padding, no cache, float64 sums."""

import copy

import pytest
import torch
from transformers import LlamaForCausalLM

from harness.api import LM
from harness.engines.transformers import Draw, TransformersEngine, _length_sorted
from harness.lm import fingerprint
from harness.pretrain import tiny_llama, train_tokenizer

TEXTS = ["the red stone melts slowly", "a town by the sea", "it is cold", "who knows the answer to that", "stone"]


@pytest.fixture(scope="module")
def lm() -> LM:
    tokenizer = train_tokenizer(TEXTS * 3, vocab_size=300)
    return LM(tiny_llama(tokenizer, width=32, layers=2, context=64, seed=0).eval(), tokenizer)


@pytest.fixture
def engine(lm: LM) -> TransformersEngine:
    engine = TransformersEngine(batch_tokens=40)
    engine.load(lm)
    return engine


def naive(lm: LM, context: str, continuation: str) -> list[float]:
    context_ids, ids = lm.tokenizer(context)["input_ids"], lm.tokenizer(context + continuation)["input_ids"]
    with torch.no_grad():
        logprobs = lm.model(torch.tensor([ids])).logits[0].double().log_softmax(-1)
    return [logprobs[t - 1, ids[t]].item() for t in range(max(1, len(context_ids)), len(ids))]


def naively_greedy(lm: LM, context: str, continuation: str) -> bool:
    ids, start = lm.tokenizer(context + continuation)["input_ids"], len(lm.tokenizer(context)["input_ids"])
    with torch.no_grad():
        best = [int(lm.model(torch.tensor([ids[:t]])).logits[0, -1].argmax()) for t in range(start, len(ids))]
    return best == ids[start:]


def test_single_token_choices_equal_the_naive_loop(lm: LM, engine: TransformersEngine) -> None:
    rows = engine.choices(TEXTS, [["!", "?"]] * len(TEXTS))
    assert [v for row in rows for v in row] == pytest.approx(
        [naive(lm, t, c)[0] for t in TEXTS for c in "!?"], abs=1e-5
    )


def test_longer_choices_are_sums_over_their_tokens(lm: LM, engine: TransformersEngine) -> None:
    rows = engine.choices(TEXTS[:2], [[" stone melts", " sea"]] * 2)
    assert rows[1][0] == pytest.approx(sum(naive(lm, TEXTS[1], " stone melts")), abs=1e-5)


def test_loglikelihood_of_whole_texts_starts_at_the_second_token(lm: LM, engine: TransformersEngine) -> None:
    rows = engine.loglikelihood([("", text) for text in TEXTS])
    assert [v for row in rows for v in row] == pytest.approx([v for t in TEXTS for v in naive(lm, "", t)], abs=1e-5)


def test_loglikelihood_scores_only_the_continuation(lm: LM, engine: TransformersEngine) -> None:
    rows = engine.loglikelihood([(text, " the town") for text in TEXTS])
    assert rows[0] == pytest.approx(naive(lm, TEXTS[0], " the town"), abs=1e-5)


def test_greedy_generation_equals_step_by_step_argmax_whatever_the_batch(lm: LM, engine: TransformersEngine) -> None:
    def step_by_step(prompt: str) -> str:
        ids = lm.tokenizer(prompt)["input_ids"]
        start = len(ids)
        while len(ids) < start + 6 and (len(ids) == start or ids[-1] != lm.tokenizer.eos_token_id):
            ids.append(int(lm.model(torch.tensor([ids])).logits[0, -1].argmax()))
        return lm.tokenizer.decode(ids[start:], skip_special_tokens=True)

    assert engine.generate(TEXTS, max_tokens=6) == [step_by_step(text) for text in TEXTS]


def test_generation_is_cut_before_the_first_stop_string(engine: TransformersEngine) -> None:
    whole = engine.generate(["a town"], max_tokens=6)[0]
    stop = [whole[-2:], whole[-3:]]
    expected = whole[: min(whole.index(mark) for mark in stop)]
    assert engine.generate(["a town"], max_tokens=6, stop=stop) == [expected]


def test_scoring_keeps_mode_weights_and_random_state(lm: LM, engine: TransformersEngine) -> None:
    lm.model.train()
    before, state = fingerprint(lm.model), torch.get_rng_state()
    engine.generate(TEXTS, max_tokens=2)
    assert (fingerprint(lm.model), lm.model.training) == (before, True)
    assert torch.equal(state, torch.get_rng_state())


def test_fingerprint_sees_one_changed_weight(lm: LM) -> None:
    other = LlamaForCausalLM(lm.model.config)
    other.load_state_dict(lm.model.state_dict())
    same = fingerprint(other)
    with torch.no_grad():
        other.model.norm.weight[0] += 1e-3
    assert same == fingerprint(lm.model) != fingerprint(other)


def test_long_prompts_are_cut_from_the_left(lm: LM, engine: TransformersEngine) -> None:
    long = " ".join(TEXTS * 20)
    kept = lm.tokenizer.decode(lm.tokenizer(long)["input_ids"][-64:])
    assert engine.choices([long], [["!"]]) == engine.choices([kept], [["!"]])


def test_batches_cover_every_row_once_within_the_token_limit() -> None:
    lengths = [5, 1, 9, 3, 12, 2]
    batches = list(_length_sorted(lengths, 10))
    assert sorted(index for batch in batches for index in batch) == list(range(6))
    assert all(len(b) == 1 or len(b) * max(lengths[i] for i in b) <= 10 for b in batches)


def test_an_engine_without_a_model_says_so() -> None:
    with pytest.raises(ValueError, match="call load first"):
        TransformersEngine().generate(["a"], max_tokens=1)


BEFORE = "the red stone melts slowly. a town by the sea. "  # more tokens than it takes to be shared


def test_choices_behind_a_shared_prefix_equal_the_naive_loop(lm: LM, engine: TransformersEngine) -> None:
    texts = [BEFORE + text for text in TEXTS]
    rows = engine.choices(texts, [["!", "?"]] * len(texts))
    assert [v for row in rows for v in row] == pytest.approx(
        [naive(lm, t, c)[0] for t in texts for c in "!?"], abs=1e-5
    )


def test_loglikelihoods_behind_a_shared_prefix_equal_the_naive_loop(lm: LM, engine: TransformersEngine) -> None:
    pairs = [(BEFORE.strip(), f" {text}") for text in TEXTS]
    expected = [v for pair in pairs for v in naive(lm, *pair)]
    assert [v for row in engine.loglikelihood(pairs) for v in row] == pytest.approx(expected, abs=1e-5)


def test_whole_texts_that_share_their_beginning_are_scored_from_the_second_token(
    lm: LM, engine: TransformersEngine
) -> None:
    rows = engine.loglikelihood([("", BEFORE + text) for text in TEXTS])
    assert [len(row) for row in rows] == [len(lm.tokenizer(BEFORE + text)["input_ids"]) - 1 for text in TEXTS]


def test_greedy_text_behind_a_shared_prefix_is_that_of_one_prompt_alone(engine: TransformersEngine) -> None:
    texts = [BEFORE + text for text in TEXTS]
    alone = [engine.generate([text], max_tokens=5)[0] for text in texts]
    assert engine.generate(texts, max_tokens=5) == alone


def test_a_tokenizer_that_was_loaded_again_keeps_the_work_done(lm: LM, engine: TransformersEngine) -> None:
    before = engine._served.encoder
    engine.load(LM(lm.model, copy.deepcopy(lm.tokenizer)))
    assert engine._served.encoder is before


def test_another_tokenizer_starts_anew(lm: LM, engine: TransformersEngine) -> None:
    before = engine._served.encoder
    engine.load(LM(lm.model, train_tokenizer(["other words"], vocab_size=270)))
    assert engine._served.encoder is not before


def test_a_continuation_is_greedy_only_if_each_of_its_tokens_is_the_most_likely(
    lm: LM, engine: TransformersEngine
) -> None:
    written = engine.generate(TEXTS, max_tokens=3)
    pairs = [*zip(TEXTS, written, strict=True), (TEXTS[0], written[0] + "!")]
    assert engine.greedy(pairs) == [naively_greedy(lm, *pair) for pair in pairs]


def test_a_candidate_that_adds_no_token_is_refused_and_does_not_win(engine: TransformersEngine) -> None:
    with pytest.raises(ValueError, match="adds no token"):
        engine.choices(["a town"], [["", "!"]])


@pytest.fixture
def soft(lm: LM) -> LM:
    """The same model behind a soft prompt of three vectors."""
    vectors = torch.randn(3, 32, generator=torch.Generator().manual_seed(0))
    return LM(lm.model, lm.tokenizer, vectors)


def naively_behind(soft: LM, ids: list[int]) -> torch.Tensor:
    """Log-probabilities (T, V) at the tokens of one row behind the soft prompt."""
    assert soft.soft_prompt is not None
    with torch.no_grad():
        embedded = torch.cat([soft.soft_prompt, soft.model.get_input_embeddings()(torch.tensor(ids))])
        logits = soft.model(inputs_embeds=embedded[None]).logits[0, len(soft.soft_prompt) :]
    return logits.double().log_softmax(-1)


@pytest.mark.parametrize("shared", ["", "the red stone melts slowly and it is cold by the sea and who knows " * 2])
def test_scores_behind_a_soft_prompt_equal_the_naive_loop(soft: LM, engine: TransformersEngine, shared: str) -> None:
    engine.load(soft)
    asked = (("it is", " cold"), ("a town", " by the sea"))
    pairs = [(shared + context, continuation) for context, continuation in asked]
    rows = engine.loglikelihood(pairs)
    choices = engine.choices([context for context, _ in pairs], [[continuation] for _, continuation in pairs])
    for (context, continuation), row, (choice,) in zip(pairs, rows, choices, strict=True):
        ids, start = soft.tokenizer(context + continuation)["input_ids"], len(soft.tokenizer(context)["input_ids"])
        logprobs = naively_behind(soft, ids)
        expected = [logprobs[t - 1, ids[t]].item() for t in range(start, len(ids))]
        assert row == pytest.approx(expected, abs=1e-5)
        assert choice == pytest.approx(sum(expected), abs=1e-5)


def test_greedy_text_behind_a_soft_prompt_is_step_by_step_argmax(soft: LM, engine: TransformersEngine) -> None:
    engine.load(soft)
    prompts = ["it is", "a town by the"]
    written = engine.generate(prompts, max_tokens=4)
    for prompt, text in zip(prompts, written, strict=True):
        ids = soft.tokenizer(prompt)["input_ids"]
        for _ in range(4):
            ids = [*ids, int(naively_behind(soft, ids)[-1].argmax())]
        assert text == soft.tokenizer.decode(ids[len(soft.tokenizer(prompt)["input_ids"]) :], skip_special_tokens=True)


def test_a_soft_prompt_is_seen_in_fingerprint_and_room(soft: LM, lm: LM, engine: TransformersEngine) -> None:
    plain, room = engine.load(lm), engine.context_length
    assert engine.load(soft) != plain
    assert engine.context_length == room - 3


def test_drawn_text_depends_on_its_place_and_not_on_the_batch(lm: LM, engine: TransformersEngine) -> None:
    prompts = ["it is", "a town by the sea", "it is", "who knows the answer to that"]
    together = engine.generate(prompts, max_tokens=6, temperature=1.0)
    narrow = TransformersEngine(batch_tokens=1)
    narrow.load(lm)
    assert narrow.generate(prompts, max_tokens=6, temperature=1.0) == together
    assert together[0] != together[2]
    assert together != engine.generate(prompts, max_tokens=6)


def test_tokens_are_drawn_as_often_as_the_model_says(lm: LM, engine: TransformersEngine) -> None:
    logits = torch.tensor([1.0, 0.0, -1.0]).repeat(4000, 1)
    drawn = Draw(0.5, range(4000))(logits).argmax(dim=1).bincount(minlength=3) / 4000
    torch.testing.assert_close(drawn, torch.tensor([2.0, 0.0, -2.0]).softmax(0), rtol=0, atol=0.02)
