// The forward pass of a recurrent layer.

#ifndef ZOO_LAYERS_KERNELS_FORWARD_H_
#define ZOO_LAYERS_KERNELS_FORWARD_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "layout.h"
#include "standardize.h"

namespace zoo {

// x is [batch, time, input], mask is [batch, time] or null, and a state is [batch, its size].
template <class T, class M = T>
struct ForwardArguments {
  const T* x;
  const bool* mask;
  Weights<const T, const M> weights;
  const T* initial[kMaxStates];
  Drawn<T> drawn[kMaxDrawn];
  T* outputs;  // [batch, time, hidden], or null without return_sequences
  T* last;
  T* finals[kMaxStates];
  T* saved;  // [time, batch, saved_width], or null if no gradient is needed
};

// The data that the members of a team share in a forward pass, with products of factors in the
// format F.
template <class F>
class ForwardPass : Layout<typename F::Value> {
  using T = typename F::Value;
  using Base = Layout<T>;
  using Arguments = ForwardArguments<T, typename F::Weight>;
  using Base::L;
  using Base::cell_;
  using Base::p_;
  using Base::vectors_;
  using Base::recurrent_vectors_;
  using Base::panel_;
  using Base::panel_units_;
  using Base::panels_;
  using Base::padded_units_;
  using Base::width_;
  using Base::depth_;
  using Base::to_h_;
  using Base::padded_hidden_;
  using Base::parts_;
  using Base::split_units_;
  using Base::ld;
  using Base::column;
  using Base::columns;
  using Base::columns_of;
  using Base::drawn_row;
  using Base::each_share;
  using Base::keeps_last;
  using Base::pack;
  using Base::pack_bias;
  using Base::pack_plain;
  using Base::pack_plain_bias;
  using Base::pack_vectors;
  using Base::saved_h;
  using Base::saved_inner;
  using Base::saved_scales;
  using Base::saved_width;
  using Base::second_depth;
  using Base::shares;
  using Base::state_stride;

 public:
  ForwardPass(const Layout<T>& layout, const Arguments& arguments)
      : Layout<T>(layout),
        a(arguments),
        schedule(p_.batch, p_.time, p_.go_backwards, a.mask),
        hands(deal(schedule, p_.batch, shares())),
        kernel(panels_, vectors_, p_.input),
        recurrent(panels_, recurrent_vectors_, depth_),
        second(to_h_.count, to_h_.vectors, second_depth()),
        second_bias(cell_.second ? to_h_.padded : 0),
        bias(width_),
        recurrent_bias(panels_ * cell_.separate_blocks * L),
        vectors(padded_units_ * cell_.vectors),
        target(std::max<int64_t>(128, (512 << 10) / (width_ * sizeof(T)))),
        parts_of_team(parts_) {
    for (int k = 0; k < parts_; ++k) {
      const Share& share = hands[split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * p_.time);
      Part& part = parts_of_team[k];
      part.x = Rows(chunk, p_.input);
      if (F::kConverts) part.factor = Rows(rows, std::max(depth_, second_depth()));
      const int64_t wide = cell_.normalizes ? ld(width_)
                           : cell_.second   ? std::max<int64_t>(panel_, to_h_.vectors * L)
                                              : panel_;
      part.products = Buffer<T>(rows * wide);
      part.x_scales = Buffer<T>(cell_.normalizes ? chunk : 0);
      part.outputs = Buffer<T*>(rows);
      part.saved = Buffer<T*>(rows);
      part.drawn = Buffer<const T*>(rows * cell_.drawn);
      part.none = Buffer<T*>(rows);
      std::fill(part.none.get(), part.none.get() + rows, nullptr);
      if (split_units_ && k > 0) continue;
      part.projected = Buffer<T>(chunk * ld(width_));
      part.h = Buffer<T>(2 * rows * state_stride());
      part.states = Buffer<T>((cell_.states - 1) * rows * state_stride());
      part.inner = Buffer<T>((1 + cell_.handed) * rows * state_stride());
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      const int64_t from = panels_ * i / parts_, to = panels_ * (i + 1) / parts_;
      const auto& w = a.weights;
      pack(w.kernel, w.kernel_scale, p_.input, from, to, kernel);
      if (cell_.recurrent) pack(w.recurrent, w.recurrent_scale, depth_, from, to, recurrent);
      if (cell_.second) {
        pack_plain(w.second, w.second_scale, p_.units, p_.hidden, to_h_, i, parts_, second);
        pack_plain_bias(w.second_bias, p_.hidden, to_h_, i, parts_, second_bias.get());
      }
      pack_bias(a.weights.bias, from, to, bias.get(), recurrent_bias.get());
      pack_vectors(a.weights.vectors, from * panel_units_, to * panel_units_, vectors.get());
    });
    each_share(team, [&](int k, Team::Member& members) {
      run(hands[k], &parts_of_team[k], members);
    });
  }

 private:
  using Rows = typename F::Rows;

  // The buffers of a part. A part has its own share of the rows, or all parts use the first share.
  struct Part {
    Rows x, factor;
    Buffer<T> products, projected, h, states, inner, x_scales;
    Buffer<T*> outputs, saved, none;
    Buffer<const T*> drawn;
  };

  void run(const Share& share, const Part* parts, Team::Member& team) const {
    const int64_t rows = share.size(), ldh = state_stride();
    // Step s reads h_at(s) and writes h_at(s + 1).
    const auto h_at = [&](int64_t s) { return parts->h.get() + s % 2 * rows * ldh; };
    const auto state_at = [&](int k) { return parts->states.get() + (k - 1) * rows * ldh; };
    const auto first_panel = [&](int part) { return panels_ * part / team.size(); };
    const auto first_unit = [&](int part) {
      return std::min(p_.units, first_panel(part) * panel_units_);
    };
    const auto first_second = [&](int part) { return to_h_.count * part / team.size(); };
    const auto first_hidden = [&](int part) {
      if (!cell_.second) return first_unit(part);
      return std::min(p_.hidden, first_second(part) * to_h_.vectors * L);
    };
    // Writes the results of the j-th row, which has ended after s steps.
    const auto write = [&](int part, int64_t j, int64_t s) {
      const int64_t unit0 = first_unit(part), unit1 = first_unit(part + 1);
      const int64_t hidden0 = first_hidden(part), hidden1 = first_hidden(part + 1);
      const int64_t b = share.row(j), at = b * p_.hidden;
      const T* h = h_at(s) + j * ldh;
      std::copy(h + hidden0, h + hidden1, a.finals[0] + at + hidden0);
      for (int k = 1; k < cell_.states; ++k) {
        const T* state = state_at(k) + j * ldh;
        std::copy(state + unit0, state + unit1, a.finals[k] + b * p_.units + unit0);
      }
      if (keeps_last(schedule, b)) {
        std::copy(h + hidden0, h + hidden1, a.last + at + hidden0);
      } else {
        std::fill(a.last + at + hidden0, a.last + at + hidden1, T(0));
      }
    };

    team.each([&](int part) {
      const int64_t unit0 = first_unit(part), unit1 = first_unit(part + 1);
      const int64_t hidden0 = first_hidden(part), hidden1 = first_hidden(part + 1);
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        std::memcpy(h_at(0) + j * ldh + hidden0, a.initial[0] + b * p_.hidden + hidden0,
                    (hidden1 - hidden0) * sizeof(T));
        for (int k = 1; k < cell_.states; ++k) {
          T* row = state_at(k) + j * ldh;
          std::fill(row + unit0, row + first_panel(part + 1) * panel_units_, T(0));
          std::memcpy(row + unit0, a.initial[k] + b * p_.units + unit0,
                      (unit1 - unit0) * sizeof(T));
        }
        if (schedule.length(b) == 0) write(part, j, 0);
      }
    });

    for (int64_t s0 = 0, s1; s0 < share.steps(); s0 = s1) {
      int64_t count;
      s1 = share.run_end(s0, target, &count);
      const auto run_step = [&](int part, int64_t s, T* inputs) {
        if (cell_.normalizes) {
          run_normalized(share, *parts, s, inputs);
          for (int64_t j = share.active(s + 1); j < share.active(s); ++j) write(part, j, s + 1);
          return;
        }
        const int64_t n = share.active(s), from = first_panel(part), to = first_panel(part + 1);
        ForwardPanel<T> panel = gather(share, parts[part], s);
        panel.h = h_at(s);
        panel.next_h = h_at(s + 1);
        for (int k = 1; k < cell_.states; ++k) panel.states[k] = state_at(k);
        if (cell_.second) {
          panel.next_h = parts->inner.get();
          panel.outputs = parts[part].none.get();
          panel.saved_h = saved_inner();
          hand(parts->inner.get(), rows, &panel);
        }
        const Left<F> h = factor(parts[part], n, cell_.recurrent ? panel.h : nullptr, depth_);
        const ZigZag walk(from, to, s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t p = walk.at(i);
          T* x_panel = inputs + p * panel_;
          if (cell_.recurrent) {
            product(n, h, recurrent, p, cell_.separate() ? nullptr : x_panel, panel.x_stride,
                    panel.products, panel.products_stride, recurrent.data(walk.after(i)));
          } else {
            panel.products = x_panel;
          }
          panel.x = x_panel;
          panel.unit = p * panel_units_;
          panel.recurrent_bias = recurrent_bias.get() + p * cell_.separate_blocks * L;
          panel.weights = vectors.get() + panel.unit * cell_.vectors;
          cell_.forward(panel);
        }
        if (cell_.second) return;
        for (int64_t j = share.active(s + 1); j < n; ++j) write(part, j, s + 1);
      };
      // The second product of the step, and what follows it.
      const auto finish_step = [&](int part, int64_t s) {
        const int64_t n = share.active(s), wide = to_h_.vectors * L;
        ForwardPanel<T> panel = gather(share, parts[part], s);
        panel.h = h_at(s);
        panel.next_h = h_at(s + 1);
        panel.vectors = to_h_.vectors;
        panel.products_stride = wide;
        panel.units = p_.hidden;
        const Left<F> inner = factor(parts[part], n, parts->inner.get(), p_.units);
        hand(parts->inner.get(), rows, &panel);
        const ZigZag walk(first_second(part), first_second(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t q = walk.at(i);
          const T* init = cell_.handed > 0 ? panel.handed[0] + q * wide
                                           : second_bias.get() + q * wide;
          product(n, inner, second, q, init, cell_.handed > 0 ? ldh : 0, panel.products, wide,
                  second.data(walk.after(i)));
          panel.unit = q * wide;
          cell_.finish(panel);
        }
        for (int64_t j = share.active(s + 1); j < n; ++j) write(part, j, s + 1);
      };
      const auto project_inputs = [&](int part) {
        project(share, parts[part].x, s0, s1, count, first_panel(part), first_panel(part + 1),
                parts->projected.get());
        for (int64_t m = 0; cell_.normalizes && m < count; ++m) {
          T* row = parts->projected.get() + m * ld(width_);
          const int left = static_cast<int>(p_.units - (panels_ - 1) * L);
          parts->x_scales.get()[m] = standardize(panels_, vectors_, left, row, row);
        }
      };
      T* inputs = parts->projected.get();
      if (cell_.recurrent) {
        for (int64_t s = s0; s < s1; inputs += share.active(s++) * ld(width_)) {
          team.each([&](int part) {
            if (s == s0) project_inputs(part);
            run_step(part, s, inputs);
          });
          if (cell_.second) team.each([&](int part) { finish_step(part, s); });
        }
      } else {
        team.each([&](int part) {
          project_inputs(part);
          T* rows_of_step = inputs;
          for (int64_t s = s0; s < s1; rows_of_step += share.active(s++) * ld(width_)) {
            run_step(part, s, rows_of_step);
          }
        });
      }
    }
    if (a.outputs == nullptr || !schedule.masked()) return;
    team.each([&](int part) {
      const int64_t from = first_hidden(part), count = first_hidden(part + 1) - from;
      for (int64_t j = 0; j < rows; ++j) fill_masked(share.row(j), from, count);
    });
  }

  // A step of a cell that normalizes, which has all rows and units of a share. `inputs` are the
  // standardized ones.
  void run_normalized(const Share& share, const Part& part, int64_t s, T* inputs) const {
    const int64_t n = share.active(s), ldw = ld(width_), ldh = state_stride();
    const int64_t rows = share.size(), first_row = (inputs - part.projected.get()) / ldw;
    const int left = static_cast<int>(p_.units - (panels_ - 1) * L);
    ForwardPanel<T> panel = gather(share, part, s);
    panel.h = part.h.get() + s % 2 * rows * ldh;
    panel.next_h = part.h.get() + (s + 1) % 2 * rows * ldh;
    for (int k = 1; k < cell_.states; ++k) {
      panel.states[k] = part.states.get() + (k - 1) * rows * ldh;
    }
    panel.standardized = part.inner.get();
    panel.products_stride = ldw;
    const auto each_panel = [&](const auto& fn) {
      for (int64_t p = 0; p < panels_; ++p) {
        panel.products = part.products.get() + p * panel_;
        panel.x = inputs + p * panel_;
        panel.unit = p * panel_units_;
        panel.weights = vectors.get() + panel.unit * cell_.vectors;
        fn(p);
      }
    };
    const Left<F> h = factor(part, n, panel.h, depth_);
    each_panel([&](int64_t p) {
      product(n, h, recurrent, p, static_cast<const T*>(nullptr), 0, panel.products, ldw);
    });
    for (int64_t j = 0; j < n; ++j) {
      T* row = part.products.get() + j * ldw;
      const T scale = standardize(panels_, vectors_, left, row, row);
      if (panel.saved[j] == nullptr) continue;
      panel.saved[j][saved_scales()] = part.x_scales.get()[first_row + j];
      panel.saved[j][saved_scales() + 1] = scale;
    }
    each_panel([&](int64_t) { cell_.forward(panel); });
    for (int64_t j = 0; j < n; ++j) {
      const T scale = standardize(panels_, 1, left, panel.states[1] + j * ldh,
                                  part.inner.get() + j * ldh);
      if (panel.saved[j] != nullptr) panel.saved[j][saved_scales() + 2] = scale;
    }
    each_panel([&](int64_t) { cell_.finish(panel); });
  }

  // Lets the panel find the values that the first part of a step passes to the second one.
  void hand(T* inner, int64_t rows, ForwardPanel<T>* panel) const {
    for (int k = 0; k < cell_.handed; ++k) {
      panel->handed[k] = inner + (k + 1) * rows * state_stride();
    }
  }

  // Collects what the panels of step s have in common, with pointers for each row.
  ForwardPanel<T> gather(const Share& share, const Part& part, int64_t s) const {
    ForwardPanel<T> panel{};
    panel.activation = p_.activation;
    panel.recurrent_activation = p_.recurrent_activation;
    panel.rows = share.active(s);
    panel.vectors = vectors_;
    panel.products = part.products.get();
    panel.products_stride = cell_.recurrent ? recurrent_vectors_ * L : ld(width_);
    panel.x_stride = ld(width_);
    panel.state_stride = state_stride();
    panel.units = p_.units;
    panel.drawn = part.drawn.get();
    panel.outputs = part.outputs.get();
    panel.saved = part.saved.get();
    panel.saved_h = p_.return_sequences ? -1 : saved_h();
    for (int64_t j = 0; j < panel.rows; ++j) {
      const int64_t b = share.row(j), t = schedule.time_of(b, s);
      part.outputs.get()[j] =
          a.outputs == nullptr ? nullptr : a.outputs + (b * p_.time + t) * p_.hidden;
      part.saved.get()[j] =
          a.saved == nullptr ? nullptr : a.saved + (s * p_.batch + b) * saved_width();
      for (int k = 0; k < cell_.drawn; ++k) {
        part.drawn.get()[k * panel.rows + j] = drawn_row(a.drawn[k], t, b);
      }
    }
    return panel;
  }

  // Projects the inputs of the steps s0 ... s1 - 1, `count` rows, for the panels `from` to
  // `to` - 1.
  void project(const Share& share, const Rows& x, int64_t s0, int64_t s1, int64_t count,
               int64_t from, int64_t to, T* projected) const {
    int64_t row = 0;
    for (int64_t s = s0; s < s1; ++s) {
      for (int64_t j = 0; j < share.active(s); ++j, ++row) {
        const int64_t b = share.row(j), t = schedule.input_time(schedule.time_of(b, s));
        x.set(row, a.x + (b * p_.time + t) * p_.input, p_.input);
      }
    }
    for (int64_t p = from; p < to; ++p) {
      product(count, x.left(), kernel, p, bias.get() + p * panel_, 0, projected + p * panel_,
              ld(width_));
    }
  }

  // The states of n rows, or null, as the left factor of a product.
  Left<F> factor(const Part& part, int64_t n, const T* states, int64_t depth) const {
    if constexpr (F::kConverts) {
      for (int64_t j = 0; states != nullptr && j < n; ++j) {
        part.factor.set(j, states + j * state_stride(), depth);
      }
      return part.factor.left();
    } else {
      return {states, state_stride()};
    }
  }

  void fill_masked(int64_t b, int64_t first, int64_t count) const {
    const T* previous = nullptr;
    for (int64_t t = 0, s = 0; t < p_.time; ++t) {
      T* row = a.outputs + (b * p_.time + t) * p_.hidden + first;
      if (t == schedule.time_of(b, s)) {
        ++s;
        if (!p_.zero_output_for_mask) previous = row;
      } else if (previous != nullptr) {
        std::memcpy(row, previous, count * sizeof(T));
      } else {
        std::memset(row, 0, count * sizeof(T));
      }
    }
  }

  const Arguments a;
  const Schedule schedule;
  const std::vector<Share> hands;
  const Matrix<F> kernel, recurrent, second;
  const Buffer<T> second_bias, bias, recurrent_bias, vectors;
  const int64_t target;
  std::vector<Part> parts_of_team;
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_FORWARD_H_
