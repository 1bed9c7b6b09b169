"""Task: text in one language in, its translation out."""

from typing import Any

import keras

from zoo.models.protocol import register
from zoo.models.translator.translation_task import TranslationTask
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.models.translator.translator_ensemble import TranslatorEnsemble
from zoo.typing import Tensor


@register
class Translator(TranslationTask):
    """Translates with a recurrent encoder, attention and a recurrent decoder.

    The output layer is the transposed embedding (Press and Wolf 2017,
    https://arxiv.org/abs/1608.05859). Arguments as in `TranslationTask`, with a
    `TranslatorBackbone`.

    Example:
    ```python
    model = zoo.models.Translator.from_preset(folder)
    model.generate(["Turn on the light"])
    model.compile(sampler="top_k")  # instead of beam search
    ```
    """

    ensemble_class = TranslatorEnsemble
    backbone_cls = TranslatorBackbone

    @staticmethod
    def logits(backbone: TranslatorBackbone) -> Tensor:
        return backbone.token_embedding(backbone(backbone.input), reverse=True)

    def start(self, inputs: dict[str, Tensor]) -> dict[str, Any]:
        encoded = self.backbone.encoder(
            {key: inputs[key] for key in ("encoder_token_ids", "encoder_padding_mask")}
        )
        source = {**encoded, "padding_mask": inputs["encoder_padding_mask"]}
        return {"states": source.pop("states"), "source": source}

    def step(
        self, token_ids: Tensor, cache: dict[str, Any]
    ) -> tuple[Tensor, Tensor, dict[str, Any]]:
        hidden, cache = self.backbone.decode_step(token_ids, cache)
        return self.backbone.token_embedding(hidden, reverse=True), hidden, cache

    def attention_scores(self, inputs: dict[str, Tensor]) -> Tensor:
        return self.backbone.attention_scores(inputs)

    def member_output(self) -> Tensor:
        """The probabilities of the next subwords."""
        return keras.layers.Softmax(dtype="float32", name="probabilities")(self.output)
