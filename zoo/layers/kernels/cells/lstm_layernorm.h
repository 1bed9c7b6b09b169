// Long short-term memory with layer normalization.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_LAYERNORM_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_LAYERNORM_H_

#include "../cell.h"

namespace zoo {

// The vectors are, for each of the four blocks, the gains of the input, those of the recurrent
// product and the shifts, then the gain and the shift of the state.
struct LayerNormLSTM : CellDefaults {
  static constexpr char kName[] = "lstm_layernorm";
  static constexpr int kBlocks = 4, kStates = 2, kSaved = 14, kVectors = 14;
  static constexpr bool kNormalizes = true;
  static constexpr int kInputSlot = 0, kProductSlot = 4, kStateSlot = 12;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v = 0; v < 4; ++v) {
        const auto x = step.input(j, v), h = step.gate(j, v);
        step.save(j, kInputSlot + v, x);
        step.save(j, kProductSlot + v, h);
        step.set_gate(j, v, step.weight(v) * x + step.weight(4 + v) * h + step.weight(8 + v));
      }
    }
    for (int v : {0, 1, 3}) step.activate(v, step.recurrent_activation);
    step.activate(2, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto i = step.gate(j, 0), f = step.gate(j, 1), g = step.gate(j, 2);
      const auto c = f * step.state(j, 1) + i * g;
      step.set_state(j, 1, c);
      step.save(j, 8, i, f, g, step.gate(j, 3));
      step.save(j, 13, c);
    }
  }

  template <class Step>
  ZOO_INLINE static void finish(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto c = step.standardized_state(j);
      step.save(j, kStateSlot, c);
      step.set_gate(j, 0, step.weight(12) * c + step.weight(13));
    }
    step.activate(0, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) step.output(j, step.gate(j, 3) * step.gate(j, 0));
  }

  template <class Step>
  ZOO_INLINE static void finish_backward(const Step& step) {
    const auto act = step.activation;
    const auto o = step.saved_at(11), c = step.saved_at(kStateSlot), gain = step.weight(12),
               y = activate(act, gain * c + step.weight(13)), d_h = step.d_h();
    const auto d_sum = d_h * o * slope(act, y);
    const auto d_o = d_h * y * slope(step.recurrent_activation, o);
    step.add_d_weight(12, d_sum * c);
    step.add_d_weight(13, d_sum);
    step.set_d_second(d_sum * gain);
    set_d_block(step, 3, d_o);
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto i = step.saved_at(8), f = step.saved_at(9), g = step.saved_at(10),
               d_c = step.d_state(1);
    set_d_block(step, 0, d_c * g * slope(gate_act, i));
    set_d_block(step, 1, d_c * step.before(1) * slope(gate_act, f));
    set_d_block(step, 2, d_c * i * slope(act, g));
    step.set_d_state(1, d_c * f);
  }

 private:
  template <class Step, class V>
  ZOO_INLINE static void set_d_block(const Step& step, int v, V d_sum) {
    step.add_d_weight(v, d_sum * step.saved_at(kInputSlot + v));
    step.add_d_weight(4 + v, d_sum * step.saved_at(kProductSlot + v));
    step.add_d_weight(8 + v, d_sum);
    step.set_d_gate(v, d_sum * step.weight(v), d_sum * step.weight(4 + v));
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_LAYERNORM_H_
