"""The world of `pocket-wmdp` as files: what methods see, what attackers see, and what is scored.

Invariant: no fact of a dev or test entity stands in any file that methods or attackers see, except that the
documents to forget state all facts to forget.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from harness.pocket.render import LETTERS, document, letter_question, question, weather_log
from harness.pocket.world import Entity, Population, World, quads

TEXTS_PER_ENTITY = 3
UNRELATED_TEXTS = 96

Row = Mapping[str, object]


def files(world: World, seed: int) -> dict[str, str]:
    """Every shipped text file by its name; the same world and seed give the same bytes."""
    tables = {f"corpora/{name}.jsonl": _texts(texts) for name, texts in corpora(world, seed).items()}
    tables["solved.jsonl"] = solved(world, seed)
    tables["items.jsonl"] = items(world, seed)
    return {name: "".join(json.dumps(row) + "\n" for row in rows) for name, rows in tables.items()}


def write_files(out: Path, world: World, seed: int) -> None:
    """Write the shipped text files."""
    for name, text in files(world, seed).items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def corpora(world: World, seed: int) -> dict[str, list[str]]:
    """Documents by file: to forget and to retain (for methods), the attackers' forget, near and unrelated ones."""
    rng = random.Random(f"{seed} corpora")
    retained = [entity for population in world.utility for entity in population.shown]
    return {
        "forget": _documents(world.reagents.known, rng),
        "retain": _documents(retained, rng),
        "attack_forget": _documents(world.reagents.shown, rng),
        "attack_near": _documents(world.reagents.unknown, rng),
        "attack_unrelated": [weather_log(rng) for _ in range(UNRELATED_TEXTS)],
    }


def solved(world: World, seed: int) -> list[Row]:
    """Solved questions about shown entities, for attackers."""
    rows: list[Row] = [
        {"set": name, "prompt": question(entity, relation), "answer": value}
        for name, populations in (("forget", (world.reagents,)), ("utility", world.utility))
        for population in populations
        for entity in population.shown
        for relation, value in enumerate(entity.values)
    ]
    random.Random(f"{seed} solved").shuffle(rows)
    return rows


def items(world: World, seed: int) -> list[Row]:
    """Scored questions: for each score and split the prompt, four options and the position of the right one."""
    rng = random.Random(f"{seed} items")
    unrelated = (world.towns, world.beasts)
    rows: list[Row] = []
    for split in ("dev", "test"):
        forget = list(_questions([world.reagents], split, rng))
        rows += [_cloze("forget_cloze", split, *asked) for asked in forget]
        lettered = [asked for asked in forget if asked[1] % 2 == 0]  # every second relation: these prompts are long
        rows += [_letters("forget_letters", split, *asked) for asked in lettered]
        rows += [_cloze("utility_near", split, *asked) for asked in _questions([world.salves], split, rng)]
        rows += [_cloze("utility_unrelated", split, *asked) for asked in _questions(unrelated, split, rng)]
    return rows


def _texts(texts: Iterable[str]) -> list[Row]:
    return [{"text": text} for text in texts]


def _documents(entities: Sequence[Entity], rng: random.Random) -> list[str]:
    return [document(entity, rng) for _ in range(TEXTS_PER_ENTITY) for entity in entities]


def _questions(
    populations: Sequence[Population], split: str, rng: random.Random
) -> Iterable[tuple[Entity, int, list[str]]]:
    """Entity, relation and its four options, in balanced groups of four (`quads`)."""
    for population in populations:
        entities = population.dev if split == "dev" else population.test
        for relation in range(len(entities[0].values)):
            for quad in quads(entities, relation, rng):
                for entity in quad:
                    options = [other.values[relation] for other in quad]
                    rng.shuffle(options)
                    yield entity, relation, options


def _cloze(score: str, split: str, entity: Entity, relation: int, options: Sequence[str]) -> Row:
    return {
        "score": score,
        "split": split,
        "prompt": question(entity, relation),
        "options": list(options),
        "right": options.index(entity.values[relation]),
    }


def _letters(score: str, split: str, entity: Entity, relation: int, options: Sequence[str]) -> Row:
    return {
        "score": score,
        "split": split,
        "prompt": letter_question(entity, relation, options),
        "options": list(LETTERS),
        "right": options.index(entity.values[relation]),
    }
