// Long short-term memory with peepholes from the cell state to the gates.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_PEEPHOLE_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_PEEPHOLE_H_

#include "../cell.h"

namespace zoo {

struct PeepholeLSTM : CellDefaults {
  static constexpr char kName[] = "lstm_peephole";
  static constexpr int kBlocks = 4, kStates = 2, kSaved = 5, kVectors = 3;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    const auto p_i = step.weight(0), p_f = step.weight(1), p_o = step.weight(2);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto c = step.state(j, 1);
      step.set_gate(j, 0, step.gate(j, 0) + p_i * c);
      step.set_gate(j, 1, step.gate(j, 1) + p_f * c);
    }
    for (int v : {0, 1}) step.activate(v, step.recurrent_activation);
    step.activate(2, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto i = step.gate(j, 0), f = step.gate(j, 1), g = step.gate(j, 2);
      const auto c = f * step.state(j, 1) + i * g;
      step.set_state(j, 1, c);
      step.set_gate(j, 0, c);
      step.set_gate(j, 3, step.gate(j, 3) + p_o * c);
      step.save(j, 0, i, f, g);
      step.save(j, 4, c);
    }
    step.activate(3, step.recurrent_activation);
    step.activate(0, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      step.save(j, 3, step.gate(j, 3));
      step.output(j, step.gate(j, 3) * step.gate(j, 0));
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto i = step.saved_at(0), f = step.saved_at(1), g = step.saved_at(2),
               o = step.saved_at(3), c = step.saved_at(4), y = activate(act, c);
    const auto c_before = step.before(1);
    const auto d_h = step.d_h();
    const auto d_o = d_h * y * slope(gate_act, o);
    const auto d_c = step.d_state(1) + d_h * o * slope(act, y) + d_o * step.weight(2);
    const auto d_i = d_c * g * slope(gate_act, i), d_f = d_c * c_before * slope(gate_act, f);
    step.set_d_gate(0, d_i);
    step.set_d_gate(1, d_f);
    step.set_d_gate(2, d_c * i * slope(act, g));
    step.set_d_gate(3, d_o);
    step.set_d_state(1, d_c * f + d_i * step.weight(0) + d_f * step.weight(1));
    step.add_d_weight(0, d_i * c_before);
    step.add_d_weight(1, d_f * c_before);
    step.add_d_weight(2, d_o * c);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_PEEPHOLE_H_
