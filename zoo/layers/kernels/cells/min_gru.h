// The minimal gated recurrent unit, whose gates depend on the input alone.

#ifndef ZOO_LAYERS_KERNELS_CELLS_MIN_GRU_H_
#define ZOO_LAYERS_KERNELS_CELLS_MIN_GRU_H_

#include "../cell.h"

namespace zoo {

struct MinGRU : CellDefaults {
  static constexpr char kName[] = "min_gru";
  static constexpr int kBlocks = 2, kSaved = 2;
  static constexpr bool kRecurrent = false, kKeepsH = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto z = sigmoid(step.gate(j, 0)), g = positive(step.gate(j, 1));
      step.save(j, 0, z, g);
      step.output(j, (1 - z) * step.previous_h(j) + z * g);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto z = step.saved_at(0), g = step.saved_at(1), d_h = step.d_h();
    step.set_d_gate(0, d_h * (g - step.h_before()) * slope(Activation::kSigmoid, z));
    step.set_d_gate(1, d_h * z * positive_slope(g));
    step.set_d_h(d_h * (1 - z));
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_MIN_GRU_H_
