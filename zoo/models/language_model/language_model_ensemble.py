"""Task: an ensemble of language models."""

from collections.abc import Sequence

from zoo.models.language_model.causal_ensemble_backbone import CausalEnsembleBackbone
from zoo.models.language_model.causal_task import CausalTask
from zoo.models.language_model.language_model_preprocessor import LanguageModelPreprocessor
from zoo.models.protocol import TaskModel, register


@register
class LanguageModelEnsemble(CausalTask):
    """Continues texts by the mean of several language models' probabilities.

    `zoo.models.ensemble` makes one from language models. Arguments as in `CausalTask`, with a
    `CausalEnsembleBackbone` and a `LanguageModelPreprocessor`.
    """

    task_kind = "language_modelling"
    backbone_cls = CausalEnsembleBackbone
    preprocessor_cls = LanguageModelPreprocessor

    @property
    def members(self) -> Sequence[TaskModel]:
        return self.backbone.members
