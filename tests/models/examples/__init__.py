"""Small models on which the protocol of task models is tested; each module is one example.

A module defines:
    ARCHITECTURES: list of the architectures to build it with.
    INPUTS: list of raw inputs.
    TARGETS: their targets for `fit`, unless they are labels of a classifier or the inputs.
    build(architecture): a model with its preprocessor.
    batch(model): a training batch `(x, y, sample_weight)`, preprocessed.
    export_inputs(model): the exported network's inputs, if they aren't those of a batch.
    argument(input, folder): the raw input as an argument of the command line; files go to `folder`.
"""

import importlib
import pkgutil

EXAMPLES = {
    module.name: importlib.import_module(f"{__name__}.{module.name}")
    for module in pkgutil.iter_modules(__path__)
}
