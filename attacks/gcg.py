"""Greedy coordinate gradient (2307.15043): one prefix or suffix for all questions that makes a model answer.

Invariant: the weights never change, and a text that is kept reads back, in its place, as the tokens it was scored as.
Letters: L tokens of the trigger, N questions, K tokens to choose from.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from operator import itemgetter
from typing import ClassVar, Literal

import torch
from torch import Tensor

from harness.api import LM, AttackerData, Family, Item, NotApplicable, Point, Prompts, Threat, param, remarked, shortage
from harness.train import decoder_blocks, last_states, require_embeddings
from harness.train.spelling import redrawn, repeated, spellable, spelled
from harness.train.triggers import Cut, Echo, Ids, cut, promising, proposals, trigger_gradient, trigger_nll

CONTEXT_SHARE = 0.1
"""Largest share of the model's context that a trigger takes."""
ROUNDS = 4
"""How often a step draws before it makes do with fewer candidates than asked for; each time from twice the tokens."""

POCKET: Mapping[str, object] = {"steps": 50, "width": 32, "length": 16, "topk": 64, "checkpoints": (0, 5, 15)}
"""Chosen on dev items of pocket-wmdp (cloze, mean of three seeds, methods before they were tuned): 16 tokens bring NPO
from .27 to .82 and RMU from .29 to .51, 8 tokens to .71 and .40. Drawing from 256 tokens per place of a vocabulary of
1,968 in place of 64, 8 tokens bring NPO to .65; going on from worse candidates, as nanogcg does, to .67. The
never-learned model stays at .25."""


@dataclass(frozen=True)
class Search:
    """What a trigger is looked for.

    Attributes:
        lm: The attacked model.
        cuts: The N questions.
        tokens: (K,) those that may stand in a trigger.
        start: Where the search begins.
    """

    lm: LM
    cuts: Sequence[Cut]
    tokens: Tensor
    start: Ids

    def text(self, trigger: Ids) -> str:
        """What spells a trigger that can be spelled."""
        (text,) = spelled(self.lm.tokenizer, self.cuts, [trigger])
        if text is None:
            raise ValueError(f"The tokens {trigger} cannot be spelled between these questions.")
        return text


@dataclass(frozen=True)
class Kept:
    """The best trigger so far.

    Attributes:
        ids: Its L tokens.
        loss: Mean over the N questions of the mean negative log-likelihood per answer token, nats.
        evaluations: Candidates scored so far, each on all N questions.
    """

    ids: Ids
    loss: float
    evaluations: int = 0


@dataclass(frozen=True)
class GCG:
    """Universal prefix or suffix, found by gradient-guided search on N solved questions of train facts."""

    where: Literal["prefix", "suffix"] = param(
        "prefix", "whether it stands before or after every question (2508.06601: before)", choices=("prefix", "suffix")
    )
    length: int = param(20, "tokens of it (2508.06601, nanogcg); at most a tenth of the model's context", ge=1)
    steps: int = param(250, "rounds of candidates (nanogcg)", ge=1)
    width: int = param(256, "candidates scored per step (2508.06601)", ge=1)
    topk: int = param(
        256, "most promising tokens per place, drawn evenly (nanogcg); at most a quarter of the vocabulary", ge=1
    )
    replacements: int = param(1, "places changed in a candidate (nanogcg)", ge=1)
    items: int = param(16, "number N of solved questions of train facts that it is optimised on", ge=1)
    checkpoints: tuple[int, ...] = param(
        (0, 10, 50), "steps after which the best so far is scored; the last one always is", ge=0
    )

    version: ClassVar[int] = 2
    threat: ClassVar[Threat] = Threat(access="activations", data="items")
    family: ClassVar[Family] = "prompt"
    citation: ClassVar[str] = "2307.15043"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": POCKET,
        "pocket-muse": POCKET,
        # Models below 1e9 parameters on real records: carried over from pocket-muse, not tuned there.
        "small": POCKET,
    }

    def attack(self, lm: LM, data: AttackerData, *, seed: int) -> Iterator[Point]:
        """Yield a random string of the same length as control; then the start, the checkpoints and the end of a search.

        The budget counts every question, prompt and answer, once per step, as relearning counts a document once per
        update; the control and the start have seen none. Readings are the candidates scored so far, each on all N
        questions, and the loss of the best one.
        """
        require_embeddings(lm.model)
        lm.model.eval()
        chance = torch.Generator().manual_seed(seed)
        search = self._search(lm, data, seed)
        short = shortage(self.items, len(search.cuts), "solved questions that fit the context")
        yield from remarked(self._points(lm, search, chance), short)

    def _points(self, lm: LM, search: Search, chance: torch.Generator) -> Iterator[Point]:
        control = redrawn(lm.tokenizer, search.cuts, search.start, tokens=search.tokens, generator=chance)
        if control == search.start:
            raise _unspelled(lm, self.where)
        yield Point(0, f"random L={len(control)}", self._prompts(search.text(control)))
        series = f"{self.where} L={len(control)} N={len(search.cuts)} width={self.width}"
        shown = sum(each.tokens for each in search.cuts)
        for step, kept in enumerate(self.run(search, chance)):
            if step in (*self.checkpoints, self.steps):
                readings = {"candidate evaluations": kept.evaluations, "loss": kept.loss}
                yield Point(step * shown, series, self._prompts(search.text(kept.ids)), readings)

    def run(self, search: Search, generator: torch.Generator) -> Iterator[Kept]:
        """Yield the best trigger before the first step and after each one.

        Unlike nanogcg@d4a20a8, which goes on from a step's best candidate even where that is worse, a candidate
        replaces the kept one only if it is better, none is scored twice, and more are drawn in place of those that
        cannot be spelled.
        """
        model, cuts = search.lm.model, search.cuts
        kept = Kept(search.start, float(trigger_nll(model, cuts, torch.tensor([search.start]))))
        yield kept
        scored = {kept.ids}
        here, slopes = Ids(), torch.empty(0)
        for _ in range(self.steps):
            if here != kept.ids:
                here, slopes = kept.ids, trigger_gradient(model, cuts, torch.tensor(kept.ids))
            found = self._candidates(search, here, slopes, scored=scored, generator=generator)
            scored.update(found)
            losses = trigger_nll(model, cuts, torch.tensor(found)).tolist() if found else []
            loss, ids = min([(kept.loss, kept.ids), *zip(losses, found, strict=True)], key=itemgetter(0))
            kept = Kept(ids, loss, kept.evaluations + len(found))
            yield kept

    def targets(self, lm: LM, data: AttackerData, items: Sequence[Item]) -> list[Cut]:
        """Questions with what is to follow them."""
        return [cut(lm.tokenizer, item, self.where) for item in items]

    def _search(self, lm: LM, data: AttackerData, seed: int) -> Search:
        """Questions drawn by the seed, and a start that can be spelled among them.

        Raises:
            NotApplicable: There is none of either.
        """
        items = data.items
        if not items:
            raise NotApplicable("The attacker owns no solved question here.")
        context = lm.model.config.max_position_embeddings
        length = max(1, min(self.length, int(CONTEXT_SHARE * context)))
        shuffled = random.Random(seed).sample(list(items), len(items))
        fits = (item for item in shuffled if cut(lm.tokenizer, item, self.where).tokens + length <= context)
        drawn = tuple(self.targets(lm, data, list(islice(fits, self.items))))
        if not drawn:
            raise NotApplicable(
                f"None of the {len(items)} solved questions leaves room for a {self.where} of {length} tokens in a "
                f"context of {context} tokens."
            )
        tokens = spellable(lm)
        start = repeated(lm.tokenizer, drawn, tokens, length)
        if start is None or len(tokens) < 2:
            raise _unspelled(lm, self.where)
        return Search(lm, drawn, tokens, start)

    def _candidates(
        self, search: Search, trigger: Ids, gradient: Tensor, *, scored: set[Ids], generator: torch.Generator
    ) -> list[Ids]:
        """At most ``width`` changed copies of a trigger that can be spelled and were not scored before."""
        found: dict[Ids, None] = {}
        count, now = max(1, min(self.topk, gradient.shape[1] // 4)), torch.tensor(trigger)
        for doubled in range(ROUNDS):
            tokens = promising(gradient, now, tokens=search.tokens, count=count * 2**doubled)
            drawn = proposals(
                now, tokens, count=self.width, replacements=min(self.replacements, len(now)), generator=generator
            )
            fresh = [ids for ids in map(tuple, drawn.tolist()) if ids not in scored]
            texts = spelled(search.lm.tokenizer, search.cuts, fresh)
            found |= {ids: None for ids, text in zip(fresh, texts, strict=True) if text is not None}
            if len(found) >= self.width:
                break
        return list(found)[: self.width]

    def _prompts(self, text: str) -> Prompts:
        before, after = (text, "") if self.where == "prefix" else ("", text)
        return Prompts(before, after, sealed=True)


@dataclass(frozen=True)
class GCGEnhanced(GCG):
    """GCG towards the original model's own answers and its states on the way to them: a diagnostic.

    After 2409.18025, whose search also inserts, deletes and keeps its prefix fluent; here tokens are swapped alone.
    """

    forced: int = param(10, "tokens of the original's answer that are to follow (2409.18025)", ge=1)
    depth: float = param(0.6, "share of the blocks behind which states are compared (2409.18025: 20 of 32)", gt=0, le=1)
    echo: float = param(1.0, "weight of their relative squared distance", ge=0)

    threat: ClassVar[Threat] = Threat(access="activations", data="items", base_model=True, diagnostic=True)
    citation: ClassVar[str] = "2409.18025"
    presets: ClassVar[Mapping[str, Mapping[str, object]]] = {
        "pocket-wmdp": {**POCKET, "forced": 2},
        "pocket-muse": {**POCKET, "forced": 3},
        "small": POCKET,
    }

    def targets(self, lm: LM, data: AttackerData, items: Sequence[Item]) -> list[Cut]:
        """What the original writes behind each question, and its state where it begins to."""
        if data.original is None:
            raise NotApplicable("The original model was not handed over.")
        if not items:
            return []
        original = data.original()
        count = len(decoder_blocks(original.model))
        block = min(max(0, round(self.depth * count) - 1), max(0, count - 2))  # the last one's is not seen unnormed
        prompts = [list(ids) for ids in original.tokenizer([item.prompt for item in items])["input_ids"]]
        states = last_states(original, prompts, [block])[0]
        replies = [continued(original, ids, self.forced) for ids in prompts]
        answered = [Item(item.prompt, reply) for item, reply in zip(items, replies, strict=True)]
        return [
            replace(cut(lm.tokenizer, item, self.where), echo=Echo(state, block, self.echo))
            for item, state in zip(answered, states, strict=True)
            if item.answer
        ]


@torch.no_grad()
def continued(lm: LM, ids: Sequence[int], count: int) -> str:
    """What a model writes behind some tokens, greedily, up to its end of text: empty if it writes nothing."""
    written = list(ids)
    for _ in range(count):
        token = int(lm.model(torch.tensor([written], device=lm.model.device)).logits[0, -1].argmax())
        if token == lm.tokenizer.eos_token_id:
            break
        written.append(token)
    whole, prompt = lm.tokenizer.decode(written), lm.tokenizer.decode(list(ids))
    return str(whole).removeprefix(str(prompt))


def _unspelled(lm: LM, where: str) -> NotApplicable:
    return NotApplicable(
        f"No {where} can be searched with {type(lm.tokenizer).__name__}: of all strings of its printable ASCII tokens "
        "that were tried, none reads back as the same tokens beside these questions."
    )
