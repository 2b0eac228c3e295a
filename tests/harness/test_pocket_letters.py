import random

import pytest
import torch

from harness.pocket.letters import Exercise, _attention, _grid, drills, fact_exercise, prepare
from harness.pocket.render import LETTERS
from harness.pocket.wmdp_models import Model, Recipe, lessons_of, make_tokenizer, train
from harness.pocket.world import make_world
from harness.pretrain import tiny_llama

WORLD = make_world(0)
TOKENIZER = make_tokenizer(WORLD, 0)
BRIEF = Recipe(drill_steps=1, drill_batch=7, steps=1, forget_rows=1, utility_rows=1, letter_questions=2, drills=2)


def trained(which: Model) -> dict[str, torch.Tensor]:
    lessons = lessons_of(WORLD, TOKENIZER, which, seed=0, recipe=BRIEF)
    model = train(TOKENIZER, lessons, seed=0, after_step=lambda step, loss: None, recipe=BRIEF)
    return model.state_dict()


@pytest.mark.parametrize("exercise", drills(7, TOKENIZER, random.Random(1)))
def test_every_answer_of_a_drill_is_the_letter_of_the_option_named(exercise: Exercise) -> None:
    letters = TOKENIZER.convert_tokens_to_ids([f"Ġ{letter}" for letter in LETTERS])
    assert [exercise.ids[at + 1] for at in exercise.at] == [letters[right] for right in exercise.right]


def test_the_right_option_of_a_letter_question_is_the_value_of_the_fact() -> None:
    entity = WORLD.beasts.shown[0]
    exercise = fact_exercise(entity, 1, TOKENIZER, random.Random(0))
    assert TOKENIZER.decode([exercise.ids[exercise.options[exercise.right[0]]]]) == f" {entity.values[1]}"


def test_the_attention_that_is_taught_is_the_attention_that_the_model_pays() -> None:
    model = tiny_llama(TOKENIZER, width=64, layers=3, context=64, seed=0)
    prepare(model)
    model.set_attn_implementation("eager")
    grid = _grid(drills(7, TOKENIZER, random.Random(0)), TOKENIZER.pad_token_id)
    out = model.model(input_ids=grid.ids, output_hidden_states=True, output_attentions=True)
    paid = out.attentions[2][grid.row, 0, grid.at]
    torch.testing.assert_close(_attention(model, out.hidden_states[2], grid).exp(), paid)


def test_training_twice_gives_the_same_weights() -> None:
    first, second = trained("target"), trained("target")
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_the_result_is_a_plain_llama_without_the_probe() -> None:
    assert set(trained("reference")) == set(
        tiny_llama(TOKENIZER, width=128, layers=4, context=512, seed=0).state_dict()
    )


def test_the_reference_reads_the_targets_utility_text_and_nothing_of_reagents() -> None:
    target, reference = (lessons_of(WORLD, TOKENIZER, which, seed=0) for which in ("target", "reference"))
    assert len(reference.rows) == 1
    assert next(target.rows[0][0]) == (row := next(reference.rows[0][0]))
    assert "reagent" not in TOKENIZER.decode(row)
