// The gated recurrent unit, with the reset gate after the recurrent product.

#ifndef ZOO_LAYERS_KERNELS_CELLS_GRU_H_
#define ZOO_LAYERS_KERNELS_CELLS_GRU_H_

#include "../cell.h"

namespace zoo {

struct GRU : CellDefaults {
  static constexpr char kName[] = "gru";
  static constexpr int kBlocks = 3, kSeparateBlocks = 1, kSaved = 4;
  static constexpr bool kKeepsH = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v : {0, 1}) step.set_gate(j, v, step.gate(j, v) + step.input(j, v));
    }
    for (int v : {0, 1}) step.activate(v, step.recurrent_activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto r = step.gate(j, 1), inner = step.gate(j, 2) + step.recurrent_bias_of(2);
      step.set_gate(j, 1, step.input(j, 2) + r * inner);
      step.save(j, 0, step.gate(j, 0), r);
      step.save(j, 3, inner);
    }
    step.activate(1, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto z = step.gate(j, 0), g = step.gate(j, 1);
      step.save(j, 2, g);
      step.output(j, z * step.previous_h(j) + (1 - z) * g);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto z = step.saved_at(0), r = step.saved_at(1), g = step.saved_at(2),
               inner = step.saved_at(3);
    const auto d_h = step.d_h();
    const auto d_g = d_h * (1 - z) * slope(act, g);
    step.set_d_gate(0, d_h * (step.h_before() - g) * slope(gate_act, z));
    step.set_d_gate(1, d_g * inner * slope(gate_act, r));
    step.set_d_gate(2, d_g, d_g * r);
    step.set_d_h(d_h * z);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_GRU_H_
