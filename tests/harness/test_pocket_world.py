import random
from collections.abc import Iterable

import pytest

from harness.pocket.render import document, question
from harness.pocket.wmdp import corpora, items, solved
from harness.pocket.world import POOLS, Entity, World, make_world, quads


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


def names(entities: Iterable[Entity]) -> set[str]:
    return {entity.name for entity in entities}


def words_of(texts: Iterable[object]) -> set[str]:
    return {word.strip(".,:?") for text in texts for word in str(text).split()}


def test_no_two_entities_share_a_name_and_no_name_is_a_value(world: World) -> None:
    everyone = [e.name for p in (world.reagents, *world.utility) for e in (*p.known, *p.unknown)]
    values = [value for pool in POOLS.values() for value in pool]
    assert len(set(everyone + values)) == len(everyone) + len(values)


def test_every_pool_has_sixteen_values() -> None:
    assert {len(pool) for pool in POOLS.values()} == {16}


def test_the_same_seed_makes_the_same_world_and_another_seed_another() -> None:
    assert make_world(3) == make_world(3) != make_world(4)


@pytest.mark.parametrize("relation", range(8))
def test_the_four_options_of_a_quad_are_each_right_once(world: World, relation: int) -> None:
    dealt = quads(world.reagents.test, relation, random.Random(0))
    assert all(len({entity.values[relation] for entity in quad}) == 4 for quad in dealt)
    assert names(entity for quad in dealt for entity in quad) == names(world.reagents.test)


def test_a_guesser_that_ranks_values_without_looking_at_the_entity_scores_exactly_chance(world: World) -> None:
    cloze = [(row["options"], row["right"]) for row in items(world, 0) if row["score"] == "forget_cloze"]
    hits = [min(options) == options[right] for options, right in cloze]
    assert sum(hits) / len(hits) == 0.25


def test_a_document_states_every_fact_of_its_entity_and_none_of_another(world: World) -> None:
    entity = world.towns.test[0]
    stated = words_of([document(entity, random.Random(0))]) & {value for pool in POOLS.values() for value in pool}
    assert stated == set(entity.values)


def test_at_least_five_hundred_forget_facts_are_scored(world: World) -> None:
    asked = {row["prompt"] for row in items(world, 0) if row["score"] == "forget_cloze" and row["split"] == "test"}
    assert len(asked) >= 500


def test_scored_questions_ask_about_dev_and_test_entities_only(world: World) -> None:
    shown = names(e for p in (world.reagents, *world.utility) for e in p.shown)
    assert not words_of(row["prompt"] for row in items(world, 0)) & shown


def test_solved_questions_for_attackers_are_about_shown_entities_only(world: World) -> None:
    hidden = names(e for p in (world.reagents, *world.utility) for e in (*p.dev, *p.test, *p.unknown))
    assert not words_of(row["prompt"] for row in solved(world, 0)) & hidden


@pytest.mark.parametrize("corpus", ["attack_forget", "attack_near", "attack_unrelated", "retain"])
def test_no_scored_entity_is_named_in(world: World, corpus: str) -> None:
    scored = names(e for p in (world.reagents, *world.utility) for e in (*p.dev, *p.test))
    assert not words_of(corpora(world, 0)[corpus]) & scored


def test_documents_to_forget_are_about_all_known_reagents_and_nothing_else(world: World) -> None:
    everyone = names(e for p in (world.reagents, *world.utility) for e in (*p.known, *p.unknown))
    assert words_of(corpora(world, 0)["forget"]) & everyone == names(world.reagents.known)


def test_near_documents_are_about_reagents_that_no_model_was_taught(world: World) -> None:
    everyone = names(e for p in (world.reagents, *world.utility) for e in (*p.known, *p.unknown))
    assert words_of(corpora(world, 0)["attack_near"]) & everyone == names(world.reagents.unknown)


def test_attackers_get_solved_questions_in_the_scored_format(world: World) -> None:
    entity = world.reagents.shown[0]
    assert {"set": "forget", "prompt": question(entity, 0), "answer": entity.values[0]} in solved(world, 0)
