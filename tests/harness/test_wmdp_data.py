"""What the WMDP benchmarks read and show: roles, documents, models, identity, and faults with their names."""

from __future__ import annotations

import dataclasses
import shutil
from pathlib import Path
from typing import Any

import pytest
import wmdp_folder

from harness.api import Corpora, Item
from harness.benchmarks.auxiliary import Problems
from harness.benchmarks.wmdp import WMDPBio, WMDPChem, WMDPCyber
from harness.benchmarks.wmdp_corpora import Sources
from harness.benchmarks.wmdp_domains import BIO, CYBER
from harness.benchmarks.wmdp_models import models_of
from harness.benchmarks.wmdp_questions import Asked, item_of, load_questions, role_of, solved
from harness.benchmarks.wmdp_world import world_of
from harness.errors import UserError
from harness.flags import grid_of
from harness.metrics.shortcuts import Question
from harness.plan import lacking, make_plan
from harness.presets import REVISIONS
from methods.elm import ELM
from methods.npo_ilu import NPOILU

CLOZE, FORGET = "EleutherAI/wmdp_bio_cloze", "cais/wmdp-bio-forget-corpus"
ONE = ("mmlu_astronomy",)


@pytest.fixture(scope="module")
def bio(wmdp_root: Path, wmdp_models: Path) -> WMDPBio:
    return WMDPBio(model=str(wmdp_models), data_root=str(wmdp_root), utility=ONE)


def test_a_question_has_one_role_however_it_is_set() -> None:
    assert role_of("What  stands\nat stone 3?") == role_of("what stands at stone 3?")


def test_about_a_tenth_is_shown_and_a_fifth_selects() -> None:
    roles = [role_of(f"question {number}") for number in range(2000)]
    assert (roles.count("train") / 2000, roles.count("dev") / 2000) == (
        pytest.approx(0.1, abs=0.03),
        pytest.approx(0.2, abs=0.03),
    )


def test_attackers_see_solved_questions_and_none_that_is_scored(bio: WMDPBio, wmdp_root: Path) -> None:
    shown = {item.prompt for item in bio.attacker_data(1.0).items}
    scored = {
        item_of(question).prompt
        for asked in world_of(BIO, str(wmdp_root), ONE).asked
        for question, role in zip(asked.questions, asked.roles, strict=True)
        if role != "train"
    }
    assert (len(shown) > 0, shown & scored) == (True, set())


def test_a_question_that_is_scored_in_other_words_is_not_shown_either() -> None:
    train = next(f"question {n}" for n in range(99) if role_of(f"question {n}") == "train")
    test = next(f"question {n}" for n in range(99) if role_of(f"question {n}") == "test")
    known, reworded = (Asked(BIO.letters, (Question(text, ("a", "b", "c", "d"), 1),)) for text in (train, test))
    assert (len(solved(known, [known])), len(solved(known, [known, reworded]))) == (1, 0)


def test_a_solved_question_has_wmdps_format() -> None:
    item = item_of(Question("What?", ("one", "two", "three", "four"), 2))
    assert item == Item("What?\nA. one\nB. two\nC. three\nD. four\nAnswer:", " C")


def test_attackers_documents_are_the_domains_near_it_and_unrelated(bio: WMDPBio) -> None:
    data = bio.attacker_data(1.0)
    assert {text.split(",")[0] for text in (*data.forget, *data.near, *data.unrelated)} == {
        "Of the lake",
        "Of the bio-retain",
        "Of the almanac",
    }


def test_methods_retain_wikitext_or_the_domains_corpus(bio: WMDPBio) -> None:
    kept = [dataclasses.replace(bio, retain=retain).corpora().retain for retain in ("wikitext", "domain")]
    assert [texts[0].split(",")[0] for texts in kept] == ["Of the encyclopaedia", "Of the bio-retain"]


def test_fewer_documents_are_a_sample_of_all(bio: WMDPBio) -> None:
    some, whole = dataclasses.replace(bio, documents=5).corpora(), bio.corpora()
    assert (len(some.forget), len(whole.forget), set(some.forget) <= set(whole.forget)) == (5, 12, True)


def test_headings_are_no_documents(bio: WMDPBio) -> None:
    assert min(map(len, (*bio.corpora().forget, *bio.corpora().retain))) > 50


def test_chem_tells_methods_that_it_is_for_evaluation_only(wmdp_root: Path) -> None:
    with pytest.raises(UserError, match=r"WMDP-Chem has no forget corpus.*evaluation only"):
        len(WMDPChem(data_root=str(wmdp_root)).corpora().forget)


def test_chem_gives_the_controls_all_that_they_need(wmdp_root: Path, wmdp_models: Path) -> None:
    chem = WMDPChem(model=str(wmdp_models), data_root=str(wmdp_root), utility=ONE)
    data = chem.attacker_data(1.0)
    assert (len(chem.corpora().retain), len(data.unrelated), list(data.forget)) == (12, 12, [])


def test_a_missing_forget_corpus_is_named_to_methods_only(tmp_path: Path) -> None:
    partial: Corpora = WMDPBio(data_root=str(wmdp_folder.write_root(tmp_path, without=[FORGET]))).corpora()
    with pytest.raises(UserError, match=f"{FORGET}.*is not under .*only the controls run without it"):
        list(partial.forget)


def test_a_set_of_another_size_is_said_on_the_card(bio: WMDPBio) -> None:
    assert any("48 questions where the published cais/wmdp (wmdp_bio) has 1,273" in n for n in bio.card().notes)


def test_the_card_says_what_the_model_is(bio: WMDPBio) -> None:
    card = bio.card()
    assert (card.scale, card.model.split(" of ")[0], card.notice[:5]) == ("slice", "LlamaForCausalLM", "Slice")


def test_the_published_counts_are_those_of_the_sets() -> None:
    sets = (BIO.letters, BIO.robust, BIO.cloze, CYBER.letters)
    assert [found.count for found in sets if found] == [1273, 868, 1076, 1987]


def changed(wmdp_root: Path, folder: Path, name: str, text: str, by: str) -> str:
    """A copy of the data root in which one file says something else."""
    shutil.copytree(wmdp_root, folder, dirs_exist_ok=True)
    path = folder / name
    path.write_text(path.read_text().replace(text, by, 1))
    return str(folder)


def test_the_identity_is_the_same_in_another_folder(bio: WMDPBio, wmdp_root: Path, tmp_path: Path) -> None:
    shutil.copytree(wmdp_root, tmp_path / "copy")
    assert dataclasses.replace(bio, data_root=str(tmp_path / "copy")).identity() == bio.identity()


@pytest.mark.parametrize(
    ("name", "text", "by", "keys"),
    [
        ("cais/wmdp/wmdp-bio/test.jsonl", "stone 0", "rock 0", {"wmdp_bio"}),
        (f"{FORGET}/default/train.jsonl", "part 3", "part three", {"corpus/forget"}),
        ("cais/mmlu/virology/test.jsonl", "stone 0", "rock 0", set()),
        ("cais/mmlu/astronomy/test.jsonl", "stone 0", "rock 0", {"utility/mmlu_astronomy"}),
    ],
)
def test_the_identity_changes_with_the_data_it_stands_on(  # noqa: PLR0913 - what is changed, and what it changes
    bio: WMDPBio, wmdp_root: Path, tmp_path: Path, name: str, text: str, by: str, keys: set[str]
) -> None:
    other = dataclasses.replace(bio, data_root=changed(wmdp_root, tmp_path, name, text, by)).identity()
    assert {key for key, value in bio.identity().items() if other[key] != value} == keys


@pytest.mark.parametrize(("retain", "changes"), [("wikitext", {"corpus/near"}), ("domain", {"corpus/retain"})])
def test_the_identity_changes_with_the_retain_corpus_that_methods_or_attackers_see(
    bio: WMDPBio, wmdp_root: Path, tmp_path: Path, retain: Any, changes: set[str]
) -> None:
    own = dataclasses.replace(bio, retain=retain)
    place = "cais/wmdp-corpora/bio-retain-corpus/train.jsonl"
    other = dataclasses.replace(own, data_root=changed(wmdp_root, tmp_path, place, "part 3", "part three")).identity()
    assert {key for key, value in own.identity().items() if other[key] != value} == changes


def broken_corpora(root: Path, *names: str) -> Path:
    """A data root in which these sets cannot be read: whoever loads them fails."""
    wmdp_folder.write_root(root)
    for path in (path for name in names for path in (root / name).rglob("*.jsonl")):
        path.write_text("no record")
    return root


def test_a_plan_reads_no_corpus_of_which_only_attackers_see_a_sample(bio: WMDPBio, tmp_path: Path) -> None:
    root = broken_corpora(tmp_path, "cais/wmdp-corpora")
    assert dataclasses.replace(bio, data_root=str(root)).identity()["corpus/near"].startswith("sizes ")


def test_a_corpus_is_loaded_by_who_looks_at_it_and_not_before(bio: WMDPBio, tmp_path: Path) -> None:
    partial = dataclasses.replace(bio, data_root=str(broken_corpora(tmp_path, FORGET, "cais/wmdp-corpora")))
    documents, shown = partial.corpora().forget, partial.attacker_data(1.0).forget
    for texts in (documents, shown):
        with pytest.raises(UserError, match=FORGET):
            len(texts)


def test_on_the_hub_a_corpus_is_known_by_its_commit_without_being_loaded() -> None:
    pinned = REVISIONS["Salesforce/wikitext"]
    assert Sources(BIO, "").digests() == {
        "corpus/forget": "newest, 24453 documents",
        "corpus/wikitext_train": pinned,
        "corpus/wikitext_validation": pinned,
        "corpus/near": REVISIONS["cais/wmdp-corpora"],
        "corpus/auxiliary": REVISIONS["openai/gsm8k"],
    }


def test_a_gated_corpus_that_is_not_here_gives_the_steps_when_it_is_looked_at(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise ConnectionError("no route to the hub")

    monkeypatch.setattr("datasets.load_dataset", refuse)
    with pytest.raises(UserError, match=rf"{FORGET}.*ask for or accept access.*HF_TOKEN"):
        len(Sources(BIO, "").corpora().forget)


def test_the_identity_says_which_sets_were_absent(bio: WMDPBio, tmp_path: Path) -> None:
    partial = wmdp_folder.write_root(tmp_path, without=[CLOZE, FORGET])
    identity = dataclasses.replace(bio, data_root=str(partial)).identity()
    assert (identity["forget_cloze"], identity["corpus/forget"]) == ("absent", "absent")


def test_the_identity_holds_lm_evals_version(bio: WMDPBio) -> None:
    assert bio.identity()["lm_eval"].startswith("0.4")


@pytest.mark.parametrize(
    ("text", "by", "message"),
    [
        (
            '"answer": ',
            '"answer": 7',
            r"cais/wmdp, config 'wmdp-bio', split 'test', record 0: column 'answer' holds \d+",
        ),
        ('"question"', '"asked"', "cais/wmdp, config 'wmdp-bio'"),
    ],
)
def test_a_malformed_set_is_named_with_its_fault(
    wmdp_root: Path, tmp_path: Path, text: str, by: str, message: str
) -> None:
    broken = changed(wmdp_root, tmp_path, "cais/wmdp/wmdp-bio/test.jsonl", text, by)
    with pytest.raises(UserError, match=message):
        load_questions(BIO.letters, broken)


def test_a_set_too_small_to_split_is_refused(tmp_path: Path) -> None:
    few = {"wmdp-bio": {"test": wmdp_folder.questions("lake", 3)}}
    wmdp_folder.write_set(tmp_path / "cais" / "wmdp", few)
    with pytest.raises(UserError, match="has 3 questions, of which fewer than 2 fall to dev"):
        load_questions(BIO.letters, str(tmp_path))


@pytest.mark.parametrize(("utility", "message"), [((), "No utility task"), (("wmdp_bio",), "is to be forgotten")])
def test_what_measures_no_utility_is_refused(bio: WMDPBio, utility: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=message):
        dataclasses.replace(bio, utility=utility).identity()


def test_small_models_have_the_small_presets(bio: WMDPBio) -> None:
    assert bio.preset() == "small"


def test_without_a_model_it_is_zephyr_at_a_commit() -> None:
    target = models_of("", "").target
    assert target.startswith("HuggingFaceH4/zephyr-7b-beta@")


def test_a_published_pair_brings_its_never_learned_model() -> None:
    assert str(models_of("deep-ignorance-unfiltered", "").reference).startswith("EleutherAI/deep-ignorance-e2e")


def test_a_validation_attacker_owns_documents_that_no_other_has(bio: WMDPBio, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("harness.benchmarks.wmdp_corpora.POOL", 4)
    (only,) = bio.selection(0.5)
    others = set(bio.attacker_data(0.5).forget)
    assert (len(only.attacker.forget), set(only.attacker.forget) & others, only.attacker.items) == (4, set(), ())
    assert set(only.attacker.forget) <= set(bio.corpora().forget)


def test_the_third_domain_is_solved_word_problems(wmdp_root: Path) -> None:
    there = WMDPBio(data_root=str(wmdp_root))
    assert list(there.corpora().auxiliary) == ["0 and 1?\n#### 1", "1 and 1?\n#### 2", "2 and 1?\n#### 3"]
    assert not lacking(NPOILU, there.offers)


def test_an_expert_and_a_novice_begin_alike_and_name_the_field(wmdp_root: Path) -> None:
    for world in (WMDPBio, WMDPCyber):
        there = world(data_root=str(wmdp_root))
        assert not lacking(ELM, there.offers)
        found = there.corpora().personas
        assert found is not None
        assert found.expert != found.novice
        field = found.expert.partition(" of ")[2]
        assert found.novice.endswith(f" of {field}")


def test_only_who_looks_at_a_third_domain_that_is_not_there_is_told(tmp_path: Path, wmdp_root: Path) -> None:
    without = Problems(str(wmdp_folder.write_root(tmp_path, without=["openai/gsm8k"])))
    assert (without.digest(), Problems("").digest()) == ("absent", REVISIONS["openai/gsm8k"])
    assert without.digest() != Problems(str(wmdp_root)).digest()
    with pytest.raises(UserError, match=r"needs documents of a third domain, openai/gsm8k.*leave the method out"):
        len(without)


def test_what_it_needs_names_the_gated_corpus(wmdp_root: Path, wmdp_models: Path) -> None:
    needs = WMDPBio(model=str(wmdp_models), data_root=str(wmdp_root)).needs()
    assert [need.id for need in needs if need.gated] == [FORGET]


def test_every_set_but_the_gated_corpus_is_read_at_a_pinned_commit(wmdp_models: Path) -> None:
    needs = WMDPBio(model=str(wmdp_models)).needs()
    assert {need.id for need in needs if need.kind == "dataset" and not need.revision} == {FORGET}


def test_a_gated_model_is_among_the_needs_as_gated(wmdp_root: Path) -> None:
    needs = WMDPBio(model="mistral-7b", data_root=str(wmdp_root)).needs()
    assert [need.id.partition("@")[0] for need in needs if need.kind == "model" and need.gated] == [
        "mistralai/Mistral-7B-v0.1"
    ]


def test_utility_of_a_grid_file_goes_to_the_benchmarks_that_have_it(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('benchmarks = ["wmdp-cyber", "pocket-wmdp"]\nutility = ["mmlu", "gsm8k"]\n')
    grid = grid_of(path, {}, pairs=(), places={})
    assert grid.overrides == {"benchmark.wmdp-cyber.utility": ("gsm8k", "mmlu")}


@pytest.mark.parametrize("typed", ["mmlu,gsm8k", "gsm8k,mmlu", "gsm8k, mmlu,mmlu"])
def test_utility_tasks_have_one_order_and_are_asked_once(typed: str) -> None:
    grid = grid_of(None, {"benchmarks": "wmdp-cyber", "utility": typed}, pairs=(), places={})
    assert grid.overrides == {"benchmark.wmdp-cyber.utility": ("gsm8k", "mmlu")}


@pytest.mark.parametrize("typed", ["", " , "])
def test_utility_that_names_no_task_is_refused(typed: str) -> None:
    with pytest.raises(UserError, match=r"--utility, .* names no task.*Name one, such as mmlu"):
        grid_of(None, {"benchmarks": "wmdp-cyber", "utility": typed}, pairs=(), places={})


def test_a_grid_file_whose_utility_names_no_task_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('benchmarks = ["wmdp-cyber"]\nutility = []\n')
    with pytest.raises(UserError, match="the grid's key 'utility', names no task"):
        grid_of(path, {}, pairs=(), places={})


def test_the_utility_flag_wins_over_the_file(tmp_path: Path) -> None:
    path = tmp_path / "grid.toml"
    path.write_text('benchmarks = ["wmdp-cyber"]\nutility = ["mmlu"]\n')
    grid = grid_of(path, {"utility": "gsm8k,ifeval"}, pairs=(), places={})
    assert grid.overrides == {"benchmark.wmdp-cyber.utility": ("gsm8k", "ifeval")}


def test_utility_without_a_benchmark_that_has_it_is_refused() -> None:
    with pytest.raises(UserError, match="--utility gsm8k,mmlu was given, but none of the chosen benchmarks"):
        grid_of(None, {"benchmarks": "pocket-wmdp", "utility": "mmlu,gsm8k"}, pairs=(), places={})


def test_a_plan_is_made_with_the_small_presets(bio: WMDPBio) -> None:
    places = {"model": bio.model, "data_root": bio.data_root}
    typed = {"benchmarks": "wmdp-bio", "methods": "npo", "attacks": "quantize", "utility": "mmlu_astronomy"}
    plan = make_plan(grid_of(None, typed, pairs=(), places=places))
    assert {cell.cell.method.params["lr"] for cell in plan.cells if cell.cell.method.name == "npo"} == {6e-4}
