// Long short-term memory with a recurrent projection: its output is a product.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_PROJECTION_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_PROJECTION_H_

#include "lstm.h"

namespace zoo {

struct ProjectionLSTM : LSTM {
  static constexpr char kName[] = "lstm_projection";
  static constexpr bool kSecond = true;

  template <class Step>
  ZOO_INLINE static void finish(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      for (int v = 0; v < step.vectors; ++v) step.output(j, step.gate(j, v), v);
    }
  }

  template <class Step>
  ZOO_INLINE static void finish_backward(const Step& step) {
    step.set_d_second(step.d_h());
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_PROJECTION_H_
