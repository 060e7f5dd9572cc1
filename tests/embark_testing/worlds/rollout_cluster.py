"""A model of the cluster and the services under a rollout: it reacts to a cache's children as the real ones do."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from embark.rollout.state import RolloutState
from embark.rollout.step import ObservedJob, ObservedProgress, ObservedRollout
from embark.rollout.verdict import Verdict, find_gate_failure
from embark.settings import EmbArkSettings, KfcSettings, ReembedSettings
from embark.spec.rollout import Rollout as RolloutSpec
from embark_operator.cluster.kinds import CONFIG_MAP, JOB, Child
from embark_operator.manifests.config_maps import SETTINGS_KEY
from embark_operator.names import COMPONENT_LABEL, SPACE_LABEL, Manifest

EMBARK_PODS = 2


@dataclass
class JobRun:
    """What has come of a Job."""

    complete: bool = False
    failed: bool = False
    verdict: Verdict | None = None


@dataclass(frozen=True)
class Served:
    """What an EmbArk pod answers from."""

    active: str
    previous: str | None = None

    @property
    def spaces(self) -> set[str]:
        return {self.active} | ({self.previous} if self.previous else set())


class ModelCluster:
    """Children as they were applied, and what runs because of them."""

    def __init__(self, first: str, keys: int) -> None:
        self.children: dict[Child, Manifest] = {}
        self.tables: dict[str, dict[int, bool]] = {first: dict.fromkeys(range(keys), True)}
        """Per space, its keys; False: a negative."""
        self.scanned: dict[str, set[int]] = {}
        self.kfcs: set[str] = {first}
        self.behind: dict[str, int] = {}
        self.target = Served(first)
        """What EmbArk's pods are told to answer from."""
        self.filled: dict[str, str] = {}
        """The spaces that have a KFC, and where each is filled from."""
        self.embark = [self.target] * EMBARK_PODS
        self.jobs: dict[str, JobRun] = {}
        self.fit: set[str] = {first}
        """Spaces that look-ups may read: the first, and those whose gate has passed since their table was made."""
        self.unreadable: dict[str, set[int]] = {}
        """Keys that the encoder of a space cannot encode."""
        self.broken: set[str] = set()
        """Spaces whose pods cannot start."""

    def apply(self, manifests: Sequence[Manifest], upto: int | None = None) -> None:
        """Apply manifests, and prune what is not among them unless it is broken off after `upto` of them."""
        self.children |= {Child.from_manifest(manifest): manifest for manifest in manifests[:upto]}
        if upto is None:
            kept = {Child.from_manifest(manifest) for manifest in manifests}
            self.children = {child: body for child, body in self.children.items() if child in kept}
        self.jobs = {child.name: self.jobs.get(child.name, JobRun()) for child in self.children if child.kind == JOB}
        settings = EmbArkSettings.model_validate_json(next(self._settings("embark")))
        self.target = Served(settings.active.id, settings.previous.id if settings.previous else None)
        told = map(KfcSettings.model_validate_json, self._settings("kfc"))
        self.filled = {settings.space.id: settings.source for settings in told}

    def jobs_of(self, component: str) -> Iterator[tuple[Manifest, JobRun]]:
        """Yield the Jobs of a component."""
        for child, body in self.children.items():
            if child.kind == JOB and body["metadata"]["labels"][COMPONENT_LABEL] == component:
                yield body, self.jobs[child.name]

    def start_pods(self) -> None:
        """Make the tables of every space that has a KFC, and start it."""
        for space in [child for child in self.filled if child not in self.broken]:
            if space not in self.tables:
                self.tables[space] = {}
                self.behind[space] = 1
            self.kfcs.add(space)

    def end_pods(self) -> None:
        """End the pods of every space that has no KFC any more."""
        self.kfcs &= set(self.filled)

    def roll_embark(self) -> None:
        """Replace one EmbArk pod that answers from something else than it is told to."""
        stale = [number for number, served in enumerate(self.embark) if served != self.target]
        for number in stale[:1]:
            self.embark[number] = self.target

    def scan(self) -> None:
        """Encode one further key for each candidate; the Job is complete when none is left."""
        for job, run in self.jobs_of("reembed"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            retry_failed = ReembedSettings.model_validate_json(self._settings_of_job(job)).retry_failed
            scanned = self.scanned.setdefault(space, set())
            left = sorted(set(self.tables[self.filled[space]]) - scanned)
            if job["spec"]["suspend"] or run.failed:
                continue
            for key in left[:1]:
                scanned.add(key)
                if retry_failed or key not in self.tables[space]:
                    self.tables[space][key] = self._encodes(space, key)
            run.complete = not left

    def verify(self, gates: RolloutSpec) -> None:
        """Judge each candidate."""
        for job, run in self.jobs_of("verify"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            verdict = self._judge(self.tables[self.filled[space]], self.tables[space])
            run.complete, run.verdict = True, verdict
            if find_gate_failure(verdict, gates):
                self.scanned.pop(space, None)
            else:
                self.fit.add(space)

    def drop(self) -> None:
        """Drop the tables whose time has come; nothing may use them any more."""
        for job, run in self.jobs_of("drop"):
            space = job["metadata"]["labels"][SPACE_LABEL]
            assert space not in self.kfcs | self.served
            assert space not in {body["metadata"]["labels"][SPACE_LABEL] for body, _ in self.jobs_of("reembed")}
            for held in (self.tables, self.scanned, self.behind):
                held.pop(space, None)
            self.fit.discard(space)
            run.complete = True

    def catch_up(self) -> None:
        """Let every KFC consume what it has to."""
        self.behind = dict.fromkeys(self.behind, 0)

    def fill(self, key: int) -> None:
        """Let every KFC consume a further key."""
        for space in set(self.filled) & set(self.tables):
            self.tables[space].setdefault(key, self._encodes(space, key))

    @property
    def served(self) -> set[str]:
        """The spaces that EmbArk pods really answer from."""
        return set().union(*(pod.spaces for pod in self.embark))

    def see(self, rollout: RolloutState, *, answers: bool) -> ObservedRollout:
        """Return what an operator sees; `answers`: whether the services answer it."""
        spaces = rollout.spaces
        seen = ObservedRollout(embark_rolled=all(pod == self.target for pod in self.embark))
        if answers:
            seen = replace(seen, entries=sum(self.tables[rollout.active.id].values()))
        if spaces.dropped:
            seen = replace(seen, dropped_idle=spaces.dropped.id not in self.kfcs, drop=self._see_job("drop"))
        if not spaces.candidate:
            return seen
        candidate = spaces.candidate.id
        verdicts = [run.verdict for _, run in self.jobs_of("verify")]
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
        runs = [run for _, run in self.jobs_of(component)]
        return ObservedJob(bool(runs) and all(run.complete for run in runs), any(run.failed for run in runs))

    def _encodes(self, space: str, key: int) -> bool:
        return key not in self.unreadable.get(space, set())

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

    @staticmethod
    def _judge(source: Mapping[int, bool], candidate: Mapping[int, bool]) -> Verdict:
        held = [key for key in source if key in candidate]
        failed = [key for key in held if source[key] and not candidate[key]]
        return Verdict(keys=len(source), held=len(held), failed=len(failed), sampled=len(held))
