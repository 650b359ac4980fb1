"""Params of rules: the values of the configuration that their results depend on."""

from collections.abc import Callable
from functools import reduce
from pathlib import Path
from typing import Any

from splatrig.config.models import Config
from splatrig.config.section import Section


def configured(config: Config, *keys: str, **renamed: str) -> dict[str, Any]:
    """Return values of the configuration by the last part of their dotted key, or by another name; sections as dicts.

    `configured(config, "components.k", weights="components.pca_weights")` has the params `k` and `weights`.
    """
    named = {key.rpartition(".")[2]: key for key in keys} | renamed
    values = {name: reduce(getattr, key.split("."), config) for name, key in named.items()}
    return {name: value.model_dump() if isinstance(value, Section) else value for name, value in values.items()}


def sldc_options(config: Config, sparsity: float) -> dict[str, Any]:
    """Return the options of sparse localized components by the names of the library."""
    options = ("distance", "weights", "centers", "symmetric")
    asked = configured(config, *(f"components.sldc.{option}" for option in options))
    return {"k": config.components.k, "lambda_": sparsity, **asked}


def support_map(config: Config, support: str) -> dict[str, Any]:
    """Return the parameters of one support map, so that changes of another one rerun nothing."""
    return config.components.sldc.supports.used[support].model_dump()


def attributes_side_by_side(config: Config, wildcards: Any) -> list[str]:
    """Return the attributes that a component file joins: all of them for the matrix of all attributes, or one."""
    return list(config.components.attributes) if wildcards.attribute == "all" else [wildcards.attribute]


def fit_steps(config: Config, steps: int) -> int:
    """Return the steps of a fit that takes `steps` by the recipe `warm`."""
    return config.fitting.original_steps if config.fitting.recipe == "original" else steps


def dataset_of_cameras(_wildcards: Any, input: Any) -> str:  # noqa: A002, Snakemake's name
    """Return the folder of the data set whose cameras a job reads."""
    return str(Path(input.cameras).parent)


def only_for(wildcard: str, prefix: str, value: Any) -> Callable[[Any], Any]:
    """Return a param that is `value` for jobs whose wildcard begins with `prefix`, and None for all others.

    If `value` is a function it gets the wildcards.
    """

    def of(wildcards: Any) -> Any:
        if not getattr(wildcards, wildcard).startswith(prefix):
            return None
        return value(wildcards) if callable(value) else value

    return of
