"""One vLLM engine that outlives checkpoints: its weights are swapped in place, and every swap is proven.

Invariant: after ``serve`` returns, the engine answers with the weights it was given, and with nothing that was cached
before them. vLLM runs in this process, so that weights, memory and a crash belong to the worker that owns the cell.
Letters: P probes, C candidate tokens, V vocabulary.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import random
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from harness.api import LM
from harness.engines.asked import next_token, read_next
from harness.engines.canary import Canary, Readings, Table
from harness.errors import UserError
from harness.faults import Fault, attempt

ENVIRONMENT: Mapping[str, str] = {
    "VLLM_ENABLE_V1_MULTIPROCESSING": "0",  # a child process would have to be fed through disk and could outlive us
    "VLLM_CPU_OMP_THREADS_BIND": "nobind",  # workers share the cores; pinning would put all of them on the first
    "VLLM_ALLOW_LONG_MAX_MODEL_LEN": "1",  # a prompt as long as the context still needs a place for the token after it
    "VLLM_NO_USAGE_STATS": "1",  # nothing is reported to anybody
    "VLLM_LOGGING_LEVEL": "ERROR",
}
"""Read by vLLM when it is imported; what the user has set stands."""
VOCABULARY_BYTES = 2 * 2**30
"""Prompt log-probabilities hold logits and log-softmax of every token of a step over the whole vocabulary, in fp32."""


@dataclass(frozen=True)
class Settings:
    """How an engine is built.

    Attributes:
        dtype: Of weights and arithmetic: ``float32`` or ``bfloat16``.
        batch_invariant: Whether kernels must not depend on the batch (CUDA of capability 8.0 or later).
        kv_cache_gib: Size of the key-value cache on a CPU, GiB.
        memory_fraction: Share of the device's memory for weights and cache on a GPU.
        batch_tokens: Most tokens in one step.
    """

    dtype: str
    batch_invariant: bool
    kv_cache_gib: float
    memory_fraction: float
    batch_tokens: int


_RUNNING: list[LiveEngine] = []
"""Engines of one process share vLLM's process groups, which go when one of them is ended or garbage-collected: so all
are kept alive here, and all are ended together."""


def end_all() -> None:
    """End every engine of this process."""
    for engine in _RUNNING:
        engine.end()
    _RUNNING.clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()


class LiveEngine:
    """A vLLM engine for one architecture and tokenizer."""

    def __init__(self, settings: Settings, lm: LM) -> None:
        self._settings = settings
        self._config = served_config(lm)
        self._context_length = int(lm.model.config.max_position_embeddings)
        self._vocabulary = int(lm.model.config.vocab_size)
        self._canary = Canary(lm, settings.dtype)
        self._llm: Any = None
        self._asleep = False
        self._last: Readings | None = None
        self.rebuilt: list[str] = []

    def serve(self, lm: LM) -> None:
        """Answer with these weights from now on.

        Raises:
            UserError: Another architecture or vocabulary, an architecture that vLLM does not know, or weights that
                are not served correctly even by an engine built anew.
        """
        self._refuse_another_shape(lm)
        self.rebuilt.clear()
        expected = self._canary.expected(lm)
        with tempfile.TemporaryDirectory(prefix="harness-weights-") as folder:
            _write(lm, folder, self._settings.dtype)
            fault = self._fresh(folder, expected) if self._llm is None else self._swapped(folder, expected)
            if fault:
                self.rebuilt.append(f"The live engine was built anew, because it failed its check: {fault}.")
                fault = self._fresh(folder, expected)
        if fault:
            end_all()
            raise UserError(
                f"vLLM does not serve this model correctly, also not from a fresh engine: {fault}. Score it with "
                "--engine transformers."
            )

    def generate(self, prompts: Sequence[list[int]], sampling: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Outputs of vLLM for token prompts, in their order; ``sampling`` holds the parameters of each."""
        params = [_vllm().SamplingParams(**{"temperature": 0.0, **asked}) for asked in sampling]
        asked = [{"prompt_token_ids": ids} for ids in prompts]
        outputs: list[Any] = self._llm.generate(asked, params, use_tqdm=False)
        return outputs

    def sleep(self) -> bool:
        """Give weights and cache back to the GPU while something trains; False on a CPU, where nothing is shared."""
        if self._llm is None or not torch.cuda.is_available():
            return False
        if not self._asleep:
            self._llm.sleep(level=2)  # the weights are replaced anyway, so no copy of them is kept
            self._asleep = True
        return True

    @property
    def running(self) -> bool:
        """Whether it could answer now; an engine that ended with others comes back with the next ``serve``."""
        return self._llm is not None and not self._asleep

    def end(self) -> None:
        """Forget the engine and free what it holds."""
        if self._llm is not None:
            attempt(self._llm.llm_engine.engine_core.shutdown)  # broken or not, it has to go
        self._llm, self._last, self._asleep = None, None, False

    def _fresh(self, folder: str, expected: Table) -> str:
        """Build an engine on these weights; what its probes say is wrong, empty if nothing is."""
        if self._llm is not None:
            end_all()
        built = attempt(lambda: self._built(folder))
        if isinstance(built, Fault):
            end_all()
            raise UserError(
                f"vLLM cannot serve a {self._config.get('model_type')} model: {built.reason}. "
                "Score it with --engine transformers."
            ) from built.error
        self._llm = built
        _RUNNING.append(self)
        return self._examined(expected)

    def _swapped(self, folder: str, expected: Table) -> str:
        """Put these weights into the running engine; what went wrong or what the probes say, empty if all is well."""
        loaded = attempt(lambda: self._reload(folder))
        if isinstance(loaded, Fault):
            return f"the reload failed with {loaded.reason}"
        if not self._llm.reset_prefix_cache():  # else the same question gets the old weights' answer: 4.4 nats off
            return "the prefix cache could not be reset"
        return self._examined(expected)

    def _reload(self, folder: str) -> None:
        if self._asleep:
            torch.cuda.empty_cache()  # what training left behind
            self._llm.wake_up(tags=["weights"])
        self._llm.collective_rpc("reload_weights", kwargs={"weights_path": folder})
        if self._asleep:
            self._llm.wake_up()
            self._asleep = False

    def _built(self, folder: str) -> Any:  # noqa: ANN401 - vLLM is untyped at this border
        on_gpu = torch.cuda.is_available()
        memory: dict[str, Any] = (
            {"gpu_memory_utilization": self._settings.memory_fraction, "enable_sleep_mode": True}
            if on_gpu
            else {"kv_cache_memory_bytes": int(self._settings.kv_cache_gib * 2**30)}
        )
        with unseeded():
            return _vllm(batch_invariant=self._settings.batch_invariant).LLM(
                model=folder,
                dtype=self._settings.dtype,
                max_model_len=self._context_length + 1,
                max_num_batched_tokens=self._step_tokens(),
                max_num_seqs=min(256, self._step_tokens()),
                max_logprobs=-1,  # candidates are asked for by id, however many there are
                enforce_eager=not on_gpu,
                generation_config="vllm",
                disable_log_stats=True,
                **memory,
            )

    def _step_tokens(self) -> int:
        """Tokens per step: bounded so that two vocabulary-wide fp32 tensors fit (vllm issues 5907, 10325)."""
        return max(16, min(self._settings.batch_tokens, VOCABULARY_BYTES // (8 * self._vocabulary)))

    def _examined(self, expected: Table) -> str:
        """What the probes say is wrong; empty if nothing is."""
        asked = [next_token(self._canary.candidates)] * len(self._canary.prompts)
        outputs = self.generate(self._canary.prompts, asked)
        served = tuple(tuple(read_next(output, self._canary.candidates)) for output in outputs)
        fault = self._canary.fault(Readings(served, expected), last=self._last)
        self._last = Readings(served, expected)
        return fault

    def _refuse_another_shape(self, lm: LM) -> None:
        config = served_config(lm)
        differing = sorted(key for key in {*config, *self._config} if config.get(key) != self._config.get(key))
        if differing:
            told = ", ".join(f"{key} {self._config.get(key)} -> {config.get(key)}" for key in differing)
            raise UserError(
                f"A live vLLM engine was given a checkpoint of another shape ({told}). Its weights can only be "
                "replaced by weights of the same architecture and vocabulary; give such a model an engine of its own."
            )


def served_config(lm: LM) -> dict[str, object]:
    """What of a model's configuration decides whether two checkpoints fit one engine."""
    passing = {"_name_or_path", "transformers_version", "dtype", "torch_dtype", "use_cache", "architectures"}
    config: dict[str, object] = lm.model.config.to_dict()
    return {key: value for key, value in config.items() if key not in passing}


def _write(lm: LM, folder: str, dtype: str) -> None:
    """The checkpoint as vLLM reads it, in the precision that it is served in.

    On a CPU a tied output layer is written out: vLLM packs its weights once, and a reload packs anew only what it finds
    in a checkpoint by name, so that a tied one would go on with the weights of the first.
    """
    served, untied = getattr(torch, dtype), not torch.cuda.is_available()
    lm.model.save_pretrained(
        folder,
        state_dict={
            key: value.to(served if value.is_floating_point() else value.dtype, copy=untied)
            for key, value in lm.model.state_dict().items()
        },
    )
    if untied:
        config = Path(folder, "config.json")
        config.write_text(json.dumps(json.loads(config.read_text()) | {"tie_word_embeddings": False}))
    lm.tokenizer.save_pretrained(folder)


@contextmanager
def unseeded() -> Iterator[None]:
    """Put the global generators back: building an engine seeds them, and an attack may be drawing from them."""
    saved, saved_numpy = random.getstate(), np.random.get_state()
    try:
        with torch.random.fork_rng():
            yield
    finally:
        random.setstate(saved)
        np.random.set_state(saved_numpy)


def _vllm(*, batch_invariant: bool = False) -> Any:  # noqa: ANN401 - vLLM is untyped at this border
    """The vllm package, imported on first use: that takes half a minute and must not happen to who does not need it."""
    for key, value in ENVIRONMENT.items():
        os.environ.setdefault(key, value)
    if batch_invariant:
        _require_batch_invariance()
    if not torch.cuda.is_available():
        torch._dynamo.config.disable = True  # its one compiled helper takes seconds to compile and saves none on a CPU
    return importlib.import_module("vllm")


def _require_batch_invariance() -> None:
    if not torch.cuda.is_available() or torch.cuda.get_device_capability() < (8, 0):
        raise UserError(
            "engine.vllm.batch_invariant needs a CUDA device of compute capability 8.0 or later, and there is none "
            "here. Leave it off; then log-probabilities may differ in the last digits with the batch."
        )
    os.environ["VLLM_BATCH_INVARIANT"] = "1"
