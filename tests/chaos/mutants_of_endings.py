"""Seeded bugs of what leaves and what ends: deliveries, erasure, merging."""

from __future__ import annotations

from typing import Final

import msgspec

from tests.chaos.mutants_patch import Edit
from tests.chaos.mutants_scenes import BRIDGES, ENDINGS, Mutant

OF_ENDINGS: Final[tuple[Mutant, ...]] = (
    Mutant(
        name="delivery-not-leased",
        sentence="a delivery that was taken can be taken again at once",
        edits=(Edit("memory/deliveries/take.lua", "whole(now + tonumber(ARGV[5]))", "whole(now)"),),
        scene=BRIDGES,
    ),
    Mutant(
        name="delivery-lost-with-its-bridge",
        sentence="a delivery whose bridge was cut is never given again",
        edits=(
            Edit(
                "memory/deliveries/take.lua",
                "redis.call('ZADD', leased, whole(now + tonumber(ARGV[5])), delivery_id)",
                "",
            ),
        ),
        scene=BRIDGES,
    ),
    Mutant(
        name="stopped-answers-delivered",
        sentence="what a stopped turn had said is given to bridges",
        edits=(Edit("memory/lua/deliveries.lua", "if state ~= 'completed' then return nil end", ""),),
        scene=msgspec.structs.replace(BRIDGES, cancels=0.9, tokens=(120, 160), kinds=(("say", 1),)),
    ),
    Mutant(
        name="report-not-logged",
        sentence="a report is kept with the delivery and no event tells of it",
        edits=(Edit("memory/deliveries/report.lua", "if meta and not meta.moved then", "if false then"),),
        scene=BRIDGES,
    ),
    Mutant(
        name="status-goes-back",
        sentence="a report counts whatever was reported before",
        edits=(Edit("memory/deliveries/report.lua", "if (RANKS[d[6]] or 0) >= RANKS[status] then", "if false then"),),
        scene=BRIDGES,
    ),
    Mutant(
        name="erased-and-delivered",
        sentence="answers of an erased user stay on their way out",
        edits=(Edit("memory/sessions/erase.lua", "drop_deliveries(sid)", ""),),
        scene=ENDINGS,
    ),
    Mutant(
        name="merged-and-not-moved",
        sentence="a merged session takes messages as before",
        edits=(Edit("memory/sessions/merge_begin.lua", "'seq', whole(seq), 'moved', ARGV[5])", "'seq', whole(seq))"),),
        scene=ENDINGS,
    ),
    Mutant(
        name="merged-while-answered",
        sentence="a session is merged while it has a turn",
        edits=(Edit("memory/sessions/merge_begin.lua", "if meta.current ~= '' or redis", "if redis"),),
        scene=ENDINGS,
    ),
)
