"""Task: an ensemble of translators."""

from typing import Any

from keras import ops

from zoo.models.ensemble import Ensemble, EnsembleBackbone
from zoo.models.protocol import register
from zoo.models.translator.translation_task import TranslationTask
from zoo.typing import Tensor


@register
class TranslatorEnsemble(Ensemble, TranslationTask):
    """Translates with several translators, which choose each subword by their mean probability.

    `zoo.models.ensemble` makes one. Arguments as in `TranslationTask`, with an `EnsembleBackbone`.
    """

    @staticmethod
    def logits(backbone: EnsembleBackbone) -> Tensor:
        return _log(backbone(backbone.input))

    def start(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        caches = [member.start(inputs) for member in self.members]
        sources = {str(number): cache["source"] for number, cache in enumerate(caches)}
        return {"states": [cache["states"] for cache in caches], "source": sources}

    def step(
        self, token_ids: Tensor, cache: dict[str, Any]
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        probabilities, hidden, states = [], [], []
        for number, member in enumerate(self.members):
            of_member = {"states": cache["states"][number], "source": cache["source"][str(number)]}
            logits, outputs, of_member = member.step(token_ids, of_member)
            probabilities.append(ops.softmax(ops.cast(logits, "float32")))
            hidden.append(outputs)
            states.append(of_member["states"])
        mean = sum(probabilities) / len(probabilities)
        return _log(mean), ops.concatenate(hidden, axis=-1), {**cache, "states": states}

    def attention_scores(self, inputs: dict[str, Tensor]) -> Tensor:
        scores = [member.attention_scores(inputs) for member in self.members]
        return sum(scores) / len(scores)


def _log(probabilities):
    """Logits of these probabilities."""
    return ops.log(ops.maximum(probabilities, 1e-12))
