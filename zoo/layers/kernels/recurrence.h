// A recurrent layer over whole sequences, forward and backward, for any cell.
//
// Rows of a batch are independent, so each thread runs some of the rows through time on its own. If
// there are too few rows, the threads split the units instead, and each step is a phase of their
// team.
// Masked steps are skipped: a row is the list of its unmasked steps, and rows that end early drop
// out of the products.
//
// Weight columns are packed into panels. Panel p holds one vector per block for the units
// p * L ... p * L + L - 1 (with a single block, several vectors of units), so that one tile of
// registers has everything these units need. Columns past the last unit are zero.

#ifndef ZOO_LAYERS_KERNELS_RECURRENCE_H_
#define ZOO_LAYERS_KERNELS_RECURRENCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <vector>

#include "cell.h"
#include "products.h"
#include "schedule.h"
#include "simd.h"
#include "threads.h"

namespace zoo {

// `units` is the size of a block of the weights and of the states but h, whose size is `hidden`.
// They differ only for cells with a second product.
struct Problem {
  int64_t batch, time, input, units, hidden;
  Activation activation = Activation::kTanh;
  Activation recurrent_activation = Activation::kSigmoid;
  bool go_backwards = false;
  bool zero_output_for_mask = false;
  bool return_sequences = true;
};

// Layouts are those of Keras: kernel [input, blocks * units], recurrent [hidden, blocks * units]
// without the input blocks, bias [blocks * units] or, with separate blocks, [2, blocks * units];
// vectors [vectors, units]; second [units, hidden], second_bias [hidden]. What is missing is null.
template <class T>
struct Weights {
  T *kernel, *recurrent, *bias, *vectors, *second, *second_bias;
};

// Numbers that come with the input: [time, batch, units], in processing order. A stride of zero
// repeats them.
template <class T>
struct Drawn {
  const T* data;
  int64_t time_stride, row_stride;
};

// x is [batch, time, input], mask is [batch, time] or null, and a state is [batch, its size].
template <class T>
struct ForwardArguments {
  const T* x;
  const bool* mask;
  Weights<const T> weights;
  const T* initial[kMaxStates];
  Drawn<T> drawn[kMaxDrawn];
  T* outputs;  // [batch, time, hidden], or null without return_sequences
  T* last;
  T* finals[kMaxStates];
  T* saved;  // [time, batch, saved_width], or null if no gradient is needed
};

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

template <class T>
class Recurrence {
 public:
  static constexpr int L = kLanes<T>;

  // `threads` is the number of threads in the pool.
  Recurrence(const Cell<T>& cell, const Problem& problem, int threads)
      : cell_(cell),
        p_(problem),
        vectors_(cell.blocks > 1 ? cell.blocks : panel_vectors<T>(problem.units)),
        recurrent_vectors_(vectors_ - cell.input_blocks),
        panel_(vectors_ * L),
        panel_units_(cell.blocks > 1 ? L : panel_),
        panels_(divide_up(problem.units, panel_units_)),
        padded_units_(panels_ * panel_units_),
        width_(panels_ * panel_),
        depth_(cell.recurrent ? problem.hidden : 0),
        to_h_(panels_of<T>(problem.hidden)),
        padded_hidden_(cell.second ? to_h_.padded : padded_units_) {
    const double products = 2.0 * p_.batch * p_.time *
                            (width_ * (p_.input + depth_) + second_depth() * p_.hidden);
    if (products < 2e6) threads = 1;
    // If the weights exceed a core's cache, each core should read a part of them rather than all.
    const int64_t most_rows = width_ * depth_ * sizeof(T) > (1 << 20) ? 32 : 4;
    // A row that is standardized has to stay whole.
    split_units_ = !cell.normalizes && threads > 1 && p_.batch < most_rows * threads && panels_ > 1;
    const int64_t most_parts = std::min<int64_t>(threads, split_units_ ? panels_ : p_.batch);
    parts_ = static_cast<int>(std::max<int64_t>(1, most_parts));
  }

  // What each step of each row saves: the vectors of the cell for all units, then the factor of the
  // second product, then h if outputs do not hold it.
  int64_t saved_width() const { return saved_h() + (p_.return_sequences ? 0 : padded_hidden_); }

  void forward(const Pool& pool, const ForwardArguments<T>& a) const {
    run_in_team(pool, parts_, std::make_shared<const Forward>(*this, a));
  }

  void backward(const Pool& pool, const BackwardArguments<T>& a) const {
    run_in_team(pool, parts_, std::make_shared<const Backward>(*this, a));
  }

 private:
  static int64_t ld(int64_t n) { return padded_stride<T>(n); }

  int64_t saved_inner() const { return padded_units_ * cell_.saved; }
  // The scales of the standardized input, product and state.
  int64_t saved_scales() const { return saved_inner() + (cell_.second ? padded_units_ : 0); }
  int64_t saved_h() const { return saved_scales() + (cell_.normalizes ? 3 : 0); }
  int64_t second_depth() const { return cell_.second ? p_.units : 0; }
  // The width of a history row of the second product: its factor and, for its bias, 1.
  int64_t second_width() const { return second_depth() + cell_.second_bias; }

  // The width of a history row, the factor that turns the gradients of the pre-activations into
  // those of the weights: x, 1, the previous h and, for a second bias, 1.
  int64_t history_width() const { return p_.input + cell_.biases() + depth_; }

  // The buffers of a part. A part has its own share of the rows, or all parts use the first share.
  struct ForwardPart {
    Buffer<T> x, products, projected, h, states, inner, x_scales;
    Buffer<T*> outputs, saved, none;
    Buffer<const T*> drawn;
  };

  struct BackwardPart {
    Buffer<T> history, products, state, gates, sums, vector_sums;
    Buffer<T> second_history, d_second, d_inner, second_sums;
    Buffer<BackwardRow<T>> rows;
    Buffer<T*> dx;
  };

  struct Forward;
  struct Backward;

  int shares() const { return split_units_ ? 1 : parts_; }

  // Runs fn(share, team) for all shares: one per thread, or a single one for the whole team.
  template <class F>
  void each_share(Team::Member& team, const F& fn) const {
    if (split_units_) return fn(0, team);
    team.each([&](int k) {
      Team alone(1);
      Team::Member member(alone, 0);
      fn(k, member);
    });
  }

  int64_t columns() const { return cell_.blocks * p_.units; }

  // The weight column at a position in a panel, or -1 for padding.
  int64_t column(int64_t panel, int v, int l) const {
    const bool one_block = cell_.blocks == 1;
    const int64_t unit = panel * panel_units_ + (one_block ? v * L + l : l);
    if (unit >= p_.units) return -1;
    return one_block ? unit : v * p_.units + unit;
  }

  // The number of columns from column(panel, v, 0) that belong to the vector.
  int64_t columns_of(int64_t panel, int v) const {
    const int64_t unit = panel * panel_units_ + (cell_.blocks == 1 ? v * L : 0);
    return std::clamp<int64_t>(p_.units - unit, 0, L);
  }

  // Packs the first `vectors` vectors of the panels; the weights have no columns for the others.
  void pack(const T* weights, int64_t rows, int vectors, int64_t from, int64_t to,
            T* packed) const {
    const int64_t columns = this->columns() - (vectors_ - vectors) * p_.units;
    for (int64_t p = from; p < to; ++p) {
      for (int64_t k = 0; k < rows; ++k) {
        for (int v = 0; v < vectors; ++v) {
          T* out = packed + ((p * rows + k) * vectors + v) * L;
          const int64_t first = column(p, v, 0), n = columns_of(p, v);
          if (n == L) {
            store(out, load(weights + k * columns + first));
          } else {
            for (int l = 0; l < L; ++l) out[l] = l < n ? weights[k * columns + first + l] : T(0);
          }
        }
      }
    }
  }

  // Packs a matrix without blocks, or zeros for null, into panels.
  static void pack_plain(const T* weights, int64_t rows, int64_t columns, const Panels& to,
                         int piece, int pieces, T* packed) {
    const int64_t wide = to.vectors * L;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int64_t k = 0; k < rows; ++k) {
        for (int64_t n = 0; n < wide; ++n) {
          const int64_t c = q * wide + n;
          packed[(q * rows + k) * wide + n] =
              weights != nullptr && c < columns ? weights[k * columns + c] : T(0);
        }
      }
    }
  }

  // Packs its transpose into panels of its rows: packed[q][column][n].
  static void pack_plain_transposed(const T* weights, int64_t rows, int64_t columns,
                                    const Panels& to, int piece, int pieces, T* packed) {
    const int64_t wide = to.vectors * L;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int64_t c = 0; c < columns; ++c) {
        for (int64_t n = 0; n < wide; ++n) {
          const int64_t k = q * wide + n;
          packed[(q * columns + c) * wide + n] = k < rows ? weights[k * columns + c] : T(0);
        }
      }
    }
  }

  // The second bias, of the recurrent product, is added to the first except in separate blocks.
  void pack_bias(const T* bias, int64_t from, int64_t to, T* packed, T* recurrent) const {
    const int added = vectors_ - cell_.separate_blocks;
    for (int64_t p = from; p < to; ++p) {
      for (int v = 0; v < vectors_; ++v) {
        for (int l = 0; l < L; ++l) {
          const int64_t c = bias == nullptr ? -1 : column(p, v, l);
          T* at = packed + (p * vectors_ + v) * L + l;
          *at = c < 0 ? T(0) : bias[c];
          if (cell_.separate_blocks == 0) continue;
          const T second = c < 0 ? T(0) : bias[columns() + c];
          if (v < added) {
            *at += second;
          } else {
            recurrent[(p * cell_.separate_blocks + v - added) * L + l] = second;
          }
        }
      }
    }
  }

  // Packs the further weights of the units from `unit0` on: packed[unit / L][vector][L].
  void pack_vectors(const T* vectors, int64_t unit0, int64_t unit1, T* packed) const {
    for (int64_t unit = unit0; unit < unit1; unit += L) {
      for (int k = 0; k < cell_.vectors; ++k) {
        const int left = static_cast<int>(p_.units - unit);
        const T* from = vectors + k * p_.units + unit;
        store(packed + unit * cell_.vectors + k * L, left > 0 ? load_some(from, left) : Vector<T>{});
      }
    }
  }

  void run_forward(const Forward& w, const Share& share, const ForwardPart* parts,
                   Team::Member& team) const {
    const ForwardArguments<T>& a = w.a;
    const Schedule& schedule = w.schedule;
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
      s1 = share.run_end(s0, w.target, &count);
      const auto run_step = [&](int part, int64_t s, T* inputs) {
        if (cell_.normalizes) {
          run_normalized(w, share, *parts, s, inputs);
          for (int64_t j = share.active(s + 1); j < share.active(s); ++j) write(part, j, s + 1);
          return;
        }
        const int64_t n = share.active(s), from = first_panel(part), to = first_panel(part + 1);
        ForwardPanel<T> panel = gather_forward(w, share, parts[part], s);
        panel.h = h_at(s);
        panel.next_h = h_at(s + 1);
        for (int k = 1; k < cell_.states; ++k) panel.states[k] = state_at(k);
        if (cell_.second) {
          panel.next_h = parts->inner.get();
          panel.outputs = parts[part].none.get();
          panel.saved_h = saved_inner();
          hand(parts->inner.get(), rows, &panel);
        }
        const ZigZag walk(from, to, s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t p = walk.at(i), wide = recurrent_vectors_ * L, size = depth_ * wide;
          T* x_panel = inputs + p * panel_;
          if (cell_.recurrent) {
            product<false>(recurrent_vectors_, n, panel.h, ldh, w.recurrent.get() + p * size, wide,
                           depth_, cell_.separate() ? nullptr : x_panel, panel.x_stride,
                           panel.products, wide, w.recurrent.get() + walk.after(i) * size);
          } else {
            panel.products = x_panel;
          }
          panel.x = x_panel;
          panel.unit = p * panel_units_;
          panel.recurrent_bias = w.recurrent_bias.get() + p * cell_.separate_blocks * L;
          panel.weights = w.vectors.get() + panel.unit * cell_.vectors;
          cell_.forward(panel);
        }
        if (cell_.second) return;
        for (int64_t j = share.active(s + 1); j < n; ++j) write(part, j, s + 1);
      };
      // The second product of the step, and what follows it.
      const auto finish_step = [&](int part, int64_t s) {
        const int64_t n = share.active(s), wide = to_h_.vectors * L;
        ForwardPanel<T> panel = gather_forward(w, share, parts[part], s);
        panel.h = h_at(s);
        panel.next_h = h_at(s + 1);
        panel.vectors = to_h_.vectors;
        panel.products_stride = wide;
        panel.units = p_.hidden;
        const T* inner = parts->inner.get();
        hand(parts->inner.get(), rows, &panel);
        const ZigZag walk(first_second(part), first_second(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t q = walk.at(i), size = p_.units * wide;
          const T* init = cell_.handed > 0 ? panel.handed[0] + q * wide
                                           : w.second_bias.get() + q * wide;
          product<false>(to_h_.vectors, n, inner, ldh, w.second.get() + q * size, wide, p_.units,
                         init, cell_.handed > 0 ? ldh : 0, panel.products, wide,
                         w.second.get() + walk.after(i) * size);
          panel.unit = q * wide;
          cell_.finish(panel);
        }
        for (int64_t j = share.active(s + 1); j < n; ++j) write(part, j, s + 1);
      };
      const auto project_inputs = [&](int part) {
        project(w, share, parts[part].x.get(), s0, s1, count, first_panel(part),
                first_panel(part + 1), parts->projected.get());
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
      for (int64_t j = 0; j < rows; ++j) fill_masked(a, schedule, share.row(j), from, count);
    });
  }

  // A step of a cell that normalizes, which has all rows and units of a share. `inputs` are the
  // standardized ones.
  void run_normalized(const Forward& w, const Share& share, const ForwardPart& part, int64_t s,
                      T* inputs) const {
    const int64_t n = share.active(s), ldw = ld(width_), ldh = state_stride();
    const int64_t rows = share.size(), first_row = (inputs - part.projected.get()) / ldw;
    const int left = static_cast<int>(p_.units - (panels_ - 1) * L);
    ForwardPanel<T> panel = gather_forward(w, share, part, s);
    panel.h = part.h.get() + s % 2 * rows * ldh;
    panel.next_h = part.h.get() + (s + 1) % 2 * rows * ldh;
    for (int k = 1; k < cell_.states; ++k) panel.states[k] = part.states.get() + (k - 1) * rows * ldh;
    panel.standardized = part.inner.get();
    panel.products_stride = ldw;
    const auto each_panel = [&](const auto& fn) {
      for (int64_t p = 0; p < panels_; ++p) {
        panel.products = part.products.get() + p * panel_;
        panel.x = inputs + p * panel_;
        panel.unit = p * panel_units_;
        panel.weights = w.vectors.get() + panel.unit * cell_.vectors;
        fn(p);
      }
    };
    each_panel([&](int64_t p) {
      product<false>(vectors_, n, panel.h, ldh, w.recurrent.get() + p * depth_ * panel_, panel_,
                     depth_, static_cast<const T*>(nullptr), 0, panel.products, ldw);
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

  // Rows of states, of factors of the second product and of h all have this stride.
  int64_t state_stride() const { return ld(std::max(padded_units_, padded_hidden_)); }

  // Lets the panel find what is handed from the first part of a step to the second one.
  void hand(T* inner, int64_t rows, ForwardPanel<T>* panel) const {
    for (int k = 0; k < cell_.handed; ++k) {
      panel->handed[k] = inner + (k + 1) * rows * state_stride();
    }
  }

  // Collects what the panels of step s have in common, with pointers for each row.
  ForwardPanel<T> gather_forward(const Forward& w, const Share& share, const ForwardPart& part,
                                 int64_t s) const {
    const ForwardArguments<T>& a = w.a;
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
      const int64_t b = share.row(j), t = w.schedule.time_of(b, s);
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

  static const T* drawn_row(const Drawn<T>& drawn, int64_t t, int64_t b) {
    return drawn.data + t * drawn.time_stride + b * drawn.row_stride;
  }

  // Projects the inputs of the steps s0 ... s1 - 1, `count` rows, for the panels `from` to
  // `to` - 1.
  void project(const Forward& w, const Share& share, T* x, int64_t s0, int64_t s1, int64_t count,
               int64_t from, int64_t to, T* projected) const {
    const int64_t ldx = ld(p_.input), size = p_.input * panel_;
    T* row = x;
    for (int64_t s = s0; s < s1; ++s) {
      for (int64_t j = 0; j < share.active(s); ++j, row += ldx) {
        const int64_t b = share.row(j), t = w.schedule.input_time(w.schedule.time_of(b, s));
        std::memcpy(row, w.a.x + (b * p_.time + t) * p_.input, p_.input * sizeof(T));
      }
    }
    for (int64_t p = from; p < to; ++p) {
      product<false>(vectors_, count, x, ldx, w.kernel.get() + p * size, panel_, p_.input,
                     w.bias.get() + p * panel_, 0, projected + p * panel_, ld(width_));
    }
  }

  // Whether the last output of a row is its last unmasked one, as in Keras, and not zeros.
  bool keeps_last(const Schedule& schedule, int64_t b) const {
    const int64_t length = schedule.length(b);
    if (length == 0) return false;
    return !p_.zero_output_for_mask || schedule.time_of(b, length - 1) == p_.time - 1;
  }

  void fill_masked(const ForwardArguments<T>& a, const Schedule& schedule, int64_t b,
                   int64_t first, int64_t count) const {
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

  // Packs the transpose into panels of its own columns: packed[q][weight column][n]. Vectors of a
  // panel past the first `vectors` are zero.
  void pack_transposed(const T* weights, int64_t rows, int vectors, const Panels& to, int piece,
                       int pieces, T* packed) const {
    const int64_t wide = to.vectors * L, columns = this->columns() - (vectors_ - vectors) * p_.units;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int64_t n = 0; n < wide; ++n) {
        T* out = packed + q * width_ * wide + n;
        const int64_t row = q * wide + n;
        for (int64_t p = 0; p < panels_; ++p) {
          for (int v = 0; v < vectors_; ++v) {
            for (int l = 0; l < L; ++l, out += wide) {
              const int64_t c = row < rows && v < vectors ? column(p, v, l) : -1;
              *out = c < 0 ? T(0) : weights[row * columns + c];
            }
          }
        }
      }
    }
  }

  void run_backward(const Backward& w, const Share& share, const BackwardPart* parts,
                    Team::Member& team) const {
    const BackwardArguments<T>& a = w.a;
    const Schedule& schedule = w.schedule;
    const bool separate = cell_.separate();
    const int64_t rows = share.size(), ldg = ld(width_), lds = w.state_stride;
    const int64_t lda = ld(history_width()), lds2 = ld(to_h_.padded), lda2 = ld(second_width());
    const int64_t wide = to_h_.vectors * L, x_wide = w.to_x.vectors * L;
    const int64_t wide_units = w.to_units.vectors * L;
    const auto d_state_at = [&](int k) { return parts->state.get() + k * rows * lds; };
    T* const dh = d_state_at(0);
    T* const gates = parts->gates.get();
    T* const sums = parts->sums.get();
    T* const d_vectors = parts->vector_sums.get();
    T* const d_vectors_of_chunk = d_vectors + padded_units_ * cell_.vectors;
    T* const d_second = parts->d_second.get();
    T* const d_inner = parts->d_inner.get();
    T* const second_sums = parts->second_sums.get();
    // The units of a part are whole panels of the product that computes dh, so a part reads only
    // what it wrote.
    const auto first_h = [&](int part) { return to_h_.count * part / team.size(); };
    const auto first_units = [&](int part) { return w.to_units.count * part / team.size(); };
    const auto first_x = [&](int part) { return w.to_x.count * part / team.size(); };
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
      for (s0 = s1; s0 > 0 && count < w.target; --s0) count += share.active(s0 - 1);
      T* const gates_h = gates + (separate ? count * ldg : 0);
      // Backpropagates through the recurrent product of step s, whose rows start at `base`.
      const auto product_back = [&](int part, int64_t s, int64_t base) {
        const ZigZag walk(first_h(part), first_h(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t size = width_ * wide;
          T* out = dh + walk.at(i) * wide;
          product<false>(to_h_.vectors, share.active(s), gates_h + base * ldg, ldg,
                         w.recurrent.get() + walk.at(i) * size, wide, width_,
                         cell_.keeps_h ? out : nullptr, lds, out, lds,
                         w.recurrent.get() + walk.after(i) * size);
        }
      };
      // The backward pass of step s, without the recurrent product, or the part of it before the
      // second product.
      const auto step_back = [&](int part, int64_t s, int64_t base) {
        gather_backward(w, share, parts[part], s, base);
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
            cell_.finish_backward(row, std::min(end, first_h(part) * wide),
                                  std::min(end, first_h(part + 1) * wide));
          } else {
            cell_.backward(row, first_panel(part) * panel_units_,
                           first_panel(part + 1) * panel_units_);
          }
        }
      };
      // Backpropagates through the second product, and the rest of the step.
      const auto second_back = [&](int part, int64_t s, int64_t base) {
        const ZigZag walk(first_units(part), first_units(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t size = p_.hidden * wide_units;
          product<false>(w.to_units.vectors, share.active(s), d_second + base * lds2, lds2,
                         w.second.get() + walk.at(i) * size, wide_units, p_.hidden,
                         static_cast<const T*>(nullptr), 0, d_inner + walk.at(i) * wide_units,
                         lds, w.second.get() + walk.after(i) * size);
        }
        for (int64_t j = 0; j < share.active(s); ++j) {
          BackwardRow<T>& row = parts[part].rows.get()[j];
          row.d_result = d_inner + j * lds;
          row.d_output = nullptr;
          row.units = p_.units;
          cell_.backward(row, first_panel(part) * panel_units_,
                         first_panel(part + 1) * panel_units_);
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
          product<false>(w.to_x.vectors, count, gates, ldg, w.kernel.get() + q * width_ * x_wide,
                         x_wide, width_, static_cast<const T*>(nullptr), 0, products, x_wide);
          const int64_t n = std::min(x_wide, p_.input - q * x_wide);
          for (int64_t m = 0; m < count; ++m) {
            std::memcpy(dx[m] + q * x_wide, products + m * x_wide, n * sizeof(T));
          }
        }
        const int64_t split = separate ? p_.input + 1 : history_width();
        for (int64_t p = first_panel(part); p < first_panel(part + 1); ++p) {
          T* sum = sums + p * history_width() * panel_;
          product<true>(vectors_, split, history, lda, gates + p * panel_, ldg, count,
                        first_sum ? nullptr : sum, panel_, sum, panel_);
          if (separate) {
            T* more = sum + split * panel_;
            product<true>(vectors_, history_width() - split, history + split, lda,
                          gates_h + p * panel_, ldg, count, first_sum ? nullptr : more, panel_,
                          more, panel_);
          }
        }
        if (cell_.second) {
          const T* factors = parts[part].second_history.get();
          for (int64_t q = first_h(part); q < first_h(part + 1); ++q) {
            T* sum = second_sums + q * second_width() * wide;
            product<true>(to_h_.vectors, second_width(), factors, lda2, d_second + q * wide, lds2,
                          count, first_sum ? nullptr : sum, wide, sum, wide);
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

  // Collects pointers to the inputs of the backward pass of step s, one entry per row, and copies what
  // the gradients of the weights need to the history, from row `base`.
  void gather_backward(const Backward& w, const Share& share, const BackwardPart& part, int64_t s,
                       int64_t base) const {
    const BackwardArguments<T>& a = w.a;
    const int64_t lda = ld(history_width());
    T* past = part.history.get() + base * lda;
    for (int64_t j = 0; j < share.active(s); ++j, past += lda) {
      const int64_t b = share.row(j), t = w.schedule.time_of(b, s);
      const int64_t xt = b * p_.time + w.schedule.input_time(t);
      BackwardRow<T>& row = part.rows.get()[j];
      row.activation = p_.activation;
      row.recurrent_activation = p_.recurrent_activation;
      row.units = p_.hidden;
      row.weights = w.vectors.get();
      row.saved = a.saved + (s * p_.batch + b) * saved_width();
      row.h = output_row(a, w.schedule, b, s);
      row.previous_h = s > 0 ? output_row(a, w.schedule, b, s - 1) : a.initial[0] + b * p_.hidden;
      row.previous_saved = s > 0;
      for (int k = 1; k < cell_.states; ++k) {
        row.previous[k] = s > 0 ? a.saved + ((s - 1) * p_.batch + b) * saved_width() +
                                      (cell_.saved - cell_.states + k) * L
                                : a.initial[k] + b * p_.units;
      }
      for (int k = 0; k < cell_.drawn; ++k) row.drawn[k] = drawn_row(a.drawn[k], t, b);
      row.d_output =
          a.d_outputs == nullptr ? nullptr : a.d_outputs + (b * p_.time + t) * p_.hidden;
      row.repeats = p_.zero_output_for_mask ? 1 : w.schedule.time_of(b, s + 1) - t;
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

  const T* output_row(const BackwardArguments<T>& a, const Schedule& schedule, int64_t b,
                      int64_t s) const {
    if (p_.return_sequences) return a.outputs + (b * p_.time + schedule.time_of(b, s)) * p_.hidden;
    return a.saved + (s * p_.batch + b) * saved_width() + saved_h();
  }

  // Adds up row m of the sums of all shares and writes it to the gradient of its weight. The rows
  // after the history's are the further weights.
  void write_sum(const Backward& w, int64_t m) const {
    const Weights<T>& d = w.a.d_weights;
    if (m >= history_width()) return write_vector(w, static_cast<int>(m - history_width()));
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
        Vector<T> sum = load(w.parts[0].sums.get() + at);
        for (int k = 1; k < shares(); ++k) sum += load(w.parts[k].sums.get() + at);
        store_some(out + column(p, v, 0), sum, static_cast<int>(n));
      }
    }
  }

  void write_vector(const Backward& w, int k) const {
    for (int64_t unit = 0; unit < p_.units; unit += L) {
      const int64_t at = unit * cell_.vectors + k * L;
      Vector<T> sum = load(w.parts[0].vector_sums.get() + at);
      for (int i = 1; i < shares(); ++i) sum += load(w.parts[i].vector_sums.get() + at);
      store_some(w.a.d_weights.vectors + k * p_.units + unit, sum,
                 static_cast<int>(std::min<int64_t>(L, p_.units - unit)));
    }
  }

  // The same for row m of the second product's weight and bias.
  void write_second_sum(const Backward& w, int64_t m) const {
    const Weights<T>& d = w.a.d_weights;
    T* out = m < p_.units ? d.second + m * p_.hidden : d.second_bias;
    if (out == nullptr) return;
    const int64_t wide = to_h_.vectors * L;
    for (int64_t unit = 0; unit < p_.hidden; unit += L) {
      const int64_t at = (unit / wide * second_width() + m) * wide + unit % wide;
      Vector<T> sum = load(w.parts[0].second_sums.get() + at);
      for (int i = 1; i < shares(); ++i) sum += load(w.parts[i].second_sums.get() + at);
      store_some(out + unit, sum, static_cast<int>(std::min<int64_t>(L, p_.hidden - unit)));
    }
  }

  const Cell<T>& cell_;
  Problem p_;
  int vectors_;  // per panel: one per block, or for one block the number with the least padding
  int recurrent_vectors_;  // the first ones, in the recurrent product
  int64_t panel_, panel_units_, panels_, padded_units_, width_;
  int64_t depth_;  // of the recurrent product; zero without one
  Panels to_h_;    // of the products whose columns are those of h
  int64_t padded_hidden_;
  int parts_;  // of the team's work
  bool split_units_;
};

// The data that the members of a team share in a forward pass.
template <class T>
struct Recurrence<T>::Forward {
  Forward(const Recurrence& recurrence, const ForwardArguments<T>& arguments)
      : r(recurrence),
        a(arguments),
        schedule(r.p_.batch, r.p_.time, r.p_.go_backwards, a.mask),
        shares(deal(schedule, r.p_.batch, r.shares())),
        kernel(r.width_ * r.p_.input),
        recurrent(r.panels_ * r.recurrent_vectors_ * L * r.depth_),
        second(r.to_h_.padded * r.second_depth()),
        second_bias(r.cell_.second ? r.to_h_.padded : 0),
        bias(r.width_),
        recurrent_bias(r.panels_ * r.cell_.separate_blocks * L),
        vectors(r.padded_units_ * r.cell_.vectors),
        target(std::max<int64_t>(128, (512 << 10) / (r.width_ * sizeof(T)))),
        parts(r.parts_) {
    for (int k = 0; k < r.parts_; ++k) {
      const Share& share = shares[r.split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * r.p_.time);
      ForwardPart& part = parts[k];
      part.x = Buffer<T>(chunk * ld(r.p_.input));
      const int64_t wide = r.cell_.normalizes ? ld(r.width_)
                           : r.cell_.second   ? std::max<int64_t>(r.panel_, r.to_h_.vectors * L)
                                              : r.panel_;
      part.products = Buffer<T>(rows * wide);
      part.x_scales = Buffer<T>(r.cell_.normalizes ? chunk : 0);
      part.outputs = Buffer<T*>(rows);
      part.saved = Buffer<T*>(rows);
      part.drawn = Buffer<const T*>(rows * r.cell_.drawn);
      part.none = Buffer<T*>(rows);
      std::fill(part.none.get(), part.none.get() + rows, nullptr);
      if (r.split_units_ && k > 0) continue;
      part.projected = Buffer<T>(chunk * ld(r.width_));
      part.h = Buffer<T>(2 * rows * r.state_stride());
      part.states = Buffer<T>((r.cell_.states - 1) * rows * r.state_stride());
      part.inner = Buffer<T>((1 + r.cell_.handed) * rows * r.state_stride());
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      const int64_t from = r.panels_ * i / r.parts_, to = r.panels_ * (i + 1) / r.parts_;
      r.pack(a.weights.kernel, r.p_.input, r.vectors_, from, to, kernel.get());
      r.pack(a.weights.recurrent, r.depth_, r.recurrent_vectors_, from, to, recurrent.get());
      if (r.cell_.second) {
        pack_plain(a.weights.second, r.p_.units, r.p_.hidden, r.to_h_, i, r.parts_, second.get());
        pack_plain(a.weights.second_bias, 1, r.p_.hidden, r.to_h_, i, r.parts_, second_bias.get());
      }
      r.pack_bias(a.weights.bias, from, to, bias.get(), recurrent_bias.get());
      r.pack_vectors(a.weights.vectors, from * r.panel_units_, to * r.panel_units_, vectors.get());
    });
    r.each_share(team, [&](int k, Team::Member& members) {
      r.run_forward(*this, shares[k], &parts[k], members);
    });
  }

  const Recurrence r;
  const ForwardArguments<T> a;
  const Schedule schedule;
  const std::vector<Share> shares;
  const Buffer<T> kernel, recurrent, second, second_bias, bias, recurrent_bias, vectors;
  const int64_t target;
  std::vector<ForwardPart> parts;
};

// The data that the members of a team share in a backward pass.
template <class T>
struct Recurrence<T>::Backward {
  Backward(const Recurrence& recurrence, const BackwardArguments<T>& arguments)
      : r(recurrence),
        a(arguments),
        schedule(r.p_.batch, r.p_.time, r.p_.go_backwards, a.mask),
        shares(deal(schedule, r.p_.batch, r.shares())),
        to_x(panels_of<T>(r.p_.input)),
        to_units(panels_of<T>(r.p_.units)),
        state_stride(ld(std::max(r.to_h_.padded, to_units.padded))),
        kernel(to_x.padded * r.width_),
        recurrent(r.cell_.recurrent ? r.to_h_.padded * r.width_ : 0),
        second(r.cell_.second ? to_units.padded * r.p_.hidden : 0),
        vectors(r.padded_units_ * r.cell_.vectors),
        target(std::max<int64_t>(256, (512 << 10) / (r.width_ * sizeof(T)))),
        parts(r.parts_) {
    for (int k = 0; k < r.parts_; ++k) {
      const Share& share = shares[r.split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * r.p_.time);
      BackwardPart& part = parts[k];
      part.history = Buffer<T>(chunk * ld(r.history_width()));
      part.products = Buffer<T>(chunk * to_x.vectors * L);
      part.rows = Buffer<BackwardRow<T>>(rows);
      part.dx = Buffer<T*>(chunk);
      if (r.cell_.second) part.second_history = Buffer<T>(chunk * ld(r.second_width()));
      if (r.split_units_ && k > 0) continue;
      part.state = Buffer<T>(r.cell_.states * rows * state_stride);
      part.d_inner = Buffer<T>(rows * state_stride);
      if (r.cell_.second) {
        part.d_second = Buffer<T>(chunk * ld(r.to_h_.padded));
        part.second_sums = Buffer<T>(r.second_width() * r.to_h_.padded);
      }
      part.gates = Buffer<T>((r.cell_.separate() ? 2 : 1) * chunk * ld(r.width_));
      part.sums = Buffer<T>(r.history_width() * r.width_);
      part.vector_sums = Buffer<T>(2 * r.padded_units_ * r.cell_.vectors);
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      r.pack_transposed(a.weights.kernel, r.p_.input, r.vectors_, to_x, i, r.parts_,
                        kernel.get());
      if (r.cell_.recurrent) {
        r.pack_transposed(a.weights.recurrent, r.p_.hidden, r.recurrent_vectors_, r.to_h_, i,
                          r.parts_, recurrent.get());
      }
      if (r.cell_.second) {
        pack_plain_transposed(a.weights.second, r.p_.units, r.p_.hidden, to_units, i, r.parts_,
                              second.get());
      }
      const int64_t from = r.panels_ * i / r.parts_, to = r.panels_ * (i + 1) / r.parts_;
      r.pack_vectors(a.weights.vectors, from * r.panel_units_, to * r.panel_units_, vectors.get());
    });
    r.each_share(team, [&](int k, Team::Member& members) {
      r.run_backward(*this, shares[k], &parts[k], members);
    });
    team.each([&](int i) {
      const int64_t rows = r.history_width() + r.cell_.vectors;
      for (int64_t m = rows * i / r.parts_; m < rows * (i + 1) / r.parts_; ++m) {
        r.write_sum(*this, m);
      }
      const int64_t second_rows = r.second_width();
      for (int64_t m = second_rows * i / r.parts_; m < second_rows * (i + 1) / r.parts_; ++m) {
        r.write_second_sum(*this, m);
      }
    });
  }

  const Recurrence r;
  const BackwardArguments<T> a;
  const Schedule schedule;
  const std::vector<Share> shares;
  const Panels to_x, to_units;
  const int64_t state_stride;
  const Buffer<T> kernel, recurrent, second, vectors;
  const int64_t target;
  std::vector<BackwardPart> parts;
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_RECURRENCE_H_
