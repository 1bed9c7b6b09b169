// Jordan's recurrent network, which feeds back its output.

#ifndef ZOO_LAYERS_KERNELS_CELLS_JORDAN_H_
#define ZOO_LAYERS_KERNELS_CELLS_JORDAN_H_

#include "../cell.h"

namespace zoo {

struct JordanRNN : CellDefaults {
  static constexpr char kName[] = "jordan";
  static constexpr int kBlocks = 1;
  static constexpr bool kSecond = true, kSecondBias = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v = 0; v < step.vectors; ++v) step.activate(v, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v = 0; v < step.vectors; ++v) step.output(j, step.gate(j, v), v);
    }
  }

  template <class Step>
  ZOO_INLINE static void finish(const Step& step) {
    forward(step);
  }

  template <class Step>
  ZOO_INLINE static void finish_backward(const Step& step) {
    step.set_d_second(step.d_h() * slope(step.activation, step.h_after()));
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    step.set_d_gate(0, step.d_h() * slope(step.activation, step.inner_at()));
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_JORDAN_H_
