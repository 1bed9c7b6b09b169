"""The equations of every architecture of one direction in NumPy: one step of each."""

import numpy as np


def sigmoid(v):
    return 1 / (1 + np.exp(-v))


def blocks(name, w, count):
    return np.split(w[name], count, axis=-1)


def elman(x, states, w):
    (h,) = states
    return [np.tanh(x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"])]


def jordan(x, states, w):
    (s,) = elman(x, states, w)
    return [np.tanh(s @ w["output_kernel"] + w["output_bias"])]


def lstm(x, states, w):
    h, c = states
    w_i, w_f, w_c, w_o = blocks("kernel", w, 4)
    r_i, r_f, r_c, r_o = blocks("recurrent_kernel", w, 4)
    b_i, b_f, b_c, b_o = blocks("bias", w, 4)
    i = sigmoid(x @ w_i + h @ r_i + b_i)
    f = sigmoid(x @ w_f + h @ r_f + b_f)
    o = sigmoid(x @ w_o + h @ r_o + b_o)
    c = f * c + i * np.tanh(x @ w_c + h @ r_c + b_c)
    return [o * np.tanh(c), c]


def lstm_1997(x, states, w):
    h, c = states
    w_i, w_c, w_o = blocks("kernel", w, 3)
    r_i, r_c, r_o = blocks("recurrent_kernel", w, 3)
    b_i, b_c, b_o = blocks("bias", w, 3)
    c = c + sigmoid(x @ w_i + h @ r_i + b_i) * np.tanh(x @ w_c + h @ r_c + b_c)
    return [sigmoid(x @ w_o + h @ r_o + b_o) * np.tanh(c), c]


def lstm_peephole(x, states, w):
    h, c = states
    w_i, w_f, w_c, w_o = blocks("kernel", w, 4)
    r_i, r_f, r_c, r_o = blocks("recurrent_kernel", w, 4)
    b_i, b_f, b_c, b_o = blocks("bias", w, 4)
    p_i, p_f, p_o = w["peephole_kernel"]
    i = sigmoid(x @ w_i + h @ r_i + p_i * c + b_i)
    f = sigmoid(x @ w_f + h @ r_f + p_f * c + b_f)
    c = f * c + i * np.tanh(x @ w_c + h @ r_c + b_c)
    return [sigmoid(x @ w_o + h @ r_o + p_o * c + b_o) * np.tanh(c), c]


def lstm_coupled(x, states, w):
    h, c = states
    w_f, w_c, w_o = blocks("kernel", w, 3)
    r_f, r_c, r_o = blocks("recurrent_kernel", w, 3)
    b_f, b_c, b_o = blocks("bias", w, 3)
    f = sigmoid(x @ w_f + h @ r_f + b_f)
    c = f * c + (1 - f) * np.tanh(x @ w_c + h @ r_c + b_c)
    return [sigmoid(x @ w_o + h @ r_o + b_o) * np.tanh(c), c]


def lstm_layernorm(x, states, w):
    def norm(v):
        return (v - v.mean(-1, keepdims=True)) / np.sqrt(v.var(-1, keepdims=True) + 1e-5)

    h, c = states
    of_input = w["input_gain"] * norm(x @ w["kernel"])
    of_state = w["recurrent_gain"] * norm(h @ w["recurrent_kernel"])
    i, f, c_tilde, o = np.split(of_input + of_state + w["bias"], 4, axis=-1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(c_tilde)
    return [sigmoid(o) * np.tanh(w["state_gain"] * norm(c) + w["state_shift"]), c]


def lstm_projection(x, states, w):
    m, c = lstm(x, states, w)
    return [m @ w["projection_kernel"], c]


def lstm_zoneout(x, states, w):
    new_h, new_c = lstm(x, states, w)
    h, c = states
    return [0.05 * h + 0.95 * new_h, 0.5 * c + 0.5 * new_c]


def gru(x, states, w):
    (h,) = states
    w_z, w_r, w_h = blocks("kernel", w, 3)
    r_z, r_r, r_h = blocks("recurrent_kernel", w, 3)
    (b_z, d_z), (b_r, d_r), (b_h, d_h) = blocks("bias", w, 3)
    z = sigmoid(x @ w_z + b_z + h @ r_z + d_z)
    r = sigmoid(x @ w_r + b_r + h @ r_r + d_r)
    return [z * h + (1 - z) * np.tanh(x @ w_h + b_h + r * (h @ r_h + d_h))]


def gru_reset_before(x, states, w):
    (h,) = states
    w_z, w_r, w_h = blocks("kernel", w, 3)
    r_z, r_r, r_h = blocks("recurrent_kernel", w, 3)
    b_z, b_r, b_h = blocks("bias", w, 3)
    z = sigmoid(x @ w_z + h @ r_z + b_z)
    r = sigmoid(x @ w_r + h @ r_r + b_r)
    return [z * h + (1 - z) * np.tanh(x @ w_h + (r * h) @ r_h + b_h)]


def positive(v):
    return np.where(v >= 0, v + 0.5, sigmoid(v))


def min_gru(x, states, w):
    (h,) = states
    z, h_tilde = np.split(x @ w["kernel"] + w["bias"], 2, axis=-1)
    return [(1 - sigmoid(z)) * h + sigmoid(z) * positive(h_tilde)]


def min_lstm(x, states, w):
    (h,) = states
    f, i, h_tilde = np.split(x @ w["kernel"] + w["bias"], 3, axis=-1)
    f, i = sigmoid(f), sigmoid(i)
    return [f / (f + i) * h + i / (f + i) * positive(h_tilde)]


def slstm(x, states, w):
    """Computes `C` and `n` without the stabilizer; the states are those divided by `exp(m)`."""
    h, c, n, m = states
    c, n = c * np.exp(m), n * np.exp(m)
    pre = x @ w["kernel"] + h @ w["recurrent_kernel"] + w["bias"]
    i, f, c_tilde, o = np.split(pre, 4, axis=-1)
    m = np.where(n == 0, i, np.maximum(np.log(sigmoid(f)) + m, i))
    c = sigmoid(f) * c + np.exp(i) * np.tanh(c_tilde)
    n = sigmoid(f) * n + np.exp(i)
    return [sigmoid(o) * c / n, c / np.exp(m), n / np.exp(m), m]


EQUATIONS = {
    "rnn": elman,
    "jordan": jordan,
    "lstm": lstm,
    "lstm_1997": lstm_1997,
    "lstm_peephole": lstm_peephole,
    "lstm_coupled": lstm_coupled,
    "lstm_layernorm": lstm_layernorm,
    "lstm_projection": lstm_projection,
    "lstm_zoneout": lstm_zoneout,
    "lstm_chrono": lstm,
    "gru": gru,
    "gru_chrono": gru,
    "gru_reset_before": gru_reset_before,
    "min_gru": min_gru,
    "min_lstm": min_lstm,
    "slstm": slstm,
}
