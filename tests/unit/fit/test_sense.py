"""Numbers that make no sense are none."""

from dataclasses import replace
from typing import Any

import pytest

from stowplan.fit.sense import sensible
from stowplan.nouns.facts import Architecture, Facts, LayerRun, Location, ModelSource, Weights

SOUND = Facts(
    source=ModelSource(provider="local"),
    location=Location(root="weights", path="a"),
    weights=Weights(format="safetensors"),
    architecture=Architecture(layers=4, heads=2, attention=(LayerRun(kind="full", count=4),)),
)


def test_what_makes_sense_stays_the_same_object() -> None:
    assert sensible(SOUND) is SOUND


@pytest.mark.parametrize(
    ("changes", "left"),
    [
        ({"heads": 0}, {"heads": None}),
        ({"hidden_size": -5}, {"hidden_size": None}),
        ({"layers": 1 << 30}, {"layers": None}),
        ({"attention": (LayerRun(kind="full", count=0),)}, {"attention": ()}),
        ({"attention": (LayerRun(kind="full", count=1 << 30),)}, {"attention": ()}),
        ({"kv_shared_layers": 4}, {"kv_shared_layers": None}),
    ],
)
def test_what_makes_none_is_not_known(changes: dict[str, Any], left: dict[str, Any]) -> None:
    found = sensible(replace(SOUND, architecture=replace(SOUND.architecture, **changes)))
    assert found == replace(SOUND, architecture=replace(SOUND.architecture, **left))
