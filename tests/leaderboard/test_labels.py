"""What a page calls specifications and engines."""

from __future__ import annotations

from synthetic import moved, record, stop

from harness.record import Record, Spec
from leaderboard.derive import boards_of
from leaderboard.labels import key_of, order_of, served_of


def scored(engine: Spec, dtype: str = "float32") -> Record:
    return moved(record(stops=[stop(0.1)]), engine=engine, dtype=dtype)


def test_an_engine_with_a_dtype_of_its_own_is_named_with_it() -> None:
    engine = Spec("vllm", 1, {"dtype": "bfloat16"})
    assert served_of([scored(engine)]) == {key_of(engine): "vllm bfloat16"}


def test_an_engine_without_one_is_named_with_the_dtype_of_its_records() -> None:
    engine = Spec("transformers", 1)
    assert served_of([scored(engine), scored(engine, "bfloat16")]) == {key_of(engine): "transformers bfloat16/float32"}


def test_two_settings_of_one_engine_are_told_apart_beside_the_dtype() -> None:
    engines = [Spec("vllm", 1, {"dtype": "float32", "batch_invariant": flag}) for flag in (False, True)]
    assert sorted(served_of([scored(e) for e in engines]).values()) == [
        "vllm (batch_invariant=False) float32",
        "vllm (batch_invariant=True) float32",
    ]


def test_boards_of_two_engines_say_engine_and_dtype() -> None:
    records = [scored(Spec("transformers", 1)), scored(Spec("vllm", 1, {"dtype": "bfloat16"}))]
    assert [board.variant for board in boards_of(records)] == ["transformers float32", "vllm bfloat16"]


def test_boards_of_one_engine_do_not_repeat_it_in_their_variant() -> None:
    (board,) = boards_of([scored(Spec("transformers", 1))])
    assert (board.variant, board.served) == ("", "transformers float32")


def test_numbers_are_ordered_by_size_and_not_by_their_digits() -> None:
    specs = [Spec("toy", 1, {"n": n}) for n in (10, 9, 100)]
    assert [spec.params["n"] for spec in sorted(specs, key=order_of)] == [9, 10, 100]
