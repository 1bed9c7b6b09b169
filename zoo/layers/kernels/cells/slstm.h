// The sLSTM of xLSTM: long short-term memory with an exponential input gate.

#ifndef ZOO_LAYERS_KERNELS_CELLS_SLSTM_H_
#define ZOO_LAYERS_KERNELS_CELLS_SLSTM_H_

#include "../cell.h"

namespace zoo {

// The states are h, c, n and m; c and n are divided by exp(m).
struct SLSTM : CellDefaults {
  static constexpr char kName[] = "slstm";
  static constexpr int kBlocks = 4, kStates = 4, kSaved = 8;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    const typename Step::Vec zero{}, one = zero + 1;
    step.activate(2, step.activation);
    step.activate(3, step.recurrent_activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto log_i = step.gate(j, 0), pre_f = step.gate(j, 1), n_before = step.state(j, 2);
      const auto log_f = log_sigmoid(pre_f) + step.state(j, 3);
      const auto most = log_f >= log_i ? log_f : log_i;
      const auto m = n_before == zero ? log_i : most;
      const auto i = exp(log_i - m), f = exp(log_f <= m ? log_f - m : zero);
      const auto c = f * step.state(j, 1) + i * step.gate(j, 2), sum = f * n_before + i;
      const auto n = sum >= one ? sum : one;
      step.save(j, 0, i, f, step.gate(j, 2), step.gate(j, 3), pre_f, c, n, m);
      step.set_state(j, 1, c);
      step.set_state(j, 2, n);
      step.set_state(j, 3, m);
      step.output(j, step.gate(j, 3) * c / n);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const typename Step::Vec zero{}, one = zero + 1;
    const auto i = step.saved_at(0), f = step.saved_at(1), g = step.saved_at(2),
               o = step.saved_at(3), c = step.saved_at(5), n = step.saved_at(6),
               c_before = step.before(1), n_before = step.before(2);
    const auto d_y = step.d_h() / n;
    const auto d_c = step.d_state(1) + d_y * o;
    // A maximum of two equal values passes the gradient to the first one.
    const auto d_n = step.d_state(2) - d_y * o * c / n;
    const auto d_sum = f * n_before + i >= one ? d_n : zero;
    const auto d_log_i = (d_c * g + d_sum) * i;
    // f is 1 if m = log f or, where n was 0, if log f > m: then it is a constant.
    const auto is_first = n_before == zero, is_one = f >= one;
    const auto d_log_f = is_first & is_one ? zero : (d_c * c_before + d_sum * n_before) * f;
    const auto d_m = step.d_state(3) - d_log_i - d_log_f;
    const auto m_is_log_i = is_first | ~is_one;
    const auto d_before = d_log_f + (m_is_log_i ? zero : d_m);
    step.set_d_gate(0, d_log_i + (m_is_log_i ? d_m : zero));
    step.set_d_gate(1, d_before * sigmoid(-step.saved_at(4)));
    step.set_d_gate(2, d_c * i * slope(step.activation, g));
    step.set_d_gate(3, d_y * c * slope(step.recurrent_activation, o));
    step.set_d_state(1, d_c * f);
    step.set_d_state(2, d_sum * f);
    step.set_d_state(3, d_before);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_SLSTM_H_
