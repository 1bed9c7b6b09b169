"""Configuration: suite files in, one validated, frozen `RunConfig` a run out."""

from benchmarks.config.errors import ConfigError
from benchmarks.config.files import SUITES, suites
from benchmarks.config.schema import (
    BASELINE,
    MOST_SEEDS,
    LayersConfig,
    PresetsConfig,
    RunConfig,
    Splits,
    folder_name,
)
from benchmarks.config.stored import from_json
from benchmarks.config.suite import every_seed, kind, load, load_layers, load_presets

__all__ = [
    "BASELINE",
    "MOST_SEEDS",
    "SUITES",
    "ConfigError",
    "LayersConfig",
    "PresetsConfig",
    "RunConfig",
    "Splits",
    "every_seed",
    "folder_name",
    "from_json",
    "kind",
    "load",
    "load_layers",
    "load_presets",
    "suites",
]
