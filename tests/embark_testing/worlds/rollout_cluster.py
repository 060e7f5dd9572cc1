"""A model of the cluster under a rollout: it reacts to a cache's children as Kubernetes and the services do."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from embark.rollout.state import RolloutState
from embark.rollout.step import ObservedJob, ObservedProgress, ObservedRollout
from embark.rollout.verdict import Verdict, find_gate_failure
from embark.settings import EmbArkSettings, KfcSettings, ReembedSettings
from embark.spec.rollout import Rollout as RolloutSpec
from embark_operator.cluster.kinds import CONFIG_MAP, JOB, Child
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest
from embark_testing.worlds.rollout_spaces import ModelSpaces, Served

EMBARK_PODS = 2


@dataclass
class JobRun:
    """The state of a Job."""

    complete: bool = False
    failed: bool = False
    verdict: Verdict | None = None


class ModelCluster(ModelSpaces):
    """Children as they were applied, and the pods and Jobs that run because of them."""

    def __init__(self, first: str, keys: int) -> None:
        super().__init__(first, keys)
        self.children: dict[Child, Manifest] = {}
        self.target = Served(first)
        """What EmbArk's pods are to serve."""
        self.filled: dict[str, str] = {}
        """The spaces that have a KFC, and the source of each."""
        self.embark = [self.target] * EMBARK_PODS
        self.jobs: dict[str, JobRun] = {}

    def apply(self, manifests: Sequence[Manifest], upto: int | None = None) -> None:
        """Apply manifests and prune all others, or crash after `upto` manifests."""
        self.children |= {Child.from_manifest(manifest): manifest for manifest in manifests[:upto]}
        if upto is None:
            kept = {Child.from_manifest(manifest) for manifest in manifests}
            self.children = {child: body for child, body in self.children.items() if child in kept}
        self.jobs = {child.name: self.jobs.get(child.name, JobRun()) for child in self.children if child.kind == JOB}
        settings = EmbArkSettings.model_validate_json(next(self._settings("embark")))
        self.target = Served(settings.active.id, settings.previous.id if settings.previous else None)
        kfcs = map(KfcSettings.model_validate_json, self._settings("kfc"))
        self.filled = {settings.space.id: settings.source for settings in kfcs}

    def find_jobs(self, component: str) -> Iterator[tuple[Manifest, JobRun]]:
        """Yield the Jobs of a component."""
        for child, body in self.children.items():
            if child.kind == JOB and body["metadata"]["labels"][COMPONENT_LABEL] == component:
                yield body, self.jobs[child.name]

    def start_pods(self) -> None:
        """Start the KFC of every space that has one."""
        for space in self.filled.keys() - self.broken:
            self.start(space)

    def end_pods(self) -> None:
        """Terminate the pods of every space that no longer has a KFC."""
        self.kfcs &= set(self.filled)

    def roll_embark(self) -> None:
        """Replace one EmbArk pod that serves other spaces than it should."""
        stale = [number for number, served in enumerate(self.embark) if served != self.target]
        for number in stale[:1]:
            self.embark[number] = self.target

    def scan(self) -> None:
        """Scan one further key for each candidate; the Job completes when none is left."""
        for job, run in self.find_jobs("reembed"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            retry_failed = ReembedSettings.model_validate_json(self._settings_of_job(job)).retry_failed
            if not job["spec"]["suspend"] and not run.failed:
                run.complete = self.scan_key(self.filled[space], space, retry_failed=retry_failed)

    def verify(self, gates: RolloutSpec) -> None:
        """Judge each candidate."""
        for job, run in self.find_jobs("verify"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            verdict = self.judge(self.tables[self.filled[space]], self.tables[space])
            run.complete, run.verdict = True, verdict
            if find_gate_failure(verdict, gates):
                self.scanned.pop(space, None)
            else:
                self.fit.add(space)

    def drop(self) -> None:
        """Drop the tables for which there is a Job."""
        for job, run in self.find_jobs("drop"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            assert space not in {body["metadata"]["labels"][SPACE_LABEL] for body, _ in self.find_jobs("reembed")}
            self.drop_table(space)
            run.complete = True

    def fill(self, key: int) -> None:
        """Let every KFC consume a further key."""
        self.fill_key(set(self.filled), key)

    def see(self, rollout: RolloutState, *, answers: bool) -> ObservedRollout:
        """Return what an operator observes; `answers`: whether the services answer."""
        spaces = rollout.spaces
        seen = ObservedRollout(embark_rolled=all(pod == self.target for pod in self.embark))
        if answers:
            seen = replace(seen, entries=sum(self.tables[rollout.active.id].values()))
        if spaces.dropped:
            seen = replace(seen, dropped_idle=spaces.dropped.id not in self.kfcs, drop=self._see_job("drop"))
        if not spaces.candidate:
            return seen
        candidate = spaces.candidate.id
        verdicts = [run.verdict for _, run in self.find_jobs("verify")]
        return replace(
            seen,
            candidate_ready=candidate in self.kfcs and candidate not in self.broken,
            candidate_failed=candidate in self.broken,
            behind=self.behind.get(candidate) if answers else None,
            progress=self._progress(candidate) if answers else None,
            scan=self._see_job("reembed"),
            verification=self._see_job("verify"),
            verdict=verdicts[0] if verdicts else None,
        )

    def _progress(self, candidate: str) -> ObservedProgress:
        scanned, rows = self.scanned.get(candidate, set()), self.tables.get(candidate, {})
        done = sum(rows[key] for key in scanned)
        return ObservedProgress(done, len(scanned) - done)

    def _see_job(self, component: str) -> ObservedJob:
        runs = [run for _, run in self.find_jobs(component)]
        return ObservedJob(bool(runs) and all(run.complete for run in runs), any(run.failed for run in runs))

    def _settings(self, component: str) -> Iterator[str]:
        for child, body in self.children.items():
            if child.kind == CONFIG_MAP and body["metadata"]["labels"][COMPONENT_LABEL] == component:
                yield body["data"][SETTINGS_KEY]

    def _settings_of_job(self, job: Manifest) -> str:
        (name,) = (
            volume["configMap"]["name"]
            for volume in job["spec"]["template"]["spec"]["volumes"]
            if "configMap" in volume
        )
        namespaced = (body for child, body in self.children.items() if (child.kind, child.name) == (CONFIG_MAP, name))
        return str(next(namespaced)["data"][SETTINGS_KEY])
