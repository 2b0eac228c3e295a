"""Names for specifications that share a name: the parameters in which they differ, and nothing else."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace

from harness.record import Record, Spec

LONGEST_VARIANT = 80
"""Characters by which something handed in is set apart; where they do not do, a piece of its digest does."""


@dataclass(frozen=True)
class Label:
    """What a page calls a component: its name and, if others share the name, what sets it apart."""

    name: str
    variant: str = ""

    @property
    def text(self) -> str:
        """Name and variant in one line."""
        return f"{self.name} ({self.variant})" if self.variant else self.name


def key_of(spec: Spec) -> str:
    """Identity of a specification."""
    return spec.key


def labels_of(
    specs: Sequence[Spec], settings: Mapping[str, str] | None = None, *, guests: Collection[str] = ()
) -> dict[str, Label]:
    """A distinct label for each distinct specification, by its key.

    Args:
        specs: What is to be told apart.
        settings: By key, which of its settings a specification is (tuned, published); where that alone tells those of
            one name apart, it is the variant.
        guests: Keys of specifications that were handed in, if there are others: those are named first and alone, and
            what was handed in bears what sets it apart from them, whatever it calls its setting.
    """
    distinct = {key_of(spec): spec for spec in specs}
    own = {key: spec for key, spec in distinct.items() if key not in guests} or distinct
    known = settings or {}
    labels = {
        key: Label(spec.name, _setting(key, spec, own, known) or _variant(key, spec, list(own.values())))
        for key, spec in own.items()
    }
    for key, spec in distinct.items():
        if key not in own:
            label = Label(spec.name, _variant(key, spec, list(distinct.values())))
            taken = any(label.text == other.text for other in labels.values())
            labels[key] = Label(spec.name, key[:6]) if taken or len(label.variant) > LONGEST_VARIANT else label
    return labels


def method_labels(records: Sequence[Record], guests: Collection[str]) -> dict[str, Label]:
    """What a board calls its methods.

    Args:
        records: Of one board.
        guests: Ids of those that were handed in.
    """
    own = [record for record in records if record.id not in guests] or records
    settings = {key_of(record.cell.method): record.method.setting for record in own}
    specs = [record.cell.method for record in records]
    return labels_of(specs, settings, guests={key_of(spec) for spec in specs} - settings.keys())


def order_of(spec: Spec) -> tuple[object, ...]:
    """Sorts specifications as a reader would: by name, version and parameters, numbers by size; digests decide last."""
    numbers = {n: float(v) for n, v in spec.params.items() if isinstance(v, (int, float))}
    settings = [(name, numbers.get(name, 0.0), _spell(value)) for name, value in sorted(spec.params.items())]
    return spec.name, spec.version, settings, key_of(spec)


def served_of(records: Sequence[Record], guests: Collection[str] = ()) -> dict[str, str]:
    """What a page calls each engine, by the key of its specification: its label and the dtype it served.

    An engine without a dtype of its own serves the weights as they are: the records say in which dtype they were, and
    those that were handed in (``guests``, ids) only where there are no others.
    """
    dtypes: dict[str, set[str]] = {}
    own = {key_of(record.cell.engine) for record in records if record.id not in guests}
    for record in records:
        engine = record.cell.engine
        if record.id in guests and key_of(engine) in own:
            continue
        dtypes.setdefault(key_of(engine), set()).add(_spell(engine.params.get("dtype", record.provenance.dtype)))
    without = {key_of(r.cell.engine): _without(r.cell.engine, "dtype") for r in records}
    labels = labels_of(list(without.values()))
    return {key: f"{labels[key_of(without[key])].text} {'/'.join(sorted(found))}" for key, found in dtypes.items()}


def parameters(spec: Spec) -> dict[str, str]:
    """Every parameter in the spelling of the page, in order of name."""
    return {name: _spell(value) for name, value in sorted(spec.params.items())}


def _without(spec: Spec, name: str) -> Spec:
    return replace(spec, params={n: v for n, v in spec.params.items() if n != name})


def _setting(key: str, spec: Spec, specs: Mapping[str, Spec], settings: Mapping[str, str]) -> str:
    """The name of a setting if every specification of this name has one of its own; empty otherwise."""
    named = [settings.get(other, "") for other, rival in specs.items() if rival.name == spec.name]
    return settings[key] if len(named) > 1 and all(named) and len(set(named)) == len(named) else ""


def _variant(key: str, spec: Spec, specs: Sequence[Spec]) -> str:
    rivals = [other for other in specs if other.name == spec.name and key_of(other) != key]
    if not rivals:
        return ""
    parts = [f"{n}={v}" for n, v in parameters(spec).items() if any(parameters(o).get(n) != v for o in rivals)]
    if any(other.version != spec.version for other in rivals):
        parts.append(f"v{spec.version}")
    same = [o for o in rivals if parameters(o) == parameters(spec) and o.version == spec.version]
    return ", ".join([*parts, key[:6]] if same or not parts else parts)


def _spell(value: object) -> str:
    if isinstance(value, (list, tuple)):
        return "(" + ", ".join(_spell(item) for item in value) + ")"
    if isinstance(value, float):
        return f"{value:g}"
    return "not set" if value is None else str(value).encode("unicode_escape").decode()
