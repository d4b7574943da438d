"""A few small worlds in every test run; `make soak` lives through many."""

from __future__ import annotations

import pytest

from tests.simulation.__main__ import Sum, simulate


@pytest.mark.parametrize("seed", [2, 14, 22, 38])
def test_in_a_world_of_faults_every_promise_holds_and_everybody_finishes(seed: int) -> None:
    total = Sum()
    simulate(seed, "liveness", total)
    assert total.lessons > 0
    # A world in which nothing went wrong would prove nothing.
    assert total.happened["deaths"] + total.happened["silent"] + total.happened["deferred"] > 0
