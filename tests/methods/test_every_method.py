"""What holds for every method that ships, whatever its formula."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import PreTrainedModel

from harness.api import LM, Corpora
from harness.testing import check_installed, failures
from harness.tuning.session import Job, start_of
from harness.tuning.space import space_of
from harness.tuning.study import Discipline
from methods.elm import ELM
from methods.graddiff import GradDiff
from methods.none import NoUnlearning
from methods.reference import Reference
from methods.undial import UNDIAL
from tests.methods.cases_pairs import PAIRS
from tests.methods.catalogue import CASES, installed

PLACES = (
    ("harness.train.frozen", "_of_a_copy", "original"),
    ("harness.train.frozen", "_with_adapters_off", "original"),
    ("harness.train.losses", "row_nll", "original"),
    ("methods.dpo", "pair_nll", "original"),
    ("methods.pdu", "row_nll", "original"),
    ("harness.train.hidden", "activations", "activations"),
)
"""Through which functions methods come to what they may need of the model."""
KEPT = [
    (UNDIAL(steps=1, batch_size=4, lora_rank=0, retain_weight=1.0, retain="kl"), 1),
    (UNDIAL(steps=1, batch_size=4, lora_rank=0, retain_weight=0.0, retain="kl"), 1),
    (ELM(steps=1, lora_rank=0, train_layers=(0,), retain="kl"), 1),
    (GradDiff(steps=1, retain_weight=0.0, retain="kl"), 0),
    (GradDiff(steps=1, retain_weight=1.0, retain="kl"), 1),
]
"""Methods that ask the original, and how many copies of it they should make."""
CONTROLS = [NoUnlearning(), Reference()]


def name(method: Any) -> str:
    shown = [field for field in dataclasses.fields(method) if field.name not in {"lr", "steps", "warmup"}]
    changed = [f"{f.name}={getattr(method, f.name)}" for f in shown]
    defaults = [f"{f.name}={f.default}" for f in shown]
    return "-".join([type(method).__name__, *(text for text in changed if text not in defaults)])


def weights(method: Any, lm: LM, corpora: Corpora, *, seed: int = 0) -> torch.Tensor:
    method.unlearn(lm, corpora, seed=seed)
    return torch.cat([weight.detach().flatten() for weight in lm.model.parameters()])


@pytest.mark.parametrize("method", CASES, ids=name)
def test_a_method_changes_the_model_and_stays_finite(method: Any, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    after = weights(method, tiny_lm(), corpora)
    assert not torch.equal(after, weights(NoUnlearning(), tiny_lm(), corpora))
    assert after.isfinite().all()


@pytest.mark.parametrize("control", CONTROLS, ids=name)
def test_a_control_leaves_the_model_alone(control: Any, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    before = torch.cat([weight.detach().flatten() for weight in tiny_lm().model.parameters()])
    assert torch.equal(weights(control, tiny_lm(), corpora), before)


@pytest.mark.parametrize("method", CASES, ids=name)
def test_a_seed_decides_everything(method: Any, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    torch.manual_seed(1)
    first = weights(method, tiny_lm(), corpora, seed=3)
    torch.manual_seed(2)
    assert torch.equal(weights(method, tiny_lm(), corpora, seed=3), first)
    assert not torch.equal(weights(method, tiny_lm(), corpora, seed=4), first)


@pytest.mark.parametrize("method", CASES, ids=name)
def test_accumulation_over_micro_batches_changes_nothing(
    method: Any, tiny_lm: Callable[[], LM], corpora: Corpora
) -> None:
    whole, cut = (dataclasses.replace(method, accumulation=parts) for parts in (1, 4))
    torch.testing.assert_close(weights(cut, tiny_lm(), corpora), weights(whole, tiny_lm(), corpora), rtol=0, atol=1e-5)


@pytest.mark.parametrize("method", CASES, ids=name)
def test_a_method_leaves_no_trace_but_weights(method: Any, tiny_lm: Callable[[], LM], corpora: Corpora) -> None:
    lm = tiny_lm()
    modules = [type(module) for module in lm.model.modules()]
    method.unlearn(lm, corpora, seed=0)
    assert [type(module) for module in lm.model.modules()] == modules
    assert all(weight.requires_grad and weight.grad is None for weight in lm.model.parameters())
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in lm.model.modules())


@pytest.mark.parametrize("method", {type(case): case for case in reversed(CASES)}.values(), ids=name)
def test_a_method_needs_what_it_says_of_the_model(
    method: Any, tiny_lm: Callable[[], LM], corpora: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    used: set[str] = set()

    def watch(place: Any, attribute: str, need: str) -> None:
        true = getattr(place, attribute)
        monkeypatch.setattr(place, attribute, lambda *a, **k: (used.add(need), true(*a, **k))[1])

    for module, attribute, need in PLACES:
        watch(import_module(module), attribute, need)
    watch(torch.nn.Module, "register_forward_hook", "activations")
    plain = {"retain": "gd"} if hasattr(method, "retain") else {}
    dataclasses.replace(method, **plain).unlearn(tiny_lm(), corpora, seed=0)
    assert used == set(getattr(method, "needs", ())) & {"original", "activations"}


@pytest.mark.parametrize(("method", "copies"), KEPT)
def test_an_original_is_kept_once_and_only_if_it_will_be_asked(
    method: Any, copies: int, tiny_lm: Callable[[], LM], corpora: Corpora, monkeypatch: pytest.MonkeyPatch
) -> None:
    true, made = copy.deepcopy, list[str]()

    def deepcopy(value: Any, *memo: Any) -> Any:
        if isinstance(value, PreTrainedModel):
            made.append(type(value).__name__)
        return true(value, *memo)

    lm = tiny_lm()
    monkeypatch.setattr(copy, "deepcopy", deepcopy)
    method.unlearn(lm, corpora, seed=0)
    assert len(made) == copies


@pytest.mark.parametrize("cls", sorted({type(case) for case in (*CASES, *PAIRS)}, key=lambda cls: cls.__name__))
def test_presets_name_fields_that_exist(cls: Any) -> None:
    fields = {field.name for field in dataclasses.fields(cls)}
    published = getattr(cls, "published", {})
    assert all(preset.keys() <= fields for preset in (*cls.presets.values(), *(p.fields for p in published.values())))
    assert all(one.source for one in published.values())
    assert {field for spelt in cls.search for field in spelt.split("|")} <= fields
    assert cls.presets.keys() <= {"pocket-wmdp", "pocket-muse", "small", "muse-news", "muse-books"}
    assert published.keys() <= {"wmdp-bio", "wmdp-cyber", "muse-news", "muse-books"}


@pytest.mark.exhaustive
@pytest.mark.parametrize("name", installed())
def test_every_method_conforms_as_it_is_installed(name: str) -> None:
    assert failures(check_installed("method", name)) == []


@pytest.mark.parametrize("cls", sorted({type(case) for case in CASES}, key=lambda cls: cls.__name__))
def test_only_how_work_is_cut_is_no_part_of_the_identity(cls: Any) -> None:
    left_out = {field.name for field in dataclasses.fields(cls) if field.metadata["runtime"]}
    assert left_out - {"shard"} == {"accumulation"}


@pytest.mark.parametrize("benchmark", ["pocket-wmdp", "pocket-muse", "wmdp-bio", "wmdp-cyber", "muse-news"])
@pytest.mark.parametrize("name", [name for name, cls in installed().items() if getattr(cls, "search", ())])
def test_every_search_can_be_made_around_the_setting_that_it_starts_from(name: str, benchmark: str) -> None:
    job = Job(benchmark, name, "relearn", "transformers", {}, Discipline(1, 0.95, 0), Path())
    assert space_of(name, start_of(job, benchmark))
