// The backward pass of a recurrent layer.

#ifndef ZOO_LAYERS_KERNELS_BACKWARD_H_
#define ZOO_LAYERS_KERNELS_BACKWARD_H_

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <vector>

#include "layout.h"
#include "standardize.h"

namespace zoo {

// x is [batch, time, input], mask is [batch, time] or null, and a state is [batch, its size].
template <class T>
struct BackwardArguments {
  const T* x;
  const bool* mask;
  Weights<const T> weights;
  const T* initial[kMaxStates];
  Drawn<T> drawn[kMaxDrawn];
  const T *outputs, *saved;
  const T *d_outputs, *d_last;
  const T* d_finals[kMaxStates];
  T* d_x;
  Weights<T> d_weights;
  T* d_initial[kMaxStates];
};

// The data that the members of a team share in a backward pass, with products of factors in the
// format F.
template <class F>
class BackwardPass : Layout<typename F::Value> {
  using T = typename F::Value;
  using Base = Layout<T>;
  using Rows = typename F::Rows;
  using Groups = typename F::Groups;
  using Columns = typename F::Columns;
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
  using Base::history_width;
  using Base::keeps_last;
  using Base::pack_plain_transposed;
  using Base::pack_transposed;
  using Base::pack_vectors;
  using Base::saved_h;
  using Base::saved_inner;
  using Base::saved_scales;
  using Base::saved_width;
  using Base::second_width;
  using Base::shares;

 public:
  BackwardPass(const Layout<T>& layout, const BackwardArguments<T>& arguments)
      : Layout<T>(layout),
        a(arguments),
        schedule(p_.batch, p_.time, p_.go_backwards, a.mask),
        hands(deal(schedule, p_.batch, shares())),
        to_x(panels_of<T>(p_.input)),
        to_units(panels_of<T>(p_.units)),
        state_stride(ld(std::max(to_h_.padded, to_units.padded))),
        kernel(to_x.count, to_x.vectors, width_),
        recurrent(cell_.recurrent ? to_h_.count : 0, to_h_.vectors, width_),
        second(cell_.second ? to_units.count : 0, to_units.vectors, p_.hidden),
        vectors(padded_units_ * cell_.vectors),
        target(std::max<int64_t>(256, (512 << 10) / (width_ * sizeof(T)))),
        parts_of_team(parts_) {
    for (int k = 0; k < parts_; ++k) {
      const Share& share = hands[split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * p_.time);
      Part& part = parts_of_team[k];
      part.history = Buffer<T>(chunk * ld(history_width()));
      part.products = Buffer<T>(chunk * to_x.vectors * L);
      part.rows = Buffer<BackwardRow<T>>(rows);
      part.dx = Buffer<T*>(chunk);
      part.history_columns = Columns(chunk, history_width());
      if (cell_.second) {
        part.second_history = Buffer<T>(chunk * ld(second_width()));
        part.second_history_columns = Columns(chunk, second_width());
      }
      if (split_units_ && k > 0) continue;
      part.state = Buffer<T>(cell_.states * rows * state_stride);
      part.d_inner = Buffer<T>(rows * state_stride);
      if (cell_.second) {
        part.d_second = Buffer<T>(chunk * ld(to_h_.padded));
        part.d_second_groups = Groups(chunk, ld(to_h_.padded));
        if (F::kConverts) part.d_second_rows = Rows(chunk, to_h_.padded);
        part.second_sums = Buffer<T>(second_width() * to_h_.padded);
      }
      for (int h = 0; h < (cell_.separate() ? 2 : 1); ++h) {
        part.gates[h] = Buffer<T>(chunk * ld(width_));
        part.gate_groups[h] = Groups(chunk, ld(width_));
        if (F::kConverts) part.gate_rows[h] = Rows(chunk, width_);
      }
      part.sums = Buffer<T>(history_width() * width_);
      part.vector_sums = Buffer<T>(2 * padded_units_ * cell_.vectors);
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      pack_transposed(a.weights.kernel, p_.input, vectors_, to_x, i, parts_, kernel);
      if (cell_.recurrent) {
        pack_transposed(a.weights.recurrent, p_.hidden, recurrent_vectors_, to_h_, i, parts_,
                        recurrent);
      }
      if (cell_.second) {
        pack_plain_transposed(a.weights.second, p_.units, p_.hidden, to_units, i, parts_, second);
      }
      const int64_t from = panels_ * i / parts_, to = panels_ * (i + 1) / parts_;
      pack_vectors(a.weights.vectors, from * panel_units_, to * panel_units_, vectors.get());
    });
    each_share(team, [&](int k, Team::Member& members) {
      run(hands[k], &parts_of_team[k], members);
    });
    team.each([&](int i) {
      const int64_t rows = history_width() + cell_.vectors;
      for (int64_t m = rows * i / parts_; m < rows * (i + 1) / parts_; ++m) write_sum(m);
      const int64_t second_rows = second_width();
      for (int64_t m = second_rows * i / parts_; m < second_rows * (i + 1) / parts_; ++m) {
        write_second_sum(m);
      }
    });
  }

 private:
  // The buffers of a part. A part has its own share of the rows, or all parts use the first share.
  struct Part {
    Buffer<T> history, products, state, sums, vector_sums;
    Buffer<T> second_history, d_second, d_inner, second_sums;
    // The second ones are those of the recurrent product, if it has its own gradients.
    Buffer<T> gates[2];
    Rows gate_rows[2], d_second_rows;
    Groups gate_groups[2], d_second_groups;
    Columns history_columns, second_history_columns;
    Buffer<BackwardRow<T>> rows;
    Buffer<T*> dx;
  };

  void run(const Share& share, const Part* parts, Team::Member& team) const {
    const bool separate = cell_.separate();
    const int64_t rows = share.size(), ldg = ld(width_), lds = state_stride;
    const int64_t lda = ld(history_width()), lds2 = ld(to_h_.padded), lda2 = ld(second_width());
    const int64_t wide = to_h_.vectors * L, x_wide = to_x.vectors * L;
    const int64_t wide_units = to_units.vectors * L;
    const auto d_state_at = [&](int k) { return parts->state.get() + k * rows * lds; };
    T* const dh = d_state_at(0);
    T* const gates = parts->gates[0].get();
    T* const gates_h = parts->gates[separate].get();
    T* const sums = parts->sums.get();
    T* const d_vectors = parts->vector_sums.get();
    T* const d_vectors_of_chunk = d_vectors + padded_units_ * cell_.vectors;
    T* const d_second = parts->d_second.get();
    T* const d_inner = parts->d_inner.get();
    T* const second_sums = parts->second_sums.get();
    // The units of a part are whole panels of the product that computes dh, so a part reads only
    // what it wrote.
    const auto first_h = [&](int part) { return to_h_.count * part / team.size(); };
    const auto first_units = [&](int part) { return to_units.count * part / team.size(); };
    const auto first_x = [&](int part) { return to_x.count * part / team.size(); };
    const auto first_panel = [&](int part) {
      return std::min(panels_, first_units(part) * wide_units / panel_units_);
    };
    // Calls fn(state, size, first, last) for the part's range of each state.
    const auto each_state = [&](int part, const auto& fn) {
      fn(0, p_.hidden, first_h(part) * wide, first_h(part + 1) * wide);
      for (int k = 1; k < cell_.states; ++k) {
        fn(k, p_.units, first_units(part) * wide_units, first_units(part + 1) * wide_units);
      }
    };

    team.each([&](int part) {
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        const bool last = keeps_last(schedule, b);
        each_state(part, [&](int k, int64_t size, int64_t first, int64_t end) {
          for (int64_t n = first; n < end; ++n) {
            const int64_t at = b * size + n;
            const T also = k == 0 && last && n < size ? a.d_last[at] : T(0);
            d_state_at(k)[j * lds + n] = n < size ? a.d_finals[k][at] + also : T(0);
          }
        });
      }
      const int64_t from = first_panel(part) * panel_units_ * cell_.vectors;
      const int64_t to = first_panel(part + 1) * panel_units_ * cell_.vectors;
      std::fill(d_vectors + from, d_vectors + to, T(0));
      std::fill(d_vectors_of_chunk + from, d_vectors_of_chunk + to, T(0));
    });

    bool first_sum = true;
    for (int64_t s1 = share.steps(), s0; s1 > 0; s1 = s0) {
      int64_t count = 0;
      for (s0 = s1; s0 > 0 && count < target; --s0) count += share.active(s0 - 1);
      // Backpropagates through the recurrent product of step s, whose rows start at `base`.
      const auto product_back = [&](int part, int64_t s, int64_t base) {
        const ZigZag walk(first_h(part), first_h(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          T* out = dh + walk.at(i) * wide;
          product(share.active(s), rows_from(base, parts->gate_rows[separate], gates_h, ldg),
                  recurrent, walk.at(i), cell_.keeps_h ? out : nullptr, lds, out, lds,
                  recurrent.data(walk.after(i)));
        }
      };
      // The backward pass of step s, without the recurrent product, or the part of it before the
      // second product.
      const auto step_back = [&](int part, int64_t s, int64_t base) {
        gather(share, parts[part], s, base);
        for (int64_t j = 0; j < share.active(s); ++j) {
          BackwardRow<T>& row = parts[part].rows.get()[j];
          row.d_result = row.dh = dh + j * lds;
          for (int k = 1; k < cell_.states; ++k) row.d_states[k] = d_state_at(k) + j * lds;
          row.gates = gates + (base + j) * ldg;
          row.gates_h = gates_h + (base + j) * ldg;
          row.d_weights = d_vectors_of_chunk;
          if (cell_.normalizes) {
            row.d_second = d_inner;
            normalized_back(row);
          } else if (cell_.second) {
            row.d_second = d_second + (base + j) * lds2;
            const int64_t end = divide_up(p_.hidden, L) * L;
            const int64_t from = std::min(end, first_h(part) * wide);
            const int64_t to = std::min(end, first_h(part + 1) * wide);
            cell_.finish_backward(row, from, to);
            if constexpr (F::kConverts) {
              parts->d_second_rows.set(base + j, row.d_second + from, to - from, from);
            }
            continue;
          } else {
            cell_.backward(row, first_panel(part) * panel_units_,
                           first_panel(part + 1) * panel_units_);
          }
          convert_gates(*parts, row, base + j, first_panel(part), first_panel(part + 1));
        }
      };
      // Backpropagates through the second product, and the rest of the step.
      const auto second_back = [&](int part, int64_t s, int64_t base) {
        const ZigZag walk(first_units(part), first_units(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          product(share.active(s), rows_from(base, parts->d_second_rows, d_second, lds2), second,
                  walk.at(i), static_cast<const T*>(nullptr), 0,
                  d_inner + walk.at(i) * wide_units, lds, second.data(walk.after(i)));
        }
        for (int64_t j = 0; j < share.active(s); ++j) {
          BackwardRow<T>& row = parts[part].rows.get()[j];
          row.d_result = d_inner + j * lds;
          row.d_output = nullptr;
          row.units = p_.units;
          cell_.backward(row, first_panel(part) * panel_units_,
                         first_panel(part + 1) * panel_units_);
          convert_gates(*parts, row, base + j, first_panel(part), first_panel(part + 1));
        }
      };
      int64_t base = count;
      if (cell_.recurrent) {
        for (int64_t s = s1 - 1; s >= s0; --s) {
          const int64_t above = base;
          base -= share.active(s);
          team.each([&](int part) {
            if (s + 1 < s1) product_back(part, s + 1, above);
            step_back(part, s, base);
          });
          if (cell_.second) team.each([&](int part) { second_back(part, s, base); });
        }
      } else {
        team.each([&](int part) {
          int64_t first = count;
          for (int64_t s = s1 - 1; s >= s0; --s) step_back(part, s, first -= share.active(s));
        });
      }
      team.each([&](int part) {
        const T* history = parts[part].history.get();
        T* products = parts[part].products.get();
        T* const* dx = parts[part].dx.get();
        if (cell_.recurrent) product_back(part, s0, 0);
        for (int64_t q = first_x(part); q < first_x(part + 1); ++q) {
          product(count, rows_from(0, parts->gate_rows[0], gates, ldg), kernel, q,
                  static_cast<const T*>(nullptr), 0, products, x_wide);
          const int64_t n = std::min(x_wide, p_.input - q * x_wide);
          for (int64_t m = 0; m < count; ++m) {
            std::memcpy(dx[m] + q * x_wide, products + m * x_wide, n * sizeof(T));
          }
        }
        if constexpr (F::kConverts) {
          const Part& own = parts[part];
          own.history_columns.set(count, history, lda, history_width());
          const int64_t from = first_panel(part) * panel_, to = first_panel(part + 1) * panel_;
          parts->gate_groups[0].set(count, gates, from, to);
          if (separate) parts->gate_groups[1].set(count, gates_h, from, to);
          if (cell_.second) {
            own.second_history_columns.set(count, own.second_history.get(), lda2, second_width());
            parts->d_second_groups.set(count, d_second, first_h(part) * wide,
                                       first_h(part + 1) * wide);
          }
        }
        const Columns& past = parts[part].history_columns;
        const auto* d_gates = data(parts->gate_groups[0], gates);
        const auto* d_gates_h = data(parts->gate_groups[separate], gates_h);
        const int64_t depth = divide_up(count, F::kGroup * F::kDepth) * F::kDepth;
        const int64_t split = separate ? p_.input + 1 : history_width();
        for (int64_t p = first_panel(part); p < first_panel(part + 1); ++p) {
          T* sum = sums + p * history_width() * panel_;
          product<true>(vectors_, split, columns_from(0, past, history, lda),
                        Right<F>{d_gates + p * panel_, ldg}, depth, first_sum ? nullptr : sum,
                        panel_, sum, panel_);
          if (separate) {
            T* more = sum + split * panel_;
            product<true>(vectors_, history_width() - split,
                          columns_from(split, past, history, lda),
                          Right<F>{d_gates_h + p * panel_, ldg}, depth, first_sum ? nullptr : more,
                          panel_, more, panel_);
          }
        }
        if (cell_.second) {
          const Left<F> factors = columns_from(0, parts[part].second_history_columns,
                                               parts[part].second_history.get(), lda2);
          const auto* d_results = data(parts->d_second_groups, d_second);
          for (int64_t q = first_h(part); q < first_h(part + 1); ++q) {
            T* sum = second_sums + q * second_width() * wide;
            product<true>(to_h_.vectors, second_width(), factors,
                          Right<F>{d_results + q * wide, lds2}, depth, first_sum ? nullptr : sum,
                          wide, sum, wide);
          }
        }
        // Sums of partial sums have smaller rounding errors.
        const int64_t from = first_panel(part) * panel_units_ * cell_.vectors;
        const int64_t to = first_panel(part + 1) * panel_units_ * cell_.vectors;
        for (int64_t i = from; i < to; ++i) {
          d_vectors[i] += d_vectors_of_chunk[i];
          d_vectors_of_chunk[i] = 0;
        }
      });
      first_sum = false;
    }

    team.each([&](int part) {
      if (first_sum) {
        std::fill(sums + first_panel(part) * history_width() * panel_,
                  sums + first_panel(part + 1) * history_width() * panel_, T(0));
        std::fill(second_sums + first_h(part) * second_width() * wide,
                  second_sums + first_h(part + 1) * second_width() * wide, T(0));
      }
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        each_state(part, [&](int k, int64_t size, int64_t first, int64_t end) {
          const T* d_state = d_state_at(k) + j * lds;
          first = std::min(size, first);
          std::copy(d_state + first, d_state + std::min(size, end),
                    a.d_initial[k] + b * size + first);
        });
        if (!schedule.masked() || part > 0) continue;
        for (int64_t t = 0, s = 0; t < p_.time; ++t) {
          if (t == schedule.time_of(b, s)) {
            ++s;
          } else {
            T* row = a.d_x + (b * p_.time + schedule.input_time(t)) * p_.input;
            std::fill(row, row + p_.input, T(0));
          }
        }
      }
    });
  }

  // The rows of a chunk from the given one on, as they are or converted, as a left factor.
  static Left<F> rows_from(int64_t first, const Rows& converted, const T* rows, int64_t stride) {
    if constexpr (F::kConverts) {
      const Left<F> left = converted.left();
      return {left.data + first * left.stride, left.stride};
    } else {
      return {rows + first * stride, stride};
    }
  }

  // The columns of a chunk from the given one on, as the left factor of a transposed product.
  static Left<F> columns_from(int64_t first, const Columns& converted, const T* rows,
                              int64_t stride) {
    if constexpr (F::kConverts) {
      return converted.left(first);
    } else {
      return {rows + first, stride};
    }
  }

  // The rows of a chunk, as they are or in groups, as the right factor of a transposed product.
  static const typename F::Element* data(const Groups& groups, const T* rows) {
    if constexpr (F::kConverts) {
      return groups.data();
    } else {
      return rows;
    }
  }

  // Converts the gradients of the pre-activations of a row, for some panels.
  void convert_gates(const Part& part, const BackwardRow<T>& row, int64_t index, int64_t from,
                     int64_t to) const {
    if constexpr (F::kConverts) {
      const int64_t first = from * panel_, count = (to - from) * panel_;
      part.gate_rows[0].set(index, row.gates + first, count, first);
      if (cell_.separate()) part.gate_rows[1].set(index, row.gates_h + first, count, first);
    }
  }

  // The backward pass of one row of a step of a cell that normalizes.
  void normalized_back(const BackwardRow<T>& row) const {
    const T* scales = row.saved + saved_scales();
    const int64_t stride = cell_.saved * L;
    const auto back = [&](int group, int slot, T scale, T* gradient) {
      standardize_back(panels_, group, group * p_.units, scale, row.saved + slot * L, stride,
                       gradient);
    };
    cell_.finish_backward(row, 0, padded_units_);
    back(1, cell_.state_slot, scales[2], row.d_second);
    T* d_state = row.d_states[1];
    for (int64_t n = 0; n < padded_units_; ++n) d_state[n] += row.d_second[n];
    cell_.backward(row, 0, padded_units_);
    back(vectors_, cell_.input_slot, scales[0], row.gates);
    back(vectors_, cell_.product_slot, scales[1], row.gates_h);
  }

  // Collects pointers to the inputs of the backward pass of step s, one entry per row, and copies
  // what the gradients of the weights need to the history, from row `base`.
  void gather(const Share& share, const Part& part, int64_t s, int64_t base) const {
    const int64_t lda = ld(history_width());
    T* past = part.history.get() + base * lda;
    for (int64_t j = 0; j < share.active(s); ++j, past += lda) {
      const int64_t b = share.row(j), t = schedule.time_of(b, s);
      const int64_t xt = b * p_.time + schedule.input_time(t);
      BackwardRow<T>& row = part.rows.get()[j];
      row.activation = p_.activation;
      row.recurrent_activation = p_.recurrent_activation;
      row.units = p_.hidden;
      row.weights = vectors.get();
      row.saved = a.saved + (s * p_.batch + b) * saved_width();
      row.h = output_row(b, s);
      row.previous_h = s > 0 ? output_row(b, s - 1) : a.initial[0] + b * p_.hidden;
      row.previous_saved = s > 0;
      for (int k = 1; k < cell_.states; ++k) {
        row.previous[k] = s > 0 ? a.saved + ((s - 1) * p_.batch + b) * saved_width() +
                                      (cell_.saved - cell_.states + k) * L
                                : a.initial[k] + b * p_.units;
      }
      for (int k = 0; k < cell_.drawn; ++k) row.drawn[k] = drawn_row(a.drawn[k], t, b);
      row.d_output =
          a.d_outputs == nullptr ? nullptr : a.d_outputs + (b * p_.time + t) * p_.hidden;
      row.repeats = p_.zero_output_for_mask ? 1 : schedule.time_of(b, s + 1) - t;
      part.dx.get()[base + j] = a.d_x + xt * p_.input;
      std::memcpy(past, a.x + xt * p_.input, p_.input * sizeof(T));
      past[p_.input] = T(1);
      std::memcpy(past + p_.input + 1, row.previous_h, depth_ * sizeof(T));
      if (cell_.biases() > 1) past[p_.input + 1 + depth_] = T(1);
      if (!cell_.second) continue;
      row.inner = row.saved + saved_inner();
      T* factor = part.second_history.get() + (base + j) * ld(second_width());
      std::memcpy(factor, row.inner, p_.units * sizeof(T));
      if (cell_.second_bias) factor[p_.units] = T(1);
    }
  }

  const T* output_row(int64_t b, int64_t s) const {
    if (p_.return_sequences) return a.outputs + (b * p_.time + schedule.time_of(b, s)) * p_.hidden;
    return a.saved + (s * p_.batch + b) * saved_width() + saved_h();
  }

  // Adds up row m of the sums of all shares and writes it to the gradient of its weight. The rows
  // after the history's are the further weights.
  void write_sum(int64_t m) const {
    const Weights<T>& d = a.d_weights;
    if (m >= history_width()) return write_vector(static_cast<int>(m - history_width()));
    int vectors = vectors_;
    T* out;
    if (m < p_.input) {
      out = d.kernel + m * columns();
    } else if (m == p_.input) {
      out = d.bias;
    } else if (m <= p_.input + depth_) {
      vectors = recurrent_vectors_;
      out = d.recurrent + (m - p_.input - 1) * (columns() - cell_.input_blocks * p_.units);
    } else {
      out = d.bias == nullptr ? nullptr : d.bias + columns();
    }
    if (out == nullptr) return;
    for (int64_t p = 0; p < panels_; ++p) {
      for (int v = 0; v < vectors; ++v) {
        const int64_t n = columns_of(p, v);
        if (n == 0) continue;
        const int64_t at = ((p * history_width() + m) * vectors_ + v) * L;
        Vector<T> sum = load(parts_of_team[0].sums.get() + at);
        for (int k = 1; k < shares(); ++k) sum += load(parts_of_team[k].sums.get() + at);
        store_some(out + column(p, v, 0), sum, static_cast<int>(n));
      }
    }
  }

  void write_vector(int k) const {
    for (int64_t unit = 0; unit < p_.units; unit += L) {
      const int64_t at = unit * cell_.vectors + k * L;
      Vector<T> sum = load(parts_of_team[0].vector_sums.get() + at);
      for (int i = 1; i < shares(); ++i) sum += load(parts_of_team[i].vector_sums.get() + at);
      store_some(a.d_weights.vectors + k * p_.units + unit, sum,
                 static_cast<int>(std::min<int64_t>(L, p_.units - unit)));
    }
  }

  // The same as `write_sum` for row m of the second product's weight and bias.
  void write_second_sum(int64_t m) const {
    const Weights<T>& d = a.d_weights;
    T* out = m < p_.units ? d.second + m * p_.hidden : d.second_bias;
    if (out == nullptr) return;
    const int64_t wide = to_h_.vectors * L;
    for (int64_t unit = 0; unit < p_.hidden; unit += L) {
      const int64_t at = (unit / wide * second_width() + m) * wide + unit % wide;
      Vector<T> sum = load(parts_of_team[0].second_sums.get() + at);
      for (int i = 1; i < shares(); ++i) sum += load(parts_of_team[i].second_sums.get() + at);
      store_some(out + unit, sum, static_cast<int>(std::min<int64_t>(L, p_.hidden - unit)));
    }
  }

  const BackwardArguments<T> a;
  const Schedule schedule;
  const std::vector<Share> hands;
  const Panels to_x, to_units;
  const int64_t state_stride;
  const Matrix<F> kernel, recurrent, second;
  const Buffer<T> vectors;
  const int64_t target;
  std::vector<Part> parts_of_team;
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_BACKWARD_H_
