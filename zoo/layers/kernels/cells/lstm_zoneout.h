// Long short-term memory with zoneout. The fractions of c and h that stay come with the input.

#ifndef ZOO_LAYERS_KERNELS_CELLS_LSTM_ZONEOUT_H_
#define ZOO_LAYERS_KERNELS_CELLS_LSTM_ZONEOUT_H_

#include "../cell.h"

namespace zoo {

struct ZoneoutLSTM : CellDefaults {
  static constexpr char kName[] = "lstm_zoneout";
  static constexpr int kBlocks = 4, kStates = 2, kSaved = 5, kDrawn = 2;
  static constexpr bool kKeepsH = true;

  template <class Step>
  ZOO_INLINE static void forward(const Step& step) {
    for (int v : {0, 1, 3}) step.activate(v, step.recurrent_activation);
    step.activate(2, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto i = step.gate(j, 0), f = step.gate(j, 1), g = step.gate(j, 2);
      const auto before = step.state(j, 1), new_c = f * before + i * g, keep = step.draw(j, 0);
      const auto c = keep * before + (1 - keep) * new_c;
      step.set_state(j, 1, c);
      step.set_gate(j, 0, new_c);
      step.save(j, 0, i, f, g, step.gate(j, 3), c);
    }
    step.activate(0, step.activation);
    for (int64_t j = 0; j < step.rows; ++j) {
      const auto keep = step.draw(j, 1), new_h = step.gate(j, 3) * step.gate(j, 0);
      step.output(j, keep * step.previous_h(j) + (1 - keep) * new_h);
    }
  }

  template <class Step>
  ZOO_INLINE static void backward(const Step& step) {
    const auto act = step.activation, gate_act = step.recurrent_activation;
    const auto i = step.saved_at(0), f = step.saved_at(1), g = step.saved_at(2),
               o = step.saved_at(3), before = step.before(1),
               y = activate(act, f * before + i * g);
    const auto keep_c = step.draw(0), keep_h = step.draw(1);
    const auto d_h = step.d_h(), d_c = step.d_state(1);
    const auto d_new_h = d_h * (1 - keep_h);
    const auto d_new_c = d_c * (1 - keep_c) + d_new_h * o * slope(act, y);
    step.set_d_gate(0, d_new_c * g * slope(gate_act, i));
    step.set_d_gate(1, d_new_c * before * slope(gate_act, f));
    step.set_d_gate(2, d_new_c * i * slope(act, g));
    step.set_d_gate(3, d_new_h * y * slope(gate_act, o));
    step.set_d_state(1, d_c * keep_c + d_new_c * f);
    step.set_d_h(d_h * keep_h);
  }
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_LSTM_ZONEOUT_H_
