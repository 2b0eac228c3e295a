"""Published values beside measured ones: what agrees, what differs, and what must not be compared."""

from pathlib import Path

import pytest

from harness.api import Evaluation, Score
from harness.cli import main
from harness.grid import Grid
from harness.presets import PRESETS
from harness.published import PRIVLEAK, REFERENCES, Reference, published
from harness.store import Store
from harness.verify import Compared, measured, names_of, privleak, sources, summary, verify

RECORDS = Store(Path(__file__).parents[2] / "results" / "pocket").records()
SURE = Reference("b", "m", "accuracy", 0.71, 0.005, "S", "somewhere")
QUOTED = Reference("b", "m", "accuracy", 0.71, 0.005, "S2", "a page that quotes it")


def compared(reference: Reference | None, measured: float | None) -> Compared:
    return Compared("b", "a folder", reference, measured)


def auc(value: float) -> Evaluation:
    return Evaluation({"min_k_auc": Score(value, 0.04, 200, better="zero", axis="privacy")})


@pytest.mark.parametrize(
    ("reference", "measured", "verdict", "failed"),
    [
        (SURE, 0.7149, "agrees", False),
        (SURE, 0.7051, "agrees", False),
        (SURE, 0.7151, "differs", True),
        (QUOTED, 0.7151, "differs", False),
        (SURE, None, "not measured", False),
        (None, None, "no published value for this model", False),
    ],
)
def test_only_a_difference_from_a_value_that_is_known_for_sure_fails(
    reference: Reference | None, measured: float | None, verdict: str, failed: bool
) -> None:
    line = compared(reference, measured)
    assert (line.verdict, line.failed) == (verdict, failed)


def test_a_row_holds_both_values_their_difference_and_how_the_published_one_is_known() -> None:
    row = compared(QUOTED, 0.66).row
    assert row[2:] == (
        "accuracy",
        "0.6600",
        "0.7100",
        "-0.0500",
        "0.005",
        "S2",
        "differs (not known for sure)",
    )


def test_every_source_is_named_once() -> None:
    assert sources([compared(SURE, 0.7), compared(SURE, 0.8), compared(None, None)]) == ["S: somewhere"]


def test_nothing_compared_is_said_and_not_called_agreement() -> None:
    assert summary([compared(None, None), compared(SURE, None)]).startswith("Nothing was compared")


def test_the_summary_counts_what_agrees_and_what_could_not_bemeasured() -> None:
    said = summary([compared(SURE, 0.71), compared(SURE, 0.9), compared(SURE, None)])
    assert said == "1 of 2 published values agree within their tolerance. 1 more could not be measured here."


def test_privleak_is_zero_for_the_reference_and_minus_hundred_for_a_model_that_betrays_every_text() -> None:
    assert privleak(0.5228, 0.5228) == 0
    assert privleak(1.0, 0.5228) == -100


def test_privleak_agrees_with_a_case_worked_by_hand() -> None:
    # MUSE's AUC is the complement of ours: .36 against .48 is a quarter less
    assert privleak(0.64, 0.52) == pytest.approx(-25)


def test_privleak_ismeasured_against_the_evaluated_reference() -> None:
    assert measured(PRIVLEAK, "target", {"target": auc(0.64), "reference": auc(0.52)}) == pytest.approx(-25)


def test_without_the_published_reference_privleak_is_not_measured() -> None:
    assert measured(PRIVLEAK, "target", {"target": auc(0.64)}) is None


def test_a_score_that_the_benchmark_does_not_have_is_not_measured() -> None:
    assert measured("accuracy", "target", {"target": auc(0.64)}) is None


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (f"HuggingFaceH4/zephyr-7b-beta@{'0' * 40}", ("zephyr-7b-beta",)),
        ("/data/hub/HuggingFaceH4/zephyr-7b-beta", ("zephyr-7b-beta",)),
        ("/data/zephyr-7b-beta", ()),
        ("/data/HuggingFaceH4/zephyr-7b-beta/checkpoint-8", ()),
    ],
)
def test_a_published_model_is_known_by_its_id_or_by_a_copy_laid_out_as_the_hub_is(
    source: str, names: tuple[str, ...]
) -> None:
    assert names_of("wmdp-bio", "target", source) == names


def test_a_value_that_character_recognition_read_off_a_figure_fails_nobody() -> None:
    (value,) = published("wmdp-bio", ["llama-3-8b-instruct"], "")
    assert ("OCR" in value.source, value.gates) == (True, False)


def test_values_of_the_two_modes_of_muse_are_kept_apart() -> None:
    values = {
        mode: {r.score: r.value for r in published("muse-books", ["muse-books-target"], mode)}
        for mode in ("paper", "openunlearning")
    }
    assert values["paper"]["muse_knowmem_f"] == pytest.approx(0.594)
    assert values["openunlearning"]["muse_knowmem_f"] == pytest.approx(0.47)


def test_every_value_is_of_a_known_model_and_in_the_units_of_a_record() -> None:
    assert {r.model for r in REFERENCES} <= {"target", "reference", *PRESETS}
    assert all(-100 <= r.value <= 100 if r.score == PRIVLEAK else 0 <= r.value <= 1 for r in REFERENCES)


@pytest.mark.parametrize("reference", [r for r in REFERENCES if r.known == "M"], ids=lambda r: f"{r.model}-{r.score}")
def test_what_is_said_to_bemeasured_stands_in_the_published_records(reference: Reference) -> None:
    method = {"target": "none", "reference": "reference"}[reference.model]
    cells = [
        one for one in RECORDS if one.cell.benchmark.name == reference.benchmark and one.cell.method.name == method
    ]
    (record,) = (one for one in cells if one.cell.attack.name == "none" and one.cell.seed == 0)
    assert record.measurements[0].scores[reference.score].value == pytest.approx(reference.value, abs=1e-6)


@pytest.mark.slow
def test_the_shipped_models_score_what_is_published_for_them() -> None:
    lines = verify(Grid(benchmarks=("pocket-wmdp",)), say=lambda line: None)
    assert [line.verdict for line in lines] == ["agrees"] * 8


def test_a_model_without_published_values_is_named_and_not_evaluated(fake_world: None, tiny_models: Path) -> None:
    told: list[str] = []
    settings = {"benchmark.fake-bench.folder": str(tiny_models)}
    lines = verify(Grid(benchmarks=("fake-bench",), overrides=settings), say=told.append)
    assert {line.verdict for line in lines} == {"no published value for this model"}
    assert not told


def test_the_command_says_that_nothing_was_compared_and_does_not_fail(
    fake_world: None, tiny_models: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(["verify", "--benchmarks", "fake-bench", "--set", f"benchmark.fake-bench.folder={tiny_models}"])
    assert end.value.code in (None, 0)
    assert "Nothing was compared" in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_fails_where_a_sure_value_differs(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = Reference("pocket-wmdp", "target", "forget_cloze", 0.5, 0.01, "S", "a made-up paper")
    monkeypatch.setattr("harness.published.REFERENCES", (wrong,))
    with pytest.raises(SystemExit) as end:
        main(["verify", "--benchmarks", "pocket-wmdp"])
    assert end.value.code == 1
