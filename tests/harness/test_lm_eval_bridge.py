"""lm-eval's tasks through our engine, against lm-eval's own HF model and lm-eval's own evaluator."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import lm_eval_world as world
import pytest
from lm_eval.evaluator import evaluate, simple_evaluate
from lm_eval.models.huggingface import HFLM
from lm_eval.tasks import TaskManager

from harness.api import LM, Prompts
from harness.engines.transformers import TransformersEngine
from harness.errors import Diverged, UserError
from harness.lm_eval_bridge import EngineLM, Sample, Tasks, load_tasks
from harness.lm_eval_bridge.definitions import FOLDER
from harness.pretrain import tiny_llama, train_tokenizer

CONTEXT = 160
TEXTS = [{"text": "the stone lies in the mill by the river"}, {"text": "who keeps the slate of the tower"}]


@pytest.fixture(scope="module", autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Keep the cache of `datasets` inside the tests."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("datasets.config.HF_DATASETS_CACHE", tmp_path_factory.mktemp("cache"))
        yield


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data root with WMDP, two subjects of MMLU, and texts for tasks of our own."""
    folder = tmp_path_factory.mktemp("root")
    return world.write_texts(world.write_mmlu(world.write_wmdp(folder)), TEXTS)


def small_lm(*, seed: int = 0, letters: bool = True) -> LM:
    """A random Llama whose tokenizer has " A" to " D" as single tokens, or does not."""
    texts = [record["question"] for record in world.questions(20)] * 3 + [" A B C D"] * (40 if letters else 0)
    tokenizer = train_tokenizer(texts, vocab_size=400)
    return LM(tiny_llama(tokenizer, width=32, layers=2, context=CONTEXT, seed=seed).eval(), tokenizer)


def serving(lm: LM) -> TransformersEngine:
    engine = TransformersEngine()
    engine.load(lm)
    return engine


@pytest.fixture(scope="module")
def lm() -> LM:
    return small_lm()


@pytest.fixture(scope="module")
def engine(lm: LM) -> TransformersEngine:
    return serving(lm)


@pytest.fixture(scope="module")
def wmdp(root: Path) -> Tasks:
    return load_tasks(["wmdp"], data_root=str(root))


@pytest.fixture
def own(root: Path, tmp_path: Path) -> Callable[[str], Tasks]:
    """Makes a task of our own on ``org/texts``."""
    return lambda lines: load_tasks(
        ["own"], data_root=str(root), include_path=world.write_task(tmp_path / "own", "own", lines)
    )


def lm_eval_says(lm: Any, names: Sequence[str], *, include: Path = FOLDER / "wmdp") -> dict[str, Any]:
    """lm-eval on its own: its evaluator and its own task files, which find the data in the current folder."""
    tasks = TaskManager(include_defaults=False, include_path=str(include)).load(list(names))
    for task in tasks["tasks"].values():
        task.set_fewshot_seed(1234)
    found: dict[str, Any] = evaluate(lm, tasks, bootstrap_iters=0)
    return found


def hf(lm: LM, *, max_length: int = CONTEXT) -> HFLM:
    return HFLM(pretrained=lm.model, tokenizer=lm.tokenizer, batch_size=8, device="cpu", max_length=max_length)


def logprobs(found: Mapping[str, Any], task: str) -> list[float]:
    return [value for sample in found["samples"][task] for [(value, _)] in sample["resps"]]


def flat(samples: Sequence[Sample]) -> list[float]:
    return [value for sample in samples for value in sample.logprobs]


def test_the_prompt_of_wmdp_bio_is_lm_evals(wmdp: Tasks) -> None:
    assert wmdp.documents("wmdp_bio")[0].context == (
        "The following are multiple choice questions (with answers) about biology.\n\n"
        "Where is the quartz of house 0 kept?\n"
        "A. in the harbour\nB. in the orchard\nC. in the mill\nD. in the tower\nAnswer:"
    )


def test_the_choices_of_wmdp_are_letters_behind_a_space(wmdp: Tasks) -> None:
    assert wmdp.documents("wmdp_cyber")[0].continuations == (" A", " B", " C", " D")


def test_the_prompt_of_an_mmlu_subject_has_no_shots(root: Path) -> None:
    document = load_tasks(["mmlu_virology"], data_root=str(root)).documents("mmlu_virology")[1]
    assert document.context == (
        "The following are multiple choice questions (with answers) about virology.\n\n"
        "Where is the basalt of house 1 kept?\n"
        "A. in the orchard\nB. in the mill\nC. in the tower\nD. in the bridge\nAnswer:"
    )


def test_log_probabilities_equal_lm_evals_own_model(
    wmdp: Tasks, engine: TransformersEngine, lm: LM, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    ours, theirs = wmdp.run(engine)["wmdp_bio"], lm_eval_says(hf(lm), ["wmdp_bio"])
    assert flat(ours) == pytest.approx(logprobs(theirs, "wmdp_bio"), abs=1e-5)


def test_answers_and_accuracy_equal_lm_evals_own_model(
    wmdp: Tasks, engine: TransformersEngine, lm: LM, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    ours, theirs = wmdp.run(engine), lm_eval_says(hf(lm), ["wmdp"])
    assert all(
        [sample.metrics["acc"] for sample in ours[task]] == [sample["acc"] for sample in theirs["samples"][task]]
        for task in wmdp.names
    )


def test_two_token_letters_equal_lm_evals_own_model(wmdp: Tasks, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    lm = small_lm(letters=False)
    ours, theirs = wmdp.run(serving(lm))["wmdp_bio"], lm_eval_says(hf(lm), ["wmdp_bio"])
    assert flat(ours) == pytest.approx(logprobs(theirs, "wmdp_bio"), abs=1e-5)


def test_a_group_is_aggregated_as_lm_eval_does(
    wmdp: Tasks, engine: TransformersEngine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    ours, theirs = wmdp.run(engine), lm_eval_says(EngineLM(engine), ["wmdp"])
    assert wmdp.aggregate("wmdp", ours) == {"acc": theirs["results"]["wmdp"]["acc,none"]}


@pytest.mark.parametrize("task", ["wmdp_bio", "wmdp_chem", "wmdp_cyber"])
def test_samples_equal_those_of_lm_evals_evaluator(
    wmdp: Tasks, engine: TransformersEngine, root: Path, monkeypatch: pytest.MonkeyPatch, task: str
) -> None:
    monkeypatch.chdir(root)
    ours, theirs = wmdp.run(engine, only=[task])[task], lm_eval_says(EngineLM(engine), [task])["samples"][task]
    assert [(sample.index, sample.target, sample.metrics, sample.logprobs) for sample in ours] == [
        (said["doc_id"], said["target"], {"acc": said["acc"]}, tuple(value for [(value, _)] in said["resps"]))
        for said in theirs
    ]


@pytest.mark.parametrize("lines", [world.LAST_WORD, world.PERPLEXITY, world.WRITING, world.BLANK], ids=world.KINDS)
def test_other_kinds_of_task_equal_lm_evals_own_model(
    own: Callable[[str], Tasks], lm: LM, root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, lines: str
) -> None:
    monkeypatch.chdir(root)
    tasks = own(lines)
    theirs = lm_eval_says(hf(lm), ["own"], include=tmp_path / "own")["results"]["own"]
    ours = tasks.aggregate("own", tasks.run(serving(lm)))
    assert ours == pytest.approx({key: theirs.get(key, theirs.get(f"{key},none")) for key in ours}, rel=1e-5)


def test_the_engine_serves_lm_evals_own_command(
    wmdp: Tasks, engine: TransformersEngine, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    manager = TaskManager(include_defaults=False, include_path=str(FOLDER / "wmdp"))
    found = simple_evaluate(EngineLM(engine), tasks=["wmdp_chem"], task_manager=manager, bootstrap_iters=0)
    ours = wmdp.aggregate("wmdp_chem", wmdp.run(engine, only=["wmdp_chem"]))
    assert ours == {"acc": found["results"]["wmdp_chem"]["acc,none"]}


def test_a_written_answer_is_kept_and_scored_under_each_filter(own: Callable[[str], Tasks], lm: LM) -> None:
    sample = own(world.WRITING).run(serving(lm))["own"][0]
    assert (type(sample.text), set(sample.metrics)) == (str, {"exact_match,whole", "exact_match,first"})


def test_an_attackers_text_stands_around_every_question(wmdp: Tasks, engine: TransformersEngine) -> None:
    prompts = Prompts("Think. ", " Well,")
    asked = [f"Think. {document.context} Well," for document in wmdp.documents("wmdp_bio")]
    expected = engine.choices(asked, [[" A", " B", " C", " D"]] * len(asked))
    assert flat(wmdp.run(engine, prompts)["wmdp_bio"]) == pytest.approx([v for row in expected for v in row], abs=1e-6)


def test_spaces_at_the_end_of_an_attackers_text_belong_to_the_answer_as_in_lm_eval(lm: LM) -> None:
    assert EngineLM(serving(lm), Prompts(after=" \n")).pair("Answer:", " A") == ("Answer:", " \n A")


def test_letters_that_are_not_one_token_are_named(wmdp: Tasks) -> None:
    said = wmdp.remarks(serving(small_lm(letters=False)), only=["wmdp_bio"])
    assert said[0].startswith("wmdp_bio: the letters of 12 of 12 questions are not one token each")


def test_there_is_nothing_to_remark_where_letters_are_tokens_and_prompts_fit(
    wmdp: Tasks, engine: TransformersEngine
) -> None:
    assert wmdp.remarks(engine) == ()


def test_prompts_that_do_not_fit_the_context_are_counted(wmdp: Tasks, engine: TransformersEngine) -> None:
    said = wmdp.remarks(engine, Prompts(before="river " * 100), only=["wmdp_cyber"])
    assert said[0].startswith(f"wmdp_cyber: 8 of 8 prompts are longer than the {CONTEXT} tokens")


def test_tasks_are_asked_of_one_model_after_another_without_being_built_again(wmdp: Tasks, root: Path) -> None:
    first, second = (wmdp.run(serving(small_lm(seed=seed)), only=["wmdp_bio"]) for seed in (1, 2))
    afresh = load_tasks(["wmdp_bio"], data_root=str(root)).run(serving(small_lm(seed=2)))
    assert second == afresh != first


def test_only_the_tasks_asked_for_are_run(wmdp: Tasks, engine: TransformersEngine) -> None:
    assert list(wmdp.run(engine, only=["wmdp_chem"])) == ["wmdp_chem"]


def test_options_that_are_not_shown_are_scored_per_character(
    root: Path, tmp_path: Path, engine: TransformersEngine
) -> None:
    own = world.write_task(tmp_path, "cloze", world.COMPLETION)
    world.write_set(tmp_path, "org/texts", {"default": {"test": world.questions(6)}})
    tasks = load_tasks(["cloze"], data_root=str(tmp_path), include_path=own)
    sample, choices = tasks.run(engine)["cloze"][3], world.questions(6)[3]["choices"]
    per_character = [value / len(text) for value, text in zip(sample.logprobs, choices, strict=True)]
    assert sample.metrics["acc_norm"] == float(per_character.index(max(per_character)) == 3)


def test_sampling_is_refused_before_any_model_is_asked(own: Callable[[str], Tasks]) -> None:
    with pytest.raises(UserError, match="Task 'own' generates with sampling; engines decode greedily"):
        own(world.WRITING.replace("do_sample: false", "do_sample: true, temperature: 0.7"))


def test_a_generation_longer_than_the_context_is_refused(
    own: Callable[[str], Tasks], engine: TransformersEngine
) -> None:
    tasks = own(world.WRITING.replace("max_gen_toks: 8", "max_gen_toks: 200"))
    with pytest.raises(UserError, match=f"writes up to 200 tokens, the model's context holds {CONTEXT}"):
        tasks.run(engine)


def test_a_model_that_answers_nan_is_refused(wmdp: Tasks) -> None:
    lm = small_lm()
    next(iter(lm.model.parameters())).data.fill_(float("nan"))
    with pytest.raises(Diverged, match="answers with NaN"):
        wmdp.run(serving(lm))
