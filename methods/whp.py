"""Who's Harry Potter at decoding time, as MUSE runs it (2310.02238, 2407.06460).

A copy of the model is reinforced by fine-tuning on the forget documents, and what it makes likelier than the target
does is taken off the target's logits. Both networks stay in use, so the unlearned model is a pair: it is saved and
loaded as one model wherever this module is imported, and attacks act on the weights of both. The paper of 2023 goes on
to fine-tune on labels made of these logits; that step is left out, as in MUSE.
"""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, cast

import torch
from torch import Tensor, nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    Cache,
    DynamicCache,
    PretrainedConfig,
    PreTrainedModel,
)
from transformers.modeling_outputs import CausalLMOutputWithPast

from harness.api import LM, Corpora, Fidelity, Published, param
from harness.train import Training, fit


def suppressed(target: Tensor, reinforced: Tensor, *, alpha: float) -> Tensor:
    """``z_b - alpha * ReLU(z_r - z_b)`` of two logits of one shape (2310.02238, eq. 1)."""
    return target - alpha * (reinforced - target).relu()


class ContrastedConfig(PretrainedConfig):  # type: ignore[misc] # transformers is untyped here
    """A target and its reinforced copy, both of one architecture.

    Attributes:
        component: The configuration of each of them.
        alpha: How strongly their difference is taken off.
    """

    model_type = "contrasted_pair"

    component: dict[str, Any] | None = None
    alpha: float = 0.0
    vocab_size: int = 0
    hidden_size: int = 0
    max_position_embeddings: int = 0
    num_hidden_layers: int = 0

    @classmethod
    def around(cls, component: PretrainedConfig, *, alpha: float) -> ContrastedConfig:
        """The configuration of two such models; what engines and attacks read of one is read of both."""
        shared = ("vocab_size", "hidden_size", "max_position_embeddings", "num_hidden_layers")
        special = ("bos_token_id", "eos_token_id", "pad_token_id")
        return cls(
            component={key: value for key, value in component.to_dict().items() if key != "dtype"},
            alpha=alpha,
            **{name: getattr(component, name) for name in (*shared, *special)},
        )

    def of_component(self) -> PretrainedConfig:
        """The configuration of one network."""
        if self.component is None:
            raise ValueError("This configuration describes no network; make it with ContrastedConfig.around.")
        return cast(PretrainedConfig, AutoConfig.for_model(**self.component))


class ContrastedLM(PreTrainedModel):  # type: ignore[misc] # as above
    """A causal language model whose logits are those of :func:`suppressed`."""

    config_class = ContrastedConfig
    _supports_sdpa = _supports_flash_attn = _supports_flex_attn = True  # whatever the networks choose themselves

    def __init__(self, config: ContrastedConfig) -> None:
        """Two networks with the weights that their architecture starts from."""
        super().__init__(config)
        self.target: Any = AutoModelForCausalLM.from_config(config.of_component())
        self.reinforced: Any = AutoModelForCausalLM.from_config(config.of_component())
        self.post_init()

    @classmethod
    def around(cls, target: PreTrainedModel, *, alpha: float) -> ContrastedLM:
        """The target and a copy of it, which is the target's own function until one of them is trained."""
        with torch.device("meta"):  # both networks are replaced at once
            made = cls(ContrastedConfig.around(target.config, alpha=alpha))
        made.target, made.reinforced = target, copy.deepcopy(target)
        made.eval()
        return made

    def forward(
        self,
        input_ids: Tensor,
        attention_mask: Tensor | None = None,
        position_ids: Tensor | None = None,
        past_key_values: Cache | None = None,
        use_cache: bool | None = None,
        logits_to_keep: int = 0,
    ) -> CausalLMOutputWithPast:
        """Logits (B, T, V) of tokens (B, T); one cache serves both networks."""
        if past_key_values is None and use_cache is not False:
            past_key_values = DynamicCache(config=self.target.config)
        caches = (None, None) if past_key_values is None else _halves(past_key_values, self.target.config)
        target, reinforced = (
            network(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=cache,
                use_cache=cache is not None,
                logits_to_keep=logits_to_keep,
            ).logits
            for network, cache in zip((self.target, self.reinforced), caches, strict=True)
        )
        logits = suppressed(target, reinforced, alpha=self.config.alpha)
        return CausalLMOutputWithPast(logits=logits, past_key_values=past_key_values)

    def get_input_embeddings(self) -> nn.Module:
        """The target's."""
        return cast(nn.Module, self.target.get_input_embeddings())

    def get_output_embeddings(self) -> nn.Module:
        """The target's."""
        return cast(nn.Module, self.target.get_output_embeddings())


AutoConfig.register(ContrastedConfig.model_type, ContrastedConfig, exist_ok=True)
AutoModelForCausalLM.register(ContrastedConfig, ContrastedLM, exist_ok=True)


POCKET: Mapping[str, object] = {
    "lr": 1e-3,
    "steps": 60,
    "warmup": 10,
    "alpha": 16.0,
    "batch_size": 8,
    "max_tokens": 160,
    "accumulation": 2,
}
"""Starting point of the search on dev items (docs/pocket_tuning.md)."""

SMALL: Mapping[str, object] = {**POCKET, "max_tokens": 512, "batch_size": 4}
"""For models below 1e9 parameters on real records: carried over from pocket-wmdp and not tuned on them."""

MUSE_SOURCE = (
    "7B, the reinforced model of MUSE's task vector, ten epochs in batches of 4 chunks of 2,048 tokens "
    "(muse_bench@e000038 baselines/scripts); the alpha that MUSE selected among 1, 2, 4, 8 and 16 is not published, "
    "the default is that of its class"
)
MUSE: Mapping[str, object] = {"lr": 1e-5, "max_tokens": 2048}


@dataclass(frozen=True)
class WHP(Training):
    """Who's Harry Potter: takes off the logits what fine-tuning on the forget documents would add to them."""

    lr: float = param(1e-5, "Peak learning rate of AdamW for the reinforced model (7B, MUSE's script).", gt=0)
    alpha: float = param(1.0, "How strongly the difference is taken off (muse_bench whos_harry_potter.py).", ge=0)

    version: ClassVar[int] = 1
    family: ClassVar[str] = "decoding"
    replaces: ClassVar[bool] = True
    citation: ClassVar[str] = "2310.02238"
    fidelity: ClassVar[Fidelity] = "formula-checked"
    search: ClassVar[tuple[str, ...]] = ("lr", "alpha")
    published: ClassVar[Mapping[str, Published]] = {
        "muse-news": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 102}),
        "muse-books": Published(MUSE_SOURCE, {**MUSE, "steps": 10 * 139}),
    }
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        "small": SMALL,
    }

    def unlearn(self, lm: LM, corpora: Corpora, *, seed: int) -> None:
        """Put the model and a copy that is reinforced on ``corpora.forget`` in the model's place.

        A model that an earlier request left is a pair already: its reinforced network goes on learning.
        """
        if not isinstance(lm.model, ContrastedLM):
            lm.model = ContrastedLM.around(lm.model, alpha=self.alpha)
        reinforced = LM(lm.model.reinforced, lm.tokenizer)
        fit(reinforced, corpora.forget, self, seed=seed)


def _halves(cache: Cache, component: PretrainedConfig) -> tuple[Cache, Cache]:
    """Two views of one cache, whose layers are those of the target and then those of the reinforced model.

    Engines make it for as many layers as the configuration says, so the second half is added when it is first used.
    Layers are changed in place, so what a network writes into its view is in the cache.
    """
    depth = len(DynamicCache(config=component).layers)
    if len(cache.layers) == depth:
        cache.layers.extend(DynamicCache(config=component).layers)
    views = DynamicCache(config=component), DynamicCache(config=component)
    views[0].layers, views[1].layers = cache.layers[:depth], cache.layers[depth:]
    return views
