"""Train small causal language models from scratch: shared by the pocket builder and by `harness target build`."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence

import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

EOS = "<eos>"
PAD = "<pad>"


def train_tokenizer(texts: Iterable[str], *, vocab_size: int) -> PreTrainedTokenizerFast:
    """Byte-level BPE with ``<pad>`` and ``<eos>``; words repeated often enough become single tokens."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size,
        special_tokens=[PAD, EOS],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, pad_token=PAD, eos_token=EOS, padding_side="left")


def tiny_llama(
    tokenizer: PreTrainedTokenizerFast, *, width: int, layers: int, context: int, seed: int
) -> LlamaForCausalLM:
    """A Llama with tied embeddings, heads of 32 and a feed-forward of three widths, initialised from ``seed``."""
    config = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=width,
        intermediate_size=3 * width,
        num_hidden_layers=layers,
        num_attention_heads=width // 32,
        num_key_value_heads=width // 32,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return LlamaForCausalLM(config)


def packed_rows(documents: Iterable[Sequence[int]], *, length: int) -> Iterator[list[int]]:
    """Concatenate token sequences and cut them into rows of ``length``; what is left over at the end is dropped."""
    row: list[int] = []
    for document in documents:
        row.extend(document)
        while len(row) >= length:
            yield row[:length]
            row = row[length:]


def decayed(step: int, *, steps: int, warmup: int, floor: float = 0.02) -> float:
    """Multiplier of the learning rate: linear warm-up, then linear decay to ``floor``."""
    if step < warmup:
        return (step + 1) / warmup
    return max(floor, 1 - (1 - floor) * (step - warmup) / max(1, steps - warmup))


def pretrain(
    model: LlamaForCausalLM,
    loss_at: Callable[[int], Tensor],
    *,
    steps: int,
    lr: float,
    warmup: int = 100,
    after_step: Callable[[int, float], None] = lambda step, loss: None,
) -> None:
    """AdamW over ``loss_at(step)`` with warm-up and linear decay.

    Args:
        model: Trained in place, fp32.
        loss_at: Scalar loss of the step's batch; it draws its batch from its own seeded generator.
        steps: Number of updates.
        lr: Peak learning rate.
        warmup: Updates of linear warm-up.
        after_step: Called with the step and its loss, for progress and checks.
    """
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.98), weight_decay=0.05, fused=True)
    model.train()
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = lr * decayed(step, steps=steps, warmup=warmup)
        loss = loss_at(step)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        value = loss.item()
        if not math.isfinite(value):
            raise ValueError(f"Pretraining diverged at step {step}: loss {value}.")
        after_step(step, value)
    model.eval()
