// Long short-term memory, with a forget gate.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_H_

#include "../cell.h"

namespace zoo {

struct LSTM : CellDefaults {
  static constexpr char kName[] = "lstm";
  static constexpr int kBlocks = 4, kStates = 2, kSaved = 5;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v : {0, 1, 3}) step.activate(v, step.recurrent_activation);
    step.activate(2, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto i = step.gate(j, 0), f = step.gate(j, 1), g = step.gate(j, 2);
      const auto c = f * step.state(j, 1) + i * g;
      step.set_state(j, 1, c);
      step.set_gate(j, 0, c);
      step.save(j, 0, i, f, g, step.gate(j, 3), c);
    }
    step.activate(0, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) step.output(j, step.gate(j, 3) * step.gate(j, 0));
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto i = step.saved_at(0), f = step.saved_at(1), g = step.saved_at(2),
               o = step.saved_at(3), y = activate(act, step.saved_at(4));
    const auto d_h = step.d_h();
    const auto d_c = step.d_state(1) + d_h * o * slope(act, y);
    step.set_d_gate(0, d_c * g * slope(gate_act, i));
    step.set_d_gate(1, d_c * step.before(1) * slope(gate_act, f));
    step.set_d_gate(2, d_c * i * slope(act, g));
    step.set_d_gate(3, d_h * y * slope(gate_act, o));
    step.set_d_state(1, d_c * f);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_H_
