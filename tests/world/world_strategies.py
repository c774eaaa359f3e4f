"""Scenes of every sort, for hypothesis."""

from __future__ import annotations

from hypothesis import strategies as st

from helpers.world import COLORS, KINDS, PLACES, RELATIONS, REVERSE, SIZES, VERBS, Animal, Scene

kinds, colors, sizes, places = (st.sampled_from(words) for words in (KINDS, COLORS, SIZES, PLACES))
solo_verbs = st.sampled_from([verb for verb in VERBS if verb != "chases"])
seeds = st.integers(0, 2**63 - 1)

solo_scenes = st.builds(Scene, kinds, colors, sizes, places, solo_verbs, seed=seeds)


@st.composite
def two_animals(draw: st.DrawFn, chase: bool) -> Scene:
    kind, color = draw(kinds), draw(colors)
    other = draw(st.builds(Animal, kinds, colors).filter(lambda a: (a.kind, a.color) != (kind, color)))
    verb = "chases" if chase else draw(solo_verbs)
    relation = None if chase else draw(st.sampled_from(RELATIONS))
    return Scene(kind, color, draw(sizes), draw(places), verb, other, relation, draw(seeds))


chases, pairs = two_animals(chase=True), two_animals(chase=False)
scenes = st.one_of(solo_scenes, pairs, chases)
reversible_scenes = scenes.filter(lambda scene: scene.verb in REVERSE)
