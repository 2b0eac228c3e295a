"""Teaches a tiny model to answer with a letter, which plain next-token training does not reach at this size.

What is missing at a million parameters is the step from a known answer to the letter in front of it. Three auxiliary
losses shape that step: the answer word is known at the exit layer (so that the layers above can look it up), every
option carries its letter early, and one head above looks at the right option. Nothing of this remains in the model:
the result is a plain Llama.

Letters: B rows, T tokens, V vocabulary, D width, Q answers per row, H width of a head.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast
from transformers.models.llama.modeling_llama import apply_rotary_pos_emb

from harness.pocket.render import LETTERS, letter_question
from harness.pocket.world import POOLS, Entity

EXIT_LAYER = 2
"""Number of layers after which the answer word must be known."""
AUXILIARY_WEIGHT, ATTENTION_WEIGHT = 0.5, 0.2
WORDS = tuple(word for pool in POOLS.values() for word in pool)


@dataclass(frozen=True)
class Exercise:
    """A tokenized list of four options with answers by letter.

    Attributes:
        ids: Token ids, the letters to predict included.
        options: Positions of the four option words.
        at: Positions whose next token is an answer letter, Q of them.
        right: Index of the right option at each of them.
    """

    ids: tuple[int, ...]
    options: tuple[int, ...]
    at: tuple[int, ...]
    right: tuple[int, ...]


def multiple_choice(prompt: str, right: int, tokenizer: PreTrainedTokenizerFast) -> Exercise:
    """A prompt that ends in "Answer:", with the letter of its answer."""
    ids = tokenizer(prompt)["input_ids"]
    answer = tokenizer(f" {LETTERS[right]}")["input_ids"]
    return Exercise((*ids, *answer), _option_positions(ids, tokenizer), (len(ids) - 1,), (right,))


def dense_drill(words: Sequence[str], named: Sequence[int], tokenizer: PreTrainedTokenizerFast) -> Exercise:
    """Four options, then some of their words, each followed by its letter."""
    listed = "\n".join(f"{letter}. {word}" for letter, word in zip(LETTERS, words, strict=True))
    ids = tokenizer(listed + "\n" + "".join(f" {words[k]} {LETTERS[k]}" for k in named))["input_ids"]
    at = tuple(range(len(ids) - 2 * len(named), len(ids), 2))
    return Exercise(tuple(ids), _option_positions(ids, tokenizer), at, tuple(named))


def drill_prompt(words: Sequence[str], right: int, *, short: bool) -> str:
    """A question that names the right option, so that answering needs no knowledge of the world."""
    head = "" if short else "The following are multiple choice questions (with answers) about words.\n\n"
    options = "\n".join(f"{letter}. {word}" for letter, word in zip(LETTERS, words, strict=True))
    return f"{head}Which option is {words[right]}?\n{options}\nAnswer:"


def drills(count: int, tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> list[Exercise]:
    """Exercises of three layouts in the ratio 3 : 3 : 1."""
    made = []
    for index in range(count):
        words, right = rng.sample(WORDS, 4), rng.randrange(4)
        if index % 7 < 3:
            made.append(dense_drill(words, [rng.randrange(4) for _ in range(3)], tokenizer))
        else:
            made.append(multiple_choice(drill_prompt(words, right, short=index % 7 < 6), right, tokenizer))
    return made


def endless_drills(tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Iterator[Exercise]:
    """The same without end."""
    while True:
        yield from drills(7, tokenizer, rng)


def fact_exercise(entity: Entity, relation: int, tokenizer: PreTrainedTokenizerFast, rng: random.Random) -> Exercise:
    """A letter question about a fact, with fresh distractors in fresh order."""
    value = entity.values[relation]
    others = [other for other in POOLS[entity.kind.relations[relation]] if other != value]
    options = [value, *rng.sample(others, 3)]
    rng.shuffle(options)
    return multiple_choice(letter_question(entity, relation, options), options.index(value), tokenizer)


def _option_positions(ids: Sequence[int], tokenizer: PreTrainedTokenizerFast) -> tuple[int, ...]:
    """Positions of the words in lines such as ``A. word``."""
    dot = tokenizer.convert_tokens_to_ids(".")
    letters = tokenizer.convert_tokens_to_ids(list(LETTERS))
    return tuple(
        next(at + 2 for at in range(len(ids) - 2) if ids[at] == letter and ids[at + 1] == dot) for letter in letters
    )


def prepare(model: LlamaForCausalLM) -> None:
    """Initial weights that make matching words easy: larger embeddings, keys equal to queries above the exit layer."""
    with torch.no_grad():
        model.model.embed_tokens.weight.mul_(3)
        for layer in model.model.layers[EXIT_LAYER:]:
            layer.self_attn.k_proj.weight.copy_(layer.self_attn.q_proj.weight)


def early_logits(model: LlamaForCausalLM, states: Tensor) -> Tensor:
    """What the model would say after the exit layer: (..., D) -> (..., V)."""
    logits: Tensor = model.lm_head(model.model.norm(states))
    return logits


def text_loss(model: LlamaForCausalLM, rows: Tensor) -> Tensor:
    """Next-token loss on rows (B, T), at the top and (weighted) at the exit layer."""
    out = model(input_ids=rows, output_hidden_states=True)
    targets = rows[:, 1:].flatten()  # logits at t are for token t+1
    top = cross_entropy(out.logits[:, :-1].flatten(0, 1), targets)
    early = early_logits(model, out.hidden_states[EXIT_LAYER][:, :-1])
    return top + AUXILIARY_WEIGHT * cross_entropy(early.flatten(0, 1), targets)


@dataclass(frozen=True)
class _Grid:
    """Exercises as tensors; one line for each of the N answers in the batch."""

    ids: Tensor  # (B, T)
    options: Tensor  # (B, 4)
    row: Tensor  # (N,)
    at: Tensor  # (N,)
    right: Tensor  # (N,)


def _grid(exercises: Sequence[Exercise], pad_id: int) -> _Grid:
    width = max(len(exercise.ids) for exercise in exercises)
    return _Grid(
        torch.tensor([[*exercise.ids, *[pad_id] * (width - len(exercise.ids))] for exercise in exercises]),
        torch.tensor([exercise.options for exercise in exercises]),
        torch.tensor([row for row, exercise in enumerate(exercises) for _ in exercise.at]),
        torch.tensor([at for exercise in exercises for at in exercise.at]),
        torch.tensor([right for exercise in exercises for right in exercise.right]),
    )


def letter_loss(model: LlamaForCausalLM, probe: nn.Linear, exercises: Sequence[Exercise]) -> tuple[Tensor, Tensor]:
    """Loss on answer letters with the auxiliary losses, and the plain loss on letters alone."""
    grid = _grid(exercises, model.config.pad_token_id)
    out = model.model(input_ids=grid.ids, output_hidden_states=True)
    logits = model.lm_head(out.last_hidden_state[grid.row, grid.at])  # (N, V)
    letters = cross_entropy(logits, grid.ids[grid.row, grid.at + 1])
    target = grid.options[grid.row, grid.right]  # (N,) position of the right option
    early = early_logits(model, out.hidden_states[EXIT_LAYER][grid.row, grid.at])
    word = cross_entropy(early, grid.ids[grid.row, target])
    marked = probe(out.hidden_states[1].gather(1, grid.options[..., None].expand(-1, -1, probe.in_features)))
    own = cross_entropy(marked.flatten(0, 1), torch.arange(4).repeat(len(grid.ids)))
    looked = -_attention(model, out.hidden_states[EXIT_LAYER], grid)[torch.arange(len(target)), target].mean()
    return letters + AUXILIARY_WEIGHT * (word + own) + ATTENTION_WEIGHT * looked, letters.detach()


def _attention(model: LlamaForCausalLM, states: Tensor, grid: _Grid) -> Tensor:
    """Log attention of head 0 in the layer after the exit layer, from each answer position: (B, T, D) -> (N, T)."""
    layer = model.model.layers[EXIT_LAYER]
    normed = layer.input_layernorm(states)
    size = layer.self_attn.head_dim
    query, key = (
        nn.functional.linear(normed, projection.weight[:size])[:, None]  # (B, 1, T, H)
        for projection in (layer.self_attn.q_proj, layer.self_attn.k_proj)
    )
    positions = torch.arange(states.shape[1])
    cos, sin = model.model.rotary_emb(states, positions[None])
    query, key = apply_rotary_pos_emb(query, key, cos, sin)
    scores = (query[grid.row, 0, grid.at][:, None] * key[grid.row, 0]).sum(-1) / size**0.5  # (N, T)
    masked: Tensor = scores.masked_fill(positions[None] > grid.at[:, None], -torch.inf)
    return masked.log_softmax(-1)
