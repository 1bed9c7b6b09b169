"""The gates and states of a recurrent layer at every step."""

import keras
from keras import ops


def gates(layer, sequences, initial_state=None, mask=None):
    """Computes what `RecurrentLayer.gates` returns."""
    cell = layer.cell
    sequences = ops.convert_to_tensor(sequences, dtype=layer.compute_dtype)
    if not layer.built:
        layer.build(sequences.shape)
    if initial_state is None:
        initial_state = cell.get_initial_state(batch_size=ops.shape(sequences)[0])
    initial = [ops.convert_to_tensor(s) for s in keras.tree.flatten(initial_state)]
    if mask is None:
        mask = ops.ones(ops.shape(sequences)[:2], "bool")
    swap_batch_and_time = lambda x: ops.transpose(x, (1, 0, 2))
    in_loop_order = lambda x: ops.flip(x, 0) if layer.go_backwards else x
    projected = in_loop_order(cell.projection()(swap_batch_and_time(sequences)))
    keep = in_loop_order(swap_batch_and_time(ops.cast(mask, "bool")[..., None]))
    recur = cell.recurrent_product()

    def step(states, inputs):
        x, keep = inputs
        new_states, _ = cell.step(x, states, recur)
        states = [ops.where(keep, n, o) for n, o in zip(new_states, states, strict=True)]
        return states, states

    _, after = ops.scan(step, initial, (projected, keep))
    before = [
        ops.concatenate([first[None], states[:-1]], 0)
        for first, states in zip(initial, after, strict=True)
    ]
    # With the state before each step known, the gates of all steps come from one call.
    _, activations = cell.step(projected, before, recur)
    values = {name: ops.where(keep, gate, 0) for name, gate in activations.items()}
    values |= zip(cell.state_names, after, strict=True)
    return {name: swap_batch_and_time(in_loop_order(value)) for name, value in values.items()}
