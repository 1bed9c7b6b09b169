// The weights and the saved values of a recurrent layer in memory, and how threads share its work.
//
// Weight columns are packed into panels. Panel p holds one vector per block for the units
// p * L ... p * L + L - 1 (with a single block, several vectors of units), so that one tile of
// registers has everything these units need. Columns past the last unit are zero.

#ifndef ZOO_LAYERS_KERNELS_LAYOUT_H_
#define ZOO_LAYERS_KERNELS_LAYOUT_H_

#include <algorithm>
#include <cstdint>

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
// The matrices may have another type. If it is an integer, a column is its integers over its scale.
template <class T, class M = T>
struct Weights {
  M *kernel, *recurrent;
  T *bias, *vectors;
  M* second;
  T* second_bias;
  T *kernel_scale, *recurrent_scale, *second_scale;
};

// Numbers that come with the input: [time, batch, units], in processing order. A stride of zero
// repeats them.
template <class T>
struct Drawn {
  const T* data;
  int64_t time_stride, row_stride;
};

template <class T>
struct Layout {
  static constexpr int L = kLanes<T>;

  // `threads` is the number of threads in the pool.
  Layout(const Cell<T>& cell, const Problem& problem, int threads)
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

  // Rows of states, of factors of the second product and of h all have this stride.
  int64_t state_stride() const { return ld(std::max(padded_units_, padded_hidden_)); }

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

  // Packs the vectors of the panels from `from` to `to` - 1 that a matrix of weights has, the first
  // ones. Padding repeats a column. With zeros, an infinite input would turn it into NaN, and the
  // backward pass would spread it.
  template <class F>
  void pack(const typename F::Weight* weights, const T* scales, int64_t rows, int64_t from,
            int64_t to, const Matrix<F>& packed) const {
    constexpr int G = F::kGroup;
    const int vectors = packed.vectors();
    const int64_t columns = this->columns() - (vectors_ - vectors) * p_.units;
    for (int64_t p = from; p < to; ++p) {
      auto* out = packed.data(p);
      int64_t first[4], n[4];
      for (int v = 0; v < vectors; ++v) {
        first[v] = std::max<int64_t>(column(p, v, 0), 0);
        n[v] = columns_of(p, v);
        if constexpr (F::kScaled) pack_scales(scales + first[v], n[v], packed.scales(p) + v * L);
      }
      for (int64_t k = 0; k < packed.depth() * G; k += G) {
        for (int v = 0; v < vectors; ++v, out += L) {
          F::pack(weights + k * columns + first[v], columns, std::min<int64_t>(G, rows - k), n[v],
                  out);
        }
      }
    }
  }

  // Packs a matrix without blocks into panels.
  template <class F>
  static void pack_plain(const typename F::Weight* weights, const T* scales, int64_t rows,
                         int64_t columns, const Panels& to, int piece, int pieces,
                         const Matrix<F>& packed) {
    constexpr int G = F::kGroup;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int v = 0; v < to.vectors; ++v) {
        const int64_t c = (q * to.vectors + v) * L, n = std::clamp<int64_t>(columns - c, 0, L);
        const int64_t first = n > 0 ? c : 0;
        for (int64_t k = 0; k < packed.depth(); ++k) {
          F::pack(weights + k * G * columns + first, columns, std::min<int64_t>(G, rows - k * G),
                  n, packed.data(q) + (k * to.vectors + v) * L);
        }
        if constexpr (F::kScaled) pack_scales(scales + first, n, packed.scales(q) + v * L);
      }
    }
  }

  // Products are divided by the scales.
  static void pack_scales(const T* scales, int64_t n, T* packed) {
    for (int l = 0; l < L; ++l) packed[l] = 1 / scales[l < n ? l : 0];
  }

  // Packs a bias without blocks, or zeros for null.
  static void pack_plain_bias(const T* bias, int64_t columns, const Panels& to, int piece,
                              int pieces, T* packed) {
    const int64_t wide = to.vectors * L;
    const int64_t begin = to.count * piece / pieces * wide;
    const int64_t end = to.count * (piece + 1) / pieces * wide;
    for (int64_t c = begin; c < end; ++c) {
      packed[c] = bias != nullptr && c < columns ? bias[c] : T(0);
    }
  }

  // Packs its transpose into panels of its rows: packed[q][column][n].
  template <class F>
  static void pack_plain_transposed(const T* weights, int64_t rows, int64_t columns,
                                    const Panels& to, int piece, int pieces,
                                    const Matrix<F>& packed) {
    constexpr int G = F::kGroup;
    const int64_t wide = to.vectors * L;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      auto* out = reinterpret_cast<typename F::Number*>(packed.data(q));
      for (int64_t c = 0; c < packed.depth() * G; ++c) {
        for (int64_t n = 0; n < wide; ++n) {
          const int64_t k = q * wide + n;
          out[(c / G * wide + n) * G + c % G] =
              F::number(k < rows && c < columns ? weights[k * columns + c] : T(0));
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
        T* to = packed + unit * cell_.vectors + k * L;
        store(to, left > 0 ? load_some(from, left) : Vector<T>{});
      }
    }
  }

  // Packs the transpose into panels of its own columns: packed[q][weight column][n]. Vectors of a
  // panel past the first `vectors` are zero.
  template <class F>
  void pack_transposed(const T* weights, int64_t rows, int vectors, const Panels& to, int piece,
                       int pieces, const Matrix<F>& packed) const {
    constexpr int G = F::kGroup;
    static_assert(L % G == 0);
    const int64_t columns = this->columns() - (vectors_ - vectors) * p_.units;
    const int64_t wide = to.vectors * L;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int64_t n = 0; n < wide; ++n) {
        auto* out = reinterpret_cast<typename F::Number*>(packed.data(q)) + n * G;
        for (int64_t d = width_ / G; d < packed.depth(); ++d) {
          for (int g = 0; g < G; ++g) out[d * wide * G + g] = F::number(T(0));
        }
        const int64_t row = q * wide + n;
        for (int64_t p = 0; p < panels_; ++p) {
          for (int v = 0; v < vectors_; ++v) {
            for (int l = 0; l < L; l += G, out += wide * G) {
              for (int g = 0; g < G; ++g) {
                const int64_t c = row < rows && v < vectors ? column(p, v, l + g) : -1;
                out[g] = F::number(c < 0 ? T(0) : weights[row * columns + c]);
              }
            }
          }
        }
      }
    }
  }

  static const T* drawn_row(const Drawn<T>& drawn, int64_t t, int64_t b) {
    return drawn.data + t * drawn.time_stride + b * drawn.row_stride;
  }

  // Whether the last output of a row is its last unmasked one, as in Keras, and not zeros.
  bool keeps_last(const Schedule& schedule, int64_t b) const {
    const int64_t length = schedule.length(b);
    if (length == 0) return false;
    return !p_.zero_output_for_mask || schedule.time_of(b, length - 1) == p_.time - 1;
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

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_LAYOUT_H_
