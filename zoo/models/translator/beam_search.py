"""Beam search with a length penalty, batched, for the translator's `generate`."""

from collections.abc import Callable, Sequence
from typing import Any

import keras
import keras_hub
from keras import ops, tree

from zoo.typing import Tensor

NEVER = -1e9


@keras.saving.register_keras_serializable(package="zoo")
class BeamSearchSampler(keras_hub.samplers.Sampler):
    """Keeps the `beam_width` best hypotheses; a finished one stays in the beam and competes.

    Hypotheses are ranked by `log P(y) / ((5 + |y|) / 6) ** length_penalty` (Wu et al. 2016,
    https://arxiv.org/abs/1609.08144, equation 14, without coverage). The search ends when every
    kept hypothesis has finished.

    Args:
        beam_width: int, number of hypotheses kept for each input; 1 is greedy search.
        length_penalty: float; 0 ranks by probability alone, larger values favour longer outputs.
    """

    def __init__(self, beam_width: int = 5, length_penalty: float = 1.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if beam_width < 1:
            raise ValueError(f"`beam_width` must be at least 1. Received: beam_width={beam_width}")
        self.beam_width = beam_width
        self.length_penalty = length_penalty

    def __call__(
        self,
        next: Callable[..., Any],
        prompt: Tensor,
        cache: Any = None,
        index: int | Tensor = 0,
        mask: Tensor | None = None,
        stop_token_ids: Sequence[int] | None = None,
        hidden_states: Any = None,
        model: Any = None,
    ) -> Tensor:
        """Completes `prompt`, int32 `[batch, time]`, from position `index` on.

        `next(prompt, cache, index)` returns `(logits, hidden_states, cache)` for the position.
        `stop_token_ids` holds the one end token; padding, 0, follows it. `cache` is a dict: its
        `"source"` is shared by all hypotheses of an input, everything else is reordered with
        them.
        """
        width = self.beam_width
        if stop_token_ids is None or len(stop_token_ids) != 1:
            raise ValueError(
                f"Beam search needs one end token. Received: stop_token_ids={stop_token_ids}"
            )
        end = stop_token_ids[0]
        batch, length = ops.shape(prompt)[0], ops.shape(prompt)[1]
        split = lambda x: ops.reshape(x, (batch, width, *ops.shape(x)[1:]))
        merge = lambda x: ops.reshape(x, (batch * width, *ops.shape(x)[2:]))

        first = ops.convert_to_tensor([[0.0] + [NEVER] * (width - 1)], dtype="float32")
        scores = ops.tile(first, (batch, 1))
        ended = ops.zeros_like(scores, dtype="bool")
        lengths = ops.zeros_like(scores)
        prompt = ops.repeat(prompt, width, axis=0)
        cache = tree.map_structure(lambda x: ops.repeat(x, width, axis=0), cache)

        def cond(prompt, cache, index, scores, ended, lengths):
            return ops.logical_not(ops.all(ended))

        def body(prompt, cache, index, scores, ended, lengths):
            logits, _, cache = next(prompt, cache, index)
            log_probs = ops.log_softmax(ops.cast(logits, "float32") / self.temperature)
            vocabulary = log_probs.shape[-1]
            # A finished hypothesis continues only with padding, at no cost.
            pad = ops.where(ops.arange(vocabulary) == 0, 0.0, NEVER)
            log_probs = ops.where(ended[..., None], pad, split(log_probs))
            lengths = ops.where(ended, lengths, lengths + 1)
            totals = scores[..., None] + log_probs
            ranks = totals / ((5 + lengths[..., None]) / 6) ** self.length_penalty
            _, best = ops.top_k(ops.reshape(ranks, (batch, width * vocabulary)), width)
            beams, tokens = best // vocabulary, best % vocabulary

            def gather(x):
                indices = ops.reshape(beams, ops.shape(beams) + (1,) * (len(x.shape) - 2))
                return ops.take_along_axis(x, indices, axis=1)

            scores = ops.take_along_axis(
                ops.reshape(totals, (batch, width * vocabulary)), best, axis=1
            )
            ended = ops.logical_or(gather(ended), tokens == end)
            follow = lambda x: merge(gather(split(x)))
            prompt = follow(prompt)
            prompt = ops.slice_update(
                prompt, [0, index], ops.cast(ops.reshape(tokens, (batch * width, 1)), prompt.dtype)
            )
            cache = {
                key: value if key == "source" else tree.map_structure(follow, value)
                for key, value in cache.items()
            }
            return prompt, cache, index + 1, scores, ended, gather(lengths)

        index = ops.cast(index, "int32")
        prompt, _, _, scores, _, lengths = self.run_loop(
            cond,
            body,
            model=model,
            loop_vars=(prompt, cache, index, scores, ended, lengths),
            maximum_iterations=length - index,
        )
        ranks = scores / ((5 + lengths) / 6) ** self.length_penalty
        best = ops.argmax(ranks, axis=-1)[:, None, None]
        return ops.take_along_axis(split(prompt), best, axis=1)[:, 0]

    def get_config(self) -> dict[str, Any]:
        return {
            **super().get_config(),
            "beam_width": self.beam_width,
            "length_penalty": self.length_penalty,
        }
