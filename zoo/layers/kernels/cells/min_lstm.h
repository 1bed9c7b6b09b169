// The minimal long short-term memory, whose gates depend on the input alone.

#ifndef ZOO_LAYERS_KERNELS_CELLS_MIN_LSTM_H_
#define ZOO_LAYERS_KERNELS_CELLS_MIN_LSTM_H_

#include "../cell.h"

namespace zoo {

struct MinLSTM : CellDefaults {
  static constexpr char kName[] = "min_lstm";
  static constexpr int kBlocks = 3, kSaved = 4;
  static constexpr bool kRecurrent = false, kKeepsH = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto pre_f = step.gate(j, 0), pre_i = step.gate(j, 1);
      // f / (f + i) as σ(log f - log i), which never divides by zero.
      const auto f = sigmoid(log_sigmoid(pre_f) - log_sigmoid(pre_i));
      const auto g = positive(step.gate(j, 2));
      step.save(j, 0, f, g, pre_f, pre_i);
      step.output(j, f * step.previous_h(j) + (1 - f) * g);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto f = step.saved_at(0), g = step.saved_at(1), d_h = step.d_h();
    const auto d_log_f = d_h * (step.h_before() - g) * slope(Activation::kSigmoid, f);
    step.set_d_gate(0, d_log_f * sigmoid(-step.saved_at(2)));
    step.set_d_gate(1, -d_log_f * sigmoid(-step.saved_at(3)));
    step.set_d_gate(2, d_h * (1 - f) * positive_slope(g));
    step.set_d_h(d_h * f);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_MIN_LSTM_H_
