"""The list of mutations fits the code; `make mutate` puts them in."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Final

import pytest

from tests.mutations.mutation import Mutation
from tests.mutations.mutations import MUTATIONS

ROOT: Final = Path(__file__).parents[2]


@pytest.mark.parametrize("mutation", MUTATIONS, ids=lambda mutation: mutation.breaks)
def test_a_mutation_can_be_put_in(mutation: Mutation) -> None:
    text = (ROOT / mutation.file).read_text("utf-8")
    assert text.count(mutation.old) == 1
    mutated = text.replace(mutation.old, mutation.new)
    assert ast.dump(ast.parse(mutated)) != ast.dump(ast.parse(text))
    for name in (*mutation.tests, *mutation.browser):
        file, _, test = name.partition("::")
        assert f"def {test}" in (ROOT / file).read_text("utf-8")


def test_there_are_at_least_twenty_with_names_of_their_own() -> None:
    assert len({mutation.breaks for mutation in MUTATIONS}) == len(MUTATIONS) >= 20
