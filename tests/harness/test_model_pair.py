"""Which two models a benchmark means: a pair in a folder, or a published target (or its copy) with its counterpart."""

from __future__ import annotations

from pathlib import Path

import pytest
from transformers import LlamaConfig

from harness.benchmarks.model_pair import Pair, pair_of, preset_for
from harness.benchmarks.muse import MUSEBooks, MUSENews
from harness.benchmarks.wmdp_models import models_of
from harness.errors import UserError
from harness.models import tokenizer_of
from harness.presets import LLAMA_2, is_preset

NEWS = "muse-bench/MUSE-News_target"
PUBLISHED = {"muse-news-target": "muse-news-retrain"}


def folder_at(root: Path, *names: str) -> str:
    """Makes folders below a root; the path of the first."""
    for name in names:
        (root / name).mkdir(parents=True)
    return str(root / names[0])


@pytest.mark.parametrize("source", ["muse-news-target", NEWS, f"{NEWS}@{'0' * 40}", f"/data/{NEWS}"])
def test_a_preset_is_known_by_name_by_repository_and_by_a_copy(source: str) -> None:
    assert is_preset(source, "muse-news-target")


@pytest.mark.parametrize("source", ["muse-news-retrain", f"/data/{NEWS}/last", "/data/MUSE-News_target", f"my-{NEWS}"])
def test_what_only_resembles_a_preset_is_none(source: str) -> None:
    assert not is_preset(source, "muse-news-target")


def test_a_copy_is_known_from_inside_its_root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_at(tmp_path, NEWS)
    monkeypatch.chdir(tmp_path / "muse-bench")
    assert is_preset("MUSE-News_target", "muse-news-target")


def test_a_folder_with_the_name_of_a_preset_is_not_that_preset(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder_at(tmp_path, "muse-news-target")
    monkeypatch.chdir(tmp_path)
    assert pair_of("muse-news-target", "", PUBLISHED) == Pair("muse-news-target", None)


def test_a_folder_may_hold_both_models(tmp_path: Path) -> None:
    folder_at(tmp_path, "target", "reference")
    pair = Pair(str(tmp_path / "target"), str(tmp_path / "reference"), tmp_path)
    assert pair_of(str(tmp_path), "", PUBLISHED) == pair


def test_a_reference_that_is_named_wins_over_the_folders_own(tmp_path: Path) -> None:
    folder_at(tmp_path, "target", "reference", "other")
    assert pair_of(str(tmp_path), str(tmp_path / "other"), {}).reference == str(tmp_path / "other")


def test_a_pair_without_reference_has_none(tmp_path: Path) -> None:
    folder_at(tmp_path, "target")
    assert pair_of(str(tmp_path), "", PUBLISHED).sources() == {"target": str(tmp_path / "target")}


def test_a_target_that_is_nothing_is_refused() -> None:
    with pytest.raises(UserError, match="neither a model that is known by name nor a folder"):
        pair_of("no-such-model", "", PUBLISHED)


@pytest.mark.parametrize(("benchmark", "corpus"), [(MUSENews, "News"), (MUSEBooks, "Books")])
def test_a_copy_of_a_muse_target_brings_the_retrained_copy_beside_it(
    tmp_path: Path, benchmark: type[MUSENews | MUSEBooks], corpus: str
) -> None:
    names = [f"muse-bench/MUSE-{corpus}_{which}" for which in ("target", "retrain")]
    copy = folder_at(tmp_path, *names)
    assert benchmark(model=copy).reference() == str(tmp_path / names[1])


def test_a_copy_of_a_filtered_models_twin_brings_the_filtered_copy(tmp_path: Path) -> None:
    names = ["EleutherAI/deep-ignorance-unfiltered", "EleutherAI/deep-ignorance-e2e-strong-filter"]
    assert models_of(folder_at(tmp_path, *names), "").reference == str(tmp_path / names[1])


def test_a_copy_without_its_sibling_has_no_reference(tmp_path: Path) -> None:
    assert MUSENews(model=folder_at(tmp_path, NEWS)).reference() is None


def test_the_tokenizer_of_a_copy_is_the_one_in_it(tmp_path: Path) -> None:
    copy = folder_at(tmp_path, NEWS, LLAMA_2.partition("@")[0])
    (Path(copy) / "tokenizer.json").touch()
    assert tokenizer_of(copy) == copy


def test_the_tokenizer_of_a_bare_copy_is_the_presets_under_the_same_root(tmp_path: Path) -> None:
    own = LLAMA_2.partition("@")[0]
    assert tokenizer_of(folder_at(tmp_path, NEWS, own)) == str(tmp_path / own)


def test_the_tokenizer_of_a_bare_copy_alone_is_the_presets_from_the_hub(tmp_path: Path) -> None:
    assert tokenizer_of(folder_at(tmp_path, NEWS)) == LLAMA_2


def test_any_other_folder_has_its_own_tokenizer(tmp_path: Path) -> None:
    assert tokenizer_of(str(tmp_path)) == str(tmp_path)


def test_full_models_have_the_benchmarks_own_presets_and_small_ones_the_small(tmp_path: Path) -> None:
    for name, width in (("full", 4096), ("small", 64)):
        LlamaConfig(hidden_size=width, num_hidden_layers=8).save_pretrained(tmp_path / name)
    assert [preset_for("bench", str(tmp_path / name)) for name in ("full", "small")] == ["bench", "small"]
