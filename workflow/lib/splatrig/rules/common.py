"""Completion of rules with what all of them have, by Snakemake's own setters, and the record of their jobs."""

from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from splatrig.jobs.cache import STATE
from splatrig.jobs.digest import library_digest
from splatrig.jobs.provenance import Digests, Job, run_description, write_provenance
from splatrig.rules.layout import Layout
from splatrig.rules.machine import Machine, memory
from splatrig.rules.raw import RawCapture, from_here


@dataclass(frozen=True)
class Common:
    """Completion of a workflow's rules with what all of them have, so that none can forget it."""

    workflow: Any
    layout: Layout
    machine: Machine
    rules: Collection[Any]
    """The rules of this subject; in a cohort the workflow also has those of others."""
    prefix: str = ""
    """Prefix of the rules' names in a cohort; files are named without it."""
    environments: list[tuple[int, Path]] = field(default_factory=list)
    """Conda environments, each with the number of rules before those that have it."""

    @property
    def root(self) -> Path:
        """The folder of splatrig."""
        return Path(self.workflow.basedir)

    @property
    def known_files(self) -> str:
        """The file in which a successful run stores the digests of files."""
        return f".snakemake/splatrig/{self.layout.subject}.json"

    @property
    def bucket(self) -> str | None:
        """The prefix of Snakemake's storage where the files of the run are, if they are not in its folder."""
        settings = self.workflow.storage_settings
        return str(settings.default_storage_prefix) if settings.default_storage_provider else None

    def environment(self, name: str) -> None:
        """Set the conda environment, a file of envs, of the rules below that set none."""
        self.environments.append((len(list(self.workflow.rules)), self.root / "envs" / f"{name}.yaml"))

    def complete_rules(self, capture: RawCapture | None = None) -> None:
        """Complete all rules: message, environment, memory and time, log, benchmark, digest of the library.

        The message is the first line of the docstring. The log and the table of time and memory are named after rule
        and wildcards. The param `lib` is a digest of the library code that the script uses, so that editing a module
        reruns the rules that depend on it. Rules with a param `lib` keep their own.
        """
        resources = yaml.safe_load((self.root / "workflow" / "resources.yaml").read_text(encoding="utf-8"))
        digests = Digests.load(self.known_files)
        watched = capture if capture and (capture.in_place or self._from_photographs) else None
        for number, rule in enumerate(list(self.workflow.rules)):
            if rule not in self.rules:
                continue
            if rule.docstring and not rule.message:
                rule.message = rule.docstring.splitlines()[0]
            if rule.script is None:
                continue
            script = Path(rule.script)
            place = Path(self._own_name(rule), *(f"{{{name}}}" for name in sorted(rule.wildcard_names)))
            rule.log_modifier = rule.benchmark_modifier = self.workflow.modifier.path_modifier
            rule.set_log(self.layout.logs(f"{place}.log"))
            if rule.output:
                rule.benchmark = self.layout.logs(f"benchmarks/{place}.tsv")
            rule.conda_env = rule.conda_env or str([env for start, env in self.environments if start <= number][-1])
            rule.resources.update(self._resources(rule, resources.get(script.stem, {})))
            if watched:
                rule.set_params(**{STATE: watched.state(rule.input, digests)})
            if "lib" not in dict(rule.params.items()):
                rule.set_params(lib=library_digest(self.root / "workflow" / "scripts" / script.name))

    def _resources(self, rule: Any, asked: dict[str, int]) -> dict[str, Any]:
        """Return the resources in a script's row, without those that the rule itself or the command line sets."""
        own = rule.ruleinfo.resources[1] if rule.ruleinfo.resources else {}
        set_otherwise = {*own, *self.workflow.resource_settings.overwrite_resources.get(rule.name, {})}
        values: dict[str, Callable[[int], Any]] = {"mem_mb": memory, "runtime": int, "gpu": self.machine.gpu}
        return {name: values[name](value) for name, value in asked.items() if name not in set_otherwise}

    @property
    def _from_photographs(self) -> bool:
        return self.layout.config.capture.source == "photographs"

    def _own_name(self, rule: Any) -> str:
        """Return the name of a rule when this subject runs alone."""
        return str(rule.name.removeprefix(self.prefix))

    def job_logs(self) -> list[str]:
        """Return the logs of all jobs, sorted by name."""
        return sorted({str(path) for job in self.workflow.dag.jobs for path in job.log})

    def brought_log(self, name: str) -> str:
        """Return the path of a job's log, given Snakemake's name for it; a log in the bucket is brought here."""
        if not self.bucket:
            return name
        for path in (path for job in self.workflow.dag.jobs for path in job.log):
            stored = path.storage_object
            if name.startswith(f"{stored.query} ") and self.workflow.async_run(stored.managed_exists()):
                self.workflow.async_run(stored.managed_retrieve())
                return str(path)
        return name

    def record_provenance(self) -> None:
        """Write the provenance of every result of this subject, after a successful run."""
        jobs = [
            Job(
                self._own_name(job.rule),
                job.wildcards_dict,
                {name: value for name, value in job.params.items() if name != STATE},
                tuple(from_here(path, self.bucket) for path in job.input),
                tuple(from_here(path, self.bucket) for path in job.output),
                str(job.log[0]) if job.log else None,
                in_bucket=self.bucket is not None,
            )
            for job in self.workflow.dag.jobs
            if job.output and job.rule in self.rules
        ]
        about = run_description(self.root, self.layout.subject, self.layout.config.model_dump())
        write_provenance(self.layout.results("provenance.json"), jobs, about, self.known_files)
