"""A rollout that the local carrier carries out on modelled spaces, with tasks that run when the world says so."""

from collections.abc import Callable
from typing import Any, cast

from embark.errors import EmbArkError
from embark.rollout.advance import advance
from embark.rollout.state import RolloutState
from embark.rollout.step import ObservedRollout
from embark.rollout.verdict import Verdict, find_gate_failure
from embark.settings import EmbArkSettings, FillingSettings, KfcSettings
from embark.spec.rollout import Rollout
from embark_local.carrier import Carrier, ServedSpaceIds
from embark_local.fillings import Filling
from embark_local.progress import Progress
from embark_local.rollout import restore_rollout
from embark_local.scan import Scan
from embark_local.space_settings import filling_settings
from embark_local.tasks import LocalTask
from embark_testing.worlds.rollout_parts import space
from embark_testing.worlds.rollout_spaces import ModelSpaces, Served
from embark_testing.worlds.rollout_worlds import RolloutWorld
from kfc.outages import Outages

TASKS = {"start": "rollout-start", "scan": "rollout-scan", "verify": "rollout-verify", "drop": "rollout-drop"}


class PendingTask(LocalTask[Any]):
    """A LocalTask that runs when a world calls run()."""

    def __init__(self, name: str, work: Callable[[Outages], Any], _: object) -> None:
        self.name = name
        self.pending = True
        super().__init__(name, work, lambda stopping: cast("Outages", stopping))  # the model never waits

    def _begin(self) -> None:
        """Leave it to the world."""

    def run(self) -> None:
        self.pending = False
        super().run()

    def fail(self) -> None:
        """Fail instead of doing the work."""
        self.pending = False
        self.error = EmbArkError("failed")

    def stop(self) -> None:
        self.pending = False


class ModelWork(ModelSpaces):
    """The RolloutWork of a process on modelled spaces."""

    def __init__(self, first: str, keys: int) -> None:
        super().__init__(first, keys)
        self.fillings: dict[str, Filling] = {}

    def new_outages(self, stopping: object) -> Outages:
        return cast("Outages", stopping)

    def count(self, _: Outages, space: str) -> int:
        return sum(self.tables[space].values())

    def start_filling(self, _: Outages, settings: FillingSettings, source: str) -> None:
        started = settings.kfc.space.id
        if started in self.broken:
            raise EmbArkError("its model cannot be loaded")
        assert source or started in self.tables
        self.start(started)
        self.fillings[started] = Filling(settings, "retina", {}, cast("Any", None))

    def find_filling(self, space: str) -> Filling | None:
        return self.fillings.get(space)

    def filled_spaces(self) -> frozenset[str]:
        return frozenset(self.fillings)

    def stop_filling(self, space: str) -> None:
        self.fillings.pop(space, None)
        self.kfcs.discard(space)

    def fills_behind(self, _: Outages, candidate: str, source: str) -> int:
        assert {candidate, source} <= set(self.tables)
        return self.behind.get(candidate, 0)

    def scan(self, _: Outages, scan: Scan, on_progress: Callable[[Progress], None]) -> float:
        candidate, source = scan.settings.space.id, scan.settings.source
        while not self.scan_key(source, candidate, retry_failed=scan.attempt > 0):
            scanned = self.scanned[candidate]
            done = sum(self.tables[candidate][key] for key in scanned)
            on_progress(Progress(done, len(scanned) - done, len(self.tables[source])))
        return 10.0

    def verify(self, _: Outages, settings: KfcSettings, gate: Rollout) -> Verdict:
        candidate = settings.space.id
        verdict = self.judge(self.tables[settings.source], self.tables[candidate])
        if find_gate_failure(verdict, gate):
            self.scanned.pop(candidate, None)
        else:
            self.fit.add(candidate)
        return verdict

    def drop(self, _: Outages, space: str) -> None:
        self.drop_table(space)

    def switch(self, settings: EmbArkSettings) -> None:
        """Serve other spaces."""
        self.embark = [Served(settings.active.id, settings.previous.id if settings.previous else None)]


class LocalWorld(RolloutWorld):
    """A process that can be killed and started again; only the status, the tables and the topic outlast it."""

    quiet_passes = 10  # a Retina that could not start is started again after 15 seconds

    def __init__(self, **rollout: Any) -> None:
        super().__init__(**rollout)
        self.model = self.process = ModelWork(space("a"), keys=3)
        self.tasks: list[PendingTask] = []
        self._start_process()
        self.make_pass()

    @property
    def rollout(self) -> RolloutState:
        return restore_rollout(self.cache.model_copy(update={"status": self.status}))

    def make_pass(self) -> None:
        rollout = self.rollout
        self._carrier.carry_out(rollout, self.cache, self.now)
        self.write(advance(rollout, self.cache, self._carrier.observe(rollout, self.cache), self.now))
        self.check()

    def crash(self, point: int) -> None:
        """Kill the process before its pass, within it, or after it."""
        if point % 3:
            rollout = self.rollout
            self._carrier.carry_out(rollout, self.cache, self.now)
            self.check()
            if point % 3 > 1:
                self.write(advance(rollout, self.cache, self._carrier.observe(rollout, self.cache), self.now))
        self._start_process()
        self.check()

    def fail_scan(self) -> None:
        for task in self._pending("scan"):
            task.fail()

    def lose_verdict(self) -> None:
        """Restart the process, which holds verdicts only in memory."""
        self._start_process()

    def fill(self, key: int) -> None:
        self.process.fill_key(set(self.process.fillings), key)

    def lose_status(self) -> None:
        """Restart the process: a file that is lost is a folder that is new."""
        self._start_process()

    def work(self, part: str) -> None:
        if part == "catch up":
            self.process.catch_up()
        for task in self._pending(part):
            task.run()

    def assert_idle(self) -> None:
        assert not [task.name for task in self.tasks if task.pending]
        assert self.process.fillings.keys() == {self.wanted}

    def describe_end(self) -> object:
        return set(self.process.fillings)

    def _pending(self, part: str) -> list[PendingTask]:
        return [task for task in self.tasks if task.pending and task.name == TASKS.get(part)]

    def _start_process(self) -> None:
        """Start as run_local() does: take one step, fill and serve the active space, then write the step."""
        self.tasks = []
        self.process.fillings.clear()
        state = advance(self.rollout, self.cache, ObservedRollout(), self.now)
        active = state.active
        self.process.kfcs = {active.id}
        settings = filling_settings(self.cache, active.encoder, active.source)
        self.process.fillings[active.id] = Filling(settings, "retina", {}, cast("Any", None))
        self.write(state)
        served = ServedSpaceIds.wanted_by(state)
        self.process.embark = [Served(served.active, served.previous or None)]
        self._carrier = Carrier(
            self.process,
            served,
            outages=cast("Outages", None),
            switch=self.process.switch,
            start_task=self._start_task,
        )

    def _start_task(self, name: str, work: Callable[[Outages], Any], new_outages: object) -> PendingTask:
        task = PendingTask(name, work, new_outages)
        self.tasks.append(task)
        return task
