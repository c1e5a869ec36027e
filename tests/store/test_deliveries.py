"""The work queue on real servers: as a model, and the single rules that a model can not say well."""

import asyncio

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from gateway.store.embedded import Cluster
from gateway.store.pool import PoolLimits, Store
from tests.store import made
from tests.store.queue_model import QueueMachine


@pytest.mark.both_servers
def test_no_order_of_the_queues_statements_breaks_its_rules(pg: Cluster) -> None:
    with asyncio.Runner() as runner:
        store = runner.run(Store.open(pg.app_dsn, limits=PoolLimits(most=1)))

        async def entity() -> int:
            async with store.ask.acquire() as connection:
                return await made.entity(connection)

        entity_id = runner.run(entity())

        class Machine(QueueMachine):
            pass

        Machine.runner, Machine.store, Machine.entity_id = runner, store, entity_id
        try:
            run_state_machine_as_test(
                Machine,
                settings=settings(
                    max_examples=60, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck)
                ),
            )
        finally:
            runner.run(store.close())
