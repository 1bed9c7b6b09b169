// Long short-term memory with coupled input and forget gates.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_COUPLED_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_COUPLED_H_

#include "../cell.h"

namespace zoo {

struct CoupledLSTM : CellDefaults {
  static constexpr char kName[] = "lstm_coupled";
  static constexpr int kBlocks = 3, kStates = 2, kSaved = 4;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v : {0, 2}) step.activate(v, step.recurrent_activation);
    step.activate(1, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto f = step.gate(j, 0), g = step.gate(j, 1);
      const auto c = f * step.state(j, 1) + (1 - f) * g;
      step.set_state(j, 1, c);
      step.set_gate(j, 0, c);
      step.save(j, 0, f, g, step.gate(j, 2), c);
    }
    step.activate(0, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) step.output(j, step.gate(j, 2) * step.gate(j, 0));
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto f = step.saved_at(0), g = step.saved_at(1), o = step.saved_at(2),
               y = activate(act, step.saved_at(3));
    const auto d_h = step.d_h();
    const auto d_c = step.d_state(1) + d_h * o * slope(act, y);
    step.set_d_gate(0, d_c * (step.before(1) - g) * slope(gate_act, f));
    step.set_d_gate(1, d_c * (1 - f) * slope(act, g));
    step.set_d_gate(2, d_h * y * slope(gate_act, o));
    step.set_d_state(1, d_c * f);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_COUPLED_H_
