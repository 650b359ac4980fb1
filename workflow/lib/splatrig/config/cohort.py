"""Several subjects in one configuration: what all of them share, and what differs for each."""

from collections.abc import Mapping
from copy import deepcopy
from pathlib import Path
from typing import Any

from splatrig.config.load import load_config, merged
from splatrig.config.models import Config
from splatrig.config.names import check_name
from splatrig.io.errors import InputError

COHORT = "cohort"
"""Name of the folder of results that belong to no single subject."""
PLACE = "{subject}"
"""Placeholder of a subject's name in the values that all subjects share."""


def subject_configs(raw: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Return the raw configuration of every subject by name, in the order of `subjects`.

    `subjects` is a list of names, or a mapping from names to the keys that differ; `{subject}` in any text stands for
    the name. Raises InputError for fewer than two subjects, a repeated or unusable name, and keys that name a subject.

    Example:
        >>> raw = {"capture": {"root": "captures/{subject}"}, "subjects": ["anna", "ben"]}
        >>> subject_configs(raw)["ben"]
        {'capture': {'root': 'captures/ben'}, 'subject': 'ben'}
    """
    asked = raw["subjects"]
    if not isinstance(asked, list | Mapping):
        raise InputError(
            f"configuration, subjects: got {asked!r}, expected a list of names, or names with the keys that differ."
        )
    if raw.get("subject") is not None:
        raise InputError(
            f"configuration, subject: got {raw['subject']} next to subjects, which names each of them; leave it out."
        )
    names = list(asked)
    for name in names:
        _check_subject(name, names)
    if len(names) < 2:
        raise InputError(
            f"configuration, subjects: got {len(names)} ({', '.join(names)}), expected two or more; for one, write "
            "subject: NAME instead."
        )
    common = {key: value for key, value in raw.items() if key != "subjects"}
    differing = asked if isinstance(asked, Mapping) else dict.fromkeys(names)
    return {name: _config_of(name, common, differing[name]) for name in names}


def load_subjects(configs: Mapping[str, Mapping[str, Any]], presets: str | Path) -> dict[str, Config]:
    """Return the typed configuration of every subject of `subject_configs`; InputError names the subject."""
    loaded = {}
    for name, raw in configs.items():
        try:
            loaded[name] = load_config(raw, presets)
        except InputError as error:
            raise InputError(f"subject {name}: {error}") from None
    return loaded


def check_folders_apart(folders: Mapping[str, str]) -> None:
    """Raise InputError if two subjects would be made or downloaded into one folder; `folders` by subject."""
    owners: dict[str, str] = {}
    for name, folder in folders.items():
        if owners.setdefault(folder, name) != name:
            raise InputError(
                f"subjects: the captures of {owners[folder]} and {name} would both be written to {folder}; write "
                f"{PLACE} into capture.root, or give each its own."
            )


def _check_subject(name: Any, names: list[Any]) -> None:
    """Raise InputError unless `name` can be that of one of several subjects."""
    if not isinstance(name, str):
        raise InputError(f"configuration, subjects: got {name!r}, expected a name; write one of digits in quotes.")
    check_name(name, "configuration, subjects")
    if names.count(name) > 1:
        raise InputError(f"configuration, subjects: {name} occurs {names.count(name)} times; name each of them once.")
    if name == COHORT:
        raise InputError(
            f"configuration, subjects: got {name}, the folder of the results of all subjects; rename the subject."
        )


def _config_of(name: str, common: Mapping[str, Any], differing: Any) -> dict[str, Any]:
    """Return the raw configuration of one subject."""
    if differing is None:
        differing = {}
    if not isinstance(differing, Mapping):
        raise InputError(
            f"configuration, subjects.{name}: got {differing!r}, expected the keys that differ, or nothing."
        )
    for key in ("subject", "subjects"):
        if key in differing:
            raise InputError(f"configuration, subjects.{name}: unknown key {key!r}; the name is {name} already.")
    whole: dict[str, Any] = _filled(merged(common, differing), name)
    return {**whole, "subject": name}


def _filled(value: Any, name: str) -> Any:
    """Return a deep copy of a configuration with the name of the subject in the place of `PLACE`."""
    if isinstance(value, Mapping):
        return {key: _filled(item, name) for key, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, name) for item in value]
    return value.replace(PLACE, name) if isinstance(value, str) else deepcopy(value)
