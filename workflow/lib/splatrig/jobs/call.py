"""Command line of a call of Snakemake, as far as rules need it before Snakemake has read it."""

from argparse import ArgumentParser
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Call:
    """Targets and options of a call of Snakemake, which tells rules of them only after all rules are read."""

    batch: tuple[str, int, int] | None
    """Rule, number and count of `--batch RULE=NUMBER/COUNT`."""
    jobs: tuple[str, ...]
    """`RULE:WILDCARD=VALUE,…` of the jobs that this process was started for, by another snakemake; else none."""

    def only_jobs_of(self, subject: str) -> bool:
        """Return whether one of the jobs belongs to a subject, by the name of its rule or by its wildcard."""
        found = (job.partition(":") for job in self.jobs)
        return any(
            rule.startswith(f"{subject}_") or f"subject={subject}" in values.split(",") for rule, _, values in found
        )


def read_call(words: Sequence[str]) -> Call:
    """Parse the words of a command line; a batch that Snakemake would refuse is None."""
    parser = ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--batch")
    parser.add_argument("--target-jobs", nargs="+", default=[])
    found, _ = parser.parse_known_args(list(words))
    rule, _, part = (found.batch or "").partition("=")
    number, _, count = part.partition("/")
    whole = number.isdigit() and count.isdigit() and 0 < int(number) <= int(count)
    return Call((rule, int(number), int(count)) if whole else None, tuple(found.target_jobs))
