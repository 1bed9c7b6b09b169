// Elman's simple recurrent network.

#ifndef ZOO_LAYERS_KERNELS_CELLS_SIMPLE_RNN_H_
#define ZOO_LAYERS_KERNELS_CELLS_SIMPLE_RNN_H_

#include "../cell.h"

namespace zoo {

struct SimpleRNN : CellDefaults {
  static constexpr char kName[] = "simple_rnn";
  static constexpr int kBlocks = 1;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v = 0; v < step.vectors; ++v) step.activate(v, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v = 0; v < step.vectors; ++v) step.output(j, step.gate(j, v), v);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    step.set_d_gate(0, step.d_h() * slope(step.activation, step.h_after()));
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_SIMPLE_RNN_H_
