// The gated recurrent unit of the paper, with the reset gate before the recurrent product.

#ifndef ZOO_LAYERS_KERNELS_CELLS_GRU_RESET_BEFORE_H_
#define ZOO_LAYERS_KERNELS_CELLS_GRU_RESET_BEFORE_H_

#include "../cell.h"

namespace zoo {

// The second product is that of r * h.
struct GRUResetBefore : CellDefaults {
  static constexpr char kName[] = "gru_reset_before";
  static constexpr int kBlocks = 3, kInputBlocks = 1, kSaved = 3, kHanded = 2;
  static constexpr bool kSecond = true, kKeepsH = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v : {0, 1}) step.activate(v, step.recurrent_activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto z = step.gate(j, 0), r = step.gate(j, 1);
      step.save(j, 0, z, r);
      step.hand(j, 0, step.input(j, 2));
      step.hand(j, 1, z);
      step.output(j, r * step.previous_h(j));
    }
  }

  template <class Step>
  ZOO_INLINE static void finish(const Step& step) {
    for (int v = 0; v < step.vectors; ++v) step.activate(v, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v = 0; v < step.vectors; ++v) {
        const auto z = step.handed_over(j, 1, v), g = step.gate(j, v);
        step.save_unit(j, v, 2, g);
        step.output(j, z * step.previous_h(j, v) + (1 - z) * g, v);
      }
    }
  }

  template <class Step>
  ZOO_INLINE static void finish_backward(const Step& step) {
    const auto z = step.saved_at(0), g = step.saved_at(2), d_h = step.d_h();
    const auto d_g = d_h * (1 - z) * slope(step.activation, g);
    step.set_d_gate(0, d_h * (step.h_before() - g) * slope(step.recurrent_activation, z));
    step.set_d_gate(2, d_g);
    step.set_d_second(d_g);
    step.set_d_h(d_h * z);
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto r = step.saved_at(1), d_factor = step.d_h();
    step.set_d_gate(1, d_factor * step.h_before() * slope(step.recurrent_activation, r));
    step.add_d_h(d_factor * r);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_GRU_RESET_BEFORE_H_
