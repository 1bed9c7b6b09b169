"""Configuration: reads suite files into one validated, frozen `RunConfig` per run."""

from benchmarks.config.errors import ConfigError, unknown
from benchmarks.config.files import SUITES, suites
from benchmarks.config.schema import (
    BASELINE,
    FLOAT32,
    MAX_SEEDS,
    SPLITS,
    LayersConfig,
    PresetsConfig,
    Range,
    RunConfig,
    Splits,
    experiment_name,
    folder_name,
    is_baseline,
)
from benchmarks.config.stored import from_json
from benchmarks.config.suite import every_seed, kind, load, load_layers, load_presets, load_sweeps

__all__ = [
    "BASELINE",
    "FLOAT32",
    "MAX_SEEDS",
    "SPLITS",
    "SUITES",
    "ConfigError",
    "LayersConfig",
    "PresetsConfig",
    "Range",
    "RunConfig",
    "Splits",
    "every_seed",
    "experiment_name",
    "folder_name",
    "from_json",
    "is_baseline",
    "kind",
    "load",
    "load_layers",
    "load_presets",
    "load_sweeps",
    "suites",
    "unknown",
]
