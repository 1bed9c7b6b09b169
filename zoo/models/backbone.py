"""Base class of all backbones."""

from collections.abc import Sequence

import keras_hub


class Backbone(keras_hub.models.Backbone):
    """A KerasHub backbone that names the layers to which low-rank adaptation (LoRA) applies."""

    def enable_lora(self, rank: int, target_layer_names: Sequence[str] | None = None) -> None:
        """Freezes all weights except a low-rank update of some layers (Hu et al. 2021,
        https://arxiv.org/abs/2106.09685).

        Args:
            rank: int, the rank of the updates.
            target_layer_names: list of str, names of layers with Keras' `enable_lora`. KerasHub's
                default names are those of Transformers.

        Raises:
            ValueError: no such layer has one of the names. Nothing is frozen.
        """
        names = target_layer_names
        if names is None:
            names = self.default_lora_layer_names()
        layers = self._flatten_layers(include_self=False)
        able = {one.name for one in layers if one.weights and hasattr(one, "enable_lora")}
        if not able.intersection(names):
            known = ", ".join(map(repr, sorted(able))) or "none"
            raise ValueError(
                "LoRA would leave nothing to train: recurrent layers don't support it. Give "
                f"`target_layer_names` among: {known}. Received: {names!r}"
            )
        super().enable_lora(rank, names)
