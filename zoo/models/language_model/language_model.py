"""Task: a text in, its continuation and the probabilities of its tokens out."""

from zoo.models.language_model.causal_task import CausalTask
from zoo.models.language_model.language_backbone import LanguageBackbone
from zoo.models.language_model.language_model_ensemble import LanguageModelEnsemble
from zoo.models.language_model.language_model_preprocessor import LanguageModelPreprocessor
from zoo.models.protocol import register
from zoo.typing import Tensor


@register
class LanguageModel(CausalTask):
    """A recurrent language model.

    `fit` takes lists of str. Arguments as in `CausalTask`, with a `LanguageBackbone` and a
    `LanguageModelPreprocessor`.

    Example:
    ```python
    model = zoo.models.LanguageModel.from_preset(folder)
    model.generate(["The king"], max_length=50, sampler="top_p", temperature=0.8, seed=1)
    model.perplexity(["The king is dead."])
    for piece in model.stream("The king"):
        print(piece, end="")
    ```
    """

    task_kind = "language_modelling"
    ensemble_class = LanguageModelEnsemble
    backbone_cls = LanguageBackbone
    preprocessor_cls = LanguageModelPreprocessor

    def member_output(self) -> Tensor:
        """The output of the backbone, from which an ensemble computes probabilities."""
        return self.backbone.output
