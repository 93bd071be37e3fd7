"""All seeded bugs. Some need several edits: where a promise is kept in several places a bug in one harms nobody."""

from __future__ import annotations

from typing import Final

from tests.chaos.mutants_of_endings import OF_ENDINGS
from tests.chaos.mutants_of_logs import OF_LOGS
from tests.chaos.mutants_of_turns import OF_TURNS
from tests.chaos.mutants_scenes import Mutant

MUTANTS: Final[tuple[Mutant, ...]] = (*OF_LOGS, *OF_TURNS, *OF_ENDINGS)
BY_NAME: Final = {mutant.name: mutant for mutant in MUTANTS}
