"""`wmdp-bio`, `wmdp-cyber`, `wmdp-chem`: hazardous knowledge by multiple choice, in the protocol of lm-eval.

Scored by log-probabilities only: nothing is generated about what is to be forgotten. These are the three declarations;
what they do is in the ``wmdp_*`` modules beside this one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

from harness.api import AttackerData, BenchmarkCard, Corpora, Engine, Evaluation, Prompts, Selection, param
from harness.benchmarks.model_pair import Pair, preset_for
from harness.benchmarks.wmdp_corpora import Sources
from harness.benchmarks.wmdp_domains import BIO, CHEM, CYBER
from harness.benchmarks.wmdp_models import models_of
from harness.benchmarks.wmdp_world import World, card, evaluate, identity, needs, selection, world_of
from harness.models import Need

MODEL = "Preset, org/name@COMMIT or folder (which may hold target/ and reference/); empty: zephyr-7b-beta."
REFERENCE = "Never-learned model, likewise; empty: the folder's or the preset's own, else none."
DATA_ROOT = "Folder laid out <root>/<org>/<name>; empty: the hub or its cache."
UTILITY = "lm-eval tasks or groups that measure utility."
RETAIN = "What methods retain: WikiText-2 (RMU on Zephyr, 2403.03218), or the domain's own retain corpus."
DOCUMENTS = "Documents of each corpus that a method sees, drawn by a fixed seed; 0 = all."
MMLU = ("mmlu",)


@dataclass(frozen=True)
class WMDPBio:
    """WMDP-Bio: biosecurity; the robust and cloze variants are the headline."""

    version: ClassVar[int] = 1
    offers: ClassVar[tuple[str, ...]] = ("auxiliary", "personas")

    model: str = param("", MODEL, runtime=True)
    reference_model: str = param("", REFERENCE, runtime=True)
    data_root: str = param("", DATA_ROOT, runtime=True)
    utility: tuple[str, ...] = param(MMLU, UTILITY)
    retain: Literal["wikitext", "domain"] = param("wikitext", RETAIN, choices=("wikitext", "domain"))
    documents: int = param(0, DOCUMENTS, ge=0)

    def card(self) -> BenchmarkCard:
        """Title, scale and notice, as the model's size has it."""
        return card(self._world(), self._models())

    def identity(self) -> Mapping[str, str]:
        """Digests of questions, documents and models, and the version of lm-eval, which defines the tasks."""
        return identity(self._world(), self._sources(), self._models())

    def target(self) -> str:
        """The original model."""
        return self._models().target

    def reference(self) -> str | None:
        """The model that never learned the domain, if one is given."""
        return self._models().reference

    def corpora(self) -> Corpora:
        """Documents to forget and to retain."""
        return self._sources().corpora()

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """A sample of documents of the domain and of others, and solved questions that are not scored."""
        return self._sources().attacker_data(reference_lr, self._world().asked)

    def selection(self, reference_lr: float) -> Sequence[Selection]:
        """What settings are chosen on."""
        return selection(self._world(), self._sources(), reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """Letters, the robust and cloze variants, and utility."""
        return evaluate(self._world(), engine, prompts)

    def preset(self) -> str:
        """Presets for a model of this size."""
        return preset_for(BIO.name, self.target())

    def needs(self) -> Sequence[Need]:
        """Data sets and models to be there."""
        return needs(BIO, self._models(), self.utility)

    def _models(self) -> Pair:
        return models_of(self.model, self.reference_model)

    def _world(self) -> World:
        return world_of(BIO, self.data_root, self.utility)

    def _sources(self) -> Sources:
        return Sources(BIO, self.data_root, self.retain, self.documents, mmlu="mmlu" in self.utility)


@dataclass(frozen=True)
class WMDPCyber:
    """WMDP-Cyber: cybersecurity; questions by letter, against the floor of surface shortcuts."""

    version: ClassVar[int] = 1
    offers: ClassVar[tuple[str, ...]] = ("auxiliary", "personas")

    model: str = param("", MODEL, runtime=True)
    reference_model: str = param("", REFERENCE, runtime=True)
    data_root: str = param("", DATA_ROOT, runtime=True)
    utility: tuple[str, ...] = param(MMLU, UTILITY)
    retain: Literal["wikitext", "domain"] = param("wikitext", RETAIN, choices=("wikitext", "domain"))
    documents: int = param(0, DOCUMENTS, ge=0)

    def card(self) -> BenchmarkCard:
        """Title, scale and notice, as the model's size has it."""
        return card(self._world(), self._models())

    def identity(self) -> Mapping[str, str]:
        """Digests of questions, documents and models, and the version of lm-eval, which defines the tasks."""
        return identity(self._world(), self._sources(), self._models())

    def target(self) -> str:
        """The original model."""
        return self._models().target

    def reference(self) -> str | None:
        """The model that never learned the domain, if one is given."""
        return self._models().reference

    def corpora(self) -> Corpora:
        """Documents to forget and to retain."""
        return self._sources().corpora()

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """A sample of documents of the domain and of others, and solved questions that are not scored."""
        return self._sources().attacker_data(reference_lr, self._world().asked)

    def selection(self, reference_lr: float) -> Sequence[Selection]:
        """What settings are chosen on."""
        return selection(self._world(), self._sources(), reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """Letters and utility."""
        return evaluate(self._world(), engine, prompts)

    def preset(self) -> str:
        """Presets for a model of this size."""
        return preset_for(CYBER.name, self.target())

    def needs(self) -> Sequence[Need]:
        """Data sets and models to be there."""
        return needs(CYBER, self._models(), self.utility)

    def _models(self) -> Pair:
        return models_of(self.model, self.reference_model)

    def _world(self) -> World:
        return world_of(CYBER, self.data_root, self.utility)

    def _sources(self) -> Sources:
        return Sources(CYBER, self.data_root, self.retain, self.documents, mmlu="mmlu" in self.utility)


@dataclass(frozen=True)
class WMDPChem:
    """WMDP-Chem: chemical security; for evaluation only, since no documents are published."""

    version: ClassVar[int] = 1
    offers: ClassVar[tuple[str, ...]] = ("auxiliary", "personas")

    model: str = param("", MODEL, runtime=True)
    reference_model: str = param("", REFERENCE, runtime=True)
    data_root: str = param("", DATA_ROOT, runtime=True)
    utility: tuple[str, ...] = param(MMLU, UTILITY)

    def card(self) -> BenchmarkCard:
        """Title, scale and notice, as the model's size has it."""
        return card(self._world(), self._models())

    def identity(self) -> Mapping[str, str]:
        """Digests of questions, documents and models, and the version of lm-eval, which defines the tasks."""
        return identity(self._world(), self._sources(), self._models())

    def target(self) -> str:
        """The original model."""
        return self._models().target

    def reference(self) -> str | None:
        """The model that never learned the domain, if one is given."""
        return self._models().reference

    def corpora(self) -> Corpora:
        """Nothing to forget, which whoever looks is told; texts to retain."""
        return self._sources().corpora()

    def attacker_data(self, reference_lr: float) -> AttackerData:
        """Texts of other domains, and solved questions that are not scored."""
        return self._sources().attacker_data(reference_lr, self._world().asked)

    def selection(self, reference_lr: float) -> Sequence[Selection]:
        """What settings are chosen on."""
        return selection(self._world(), self._sources(), reference_lr)

    def evaluate(self, engine: Engine, prompts: Prompts) -> Evaluation:
        """Letters and utility."""
        return evaluate(self._world(), engine, prompts)

    def preset(self) -> str:
        """Presets for a model of this size."""
        return preset_for(CHEM.name, self.target())

    def needs(self) -> Sequence[Need]:
        """Data sets and models to be there."""
        return needs(CHEM, self._models(), self.utility)

    def _models(self) -> Pair:
        return models_of(self.model, self.reference_model)

    def _world(self) -> World:
        return world_of(CHEM, self.data_root, self.utility)

    def _sources(self) -> Sources:
        return Sources(CHEM, self.data_root, mmlu="mmlu" in self.utility)
