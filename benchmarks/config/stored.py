"""Stored configurations: reads back the configuration of a run."""

import json

from benchmarks.config.schema import RunConfig
from benchmarks.recipes import STEPS
from benchmarks.tasks import TASKS


def from_json(text):
    """Reads a `RunConfig` that `RunConfig.as_json` wrote. Missing keys take their defaults.

    Args:
        text: str, the JSON.

    Raises:
        KeyError: for a task or step that no longer exists.
        ValueError: for a key or value that is no longer valid, or a step of another version, which
            computed something else.
    """
    content = json.loads(text)
    recipe = []
    for keys in content["recipe"]:
        step = STEPS[keys.pop("step")]
        if (version := keys.pop("version")) != step.VERSION:
            raise ValueError(f"{step.name} has version {step.VERSION}. Received: {version}")
        recipe.append(step.model_validate(keys))
    model = content["model"] and TASKS[content["task"]].Model.model_validate(content["model"])
    return RunConfig.model_validate({**content, "model": model, "recipe": tuple(recipe)})
