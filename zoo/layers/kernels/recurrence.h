// LSTM, GRU and SimpleRNN over whole sequences, forward and backward, without TensorFlow.
//
// Rows of a batch are independent, so each thread runs some of the rows through time on its own. If
// there are too few rows, the threads split the units instead, and each step is a phase of their
// team.
// Masked steps are skipped: a row is the list of its unmasked steps, and rows that end early drop
// out of the products.
//
// Weight columns are packed into panels. Panel p holds one vector per block for the units
// p * L ... p * L + L - 1 (for SimpleRNN, several vectors of units), so that one tile of registers
// has everything these units need. Columns past the last unit are zero.

#ifndef ZOO_LAYERS_KERNELS_RECURRENCE_H_
#define ZOO_LAYERS_KERNELS_RECURRENCE_H_

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <memory>
#include <new>
#include <numeric>
#include <type_traits>
#include <utility>
#include <vector>

#include "simd.h"
#include "threads.h"

namespace zoo {

enum class Family { kLSTM, kGRU, kSimpleRNN };

struct Problem {
  Family family;
  int64_t batch, time, input, units;
  Activation activation = Activation::kTanh;
  Activation recurrent_activation = Activation::kSigmoid;
  bool go_backwards = false;
  bool zero_output_for_mask = false;
  bool return_sequences = true;

  int num_blocks() const {
    return family == Family::kLSTM ? 4 : family == Family::kGRU ? 3 : 1;
  }
};

// Layouts are those of Keras: x [batch, time, input], kernel [input, blocks * units], recurrent
// [units, blocks * units], bias [blocks * units] or, for GRU, [2, 3 * units]. A missing bias, mask
// or cell state is null.
template <class T>
struct ForwardArguments {
  const T *x, *kernel, *recurrent, *bias, *h0, *c0;
  const bool* mask;
  T* outputs;  // [batch, time, units], or null without return_sequences
  T *last, *h, *c;
  T* saved;  // [time, batch, saved_width], or null if no gradient is needed
};

template <class T>
struct BackwardArguments {
  const T *x, *kernel, *recurrent, *h0, *c0;
  const bool* mask;
  const T *outputs, *saved;
  const T *d_outputs, *d_last, *d_h, *d_c;
  T *d_x, *d_kernel, *d_recurrent, *d_bias, *d_h0, *d_c0;
};

// Uninitialised memory, aligned to a cache line.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(int64_t size)
      : data_(static_cast<T*>(::operator new(size * sizeof(T) + 64, std::align_val_t(64)))) {}
  T* get() const { return data_.get(); }

 private:
  struct Free {
    void operator()(T* p) const { ::operator delete(p, std::align_val_t(64)); }
  };
  std::unique_ptr<T, Free> data_;
};

inline int64_t divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

// The number of rows of b that fit into the L1 cache.
template <class T, int W>
constexpr int64_t kBlockRows = 32768 / (W * kVectorBytes);

// The rows of a tile: as many as leave registers for a row of W vectors and a broadcast. Double
// mainly serves to check gradients, so it has few, which compile faster.
template <class T, int W>
constexpr int kTileRows = sizeof(T) == 8     ? 2
                          : kRegisters == 16 ? (W == 4 ? 2 : W == 3 ? 3 : 4)
                          : W == 3           ? 8
                                             : 6;

// The best width, in vectors, of the panels of n columns: the one with the least padding.
template <class T>
int panel_vectors(int64_t n) {
  const int64_t vectors = divide_up(n, kLanes<T>);
  int best = 4;
  for (int v = 3; v >= 1; --v) {
    if (divide_up(vectors, v) * v < divide_up(vectors, best) * best) best = v;
  }
  return best;
}

// out[r][W * L] = init[r][W * L] + sum over k of a[r][k] * b[k][W * L]; with kTransposed, a[k][r]
// replaces a[r][k]. One tile: R rows whose sums stay in registers. A null init is zero.
template <class T, int R, int W, bool kTransposed>
ZOO_INLINE void product_tile(const T* a, int64_t lda, const T* b, int64_t ldb, int64_t depth,
                             const T* init, int64_t ldi, T* out, int64_t ldo, const T* ahead) {
  constexpr int L = kLanes<T>;
  // The gradients of the weights are long sums. Adding init last makes them sums of partial sums,
  // which have smaller rounding errors.
  const bool first = init != nullptr && !kTransposed, last = init != nullptr && kTransposed;
  Vector<T> sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) {
      sum[r][v] = first ? load(init + r * ldi + v * L) : Vector<T>{};
    }
  }
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    Vector<T> row[W];
    __builtin_prefetch(ahead + k * L, 0, 2);
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) row[v] = load(b + k * ldb + v * L);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const Vector<T> scalar = broadcast(kTransposed ? a[k * lda + r] : a[r * lda + k]);
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[r][v] += scalar * row[v];
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) {
      if (last) sum[r][v] += load(init + r * ldi + v * L);
      store(out + r * ldo + v * L, sum[r][v]);
    }
  }
}

// All rows, in tiles of nearly equal height, and in blocks of b that stay in the L1 cache. `next`
// is the b of the next product, or null if it directly follows this b in memory.
template <class T, int W, bool kTransposed>
__attribute__((noinline)) void product(int64_t rows, const T* a, int64_t lda, const T* b,
                                       int64_t ldb, int64_t depth, const T* init, int64_t ldi,
                                       T* out, int64_t ldo, const T* next) {
  constexpr int M = kTileRows<T, W>;
  const int64_t tiles = divide_up(rows, M);
  const int64_t blocks = tiles == 1 || depth == 0 ? 1 : divide_up(depth, kBlockRows<T, W>);
  for (int64_t k = 0; k < blocks; ++k) {
    const int64_t from = depth * k / blocks, n = depth * (k + 1) / blocks - from;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t first = rows * i / tiles, count = rows * (i + 1) / tiles - first;
      const T* a_tile = kTransposed ? a + from * lda + first : a + first * lda + from;
      const T* b_tile = b + from * ldb;
      T* out_tile = out + first * ldo;
      const T* init_tile = k > 0 ? out_tile : init == nullptr ? nullptr : init + first * ldi;
      const int64_t ldi_tile = k > 0 ? ldo : ldi;
      // While the tiles pass over this block, they prefetch the next one, a line at a time.
      const T* then = k + 1 < blocks || next == nullptr ? b_tile + n * ldb : next;
      const T* ahead = then + i * n * kLanes<T>;
      switch (count) {
#define ZOO_CASE(R)                                                                          \
  case R:                                                                                    \
    if constexpr (R <= M) {                                                                  \
      product_tile<T, R, W, kTransposed>(a_tile, lda, b_tile, ldb, n, init_tile, ldi_tile,   \
                                         out_tile, ldo, ahead);                              \
    }                                                                                        \
    break;
        ZOO_CASE(1)
        ZOO_CASE(2)
        ZOO_CASE(3)
        ZOO_CASE(4)
        ZOO_CASE(5)
        ZOO_CASE(6)
        ZOO_CASE(7)
        ZOO_CASE(8)
#undef ZOO_CASE
      }
    }
  }
}

template <bool kTransposed, class T>
void product(int vectors, int64_t rows, const T* a, int64_t lda, const T* b, int64_t ldb,
             int64_t depth, const T* init, int64_t ldi, T* out, int64_t ldo,
             const T* next = nullptr) {
  constexpr auto fixed = [](auto w) {
    return &product<T, decltype(w)::value, kTransposed>;
  };
  using std::integral_constant;
  const auto fn = vectors == 1   ? fixed(integral_constant<int, 1>())
                  : vectors == 2 ? fixed(integral_constant<int, 2>())
                  : vectors == 3 ? fixed(integral_constant<int, 3>())
                                 : fixed(integral_constant<int, 4>());
  fn(rows, a, lda, b, ldb, depth, init, ldi, out, ldo, next);
}

// The numbers from `begin` to `end` - 1, ascending in even rounds and descending in odd ones: a
// round starts with what the previous one used last, while it is still in the cache.
class ZigZag {
 public:
  ZigZag(int64_t begin, int64_t end, int64_t round)
      : first_(round % 2 ? end - 1 : begin), step_(round % 2 ? -1 : 1), count_(end - begin) {}
  int64_t count() const { return count_; }
  int64_t at(int64_t i) const { return first_ + i * step_; }
  // The number after at(i). The last one repeats, because the next round starts with it.
  int64_t after(int64_t i) const { return at(i + 1 < count_ ? i + 1 : i); }

 private:
  int64_t first_, step_, count_;
};

// The unmasked steps of each row of the batch, in processing order.
class Schedule {
 public:
  Schedule(const Problem& problem, const bool* mask)
      : time_(problem.time), backwards_(problem.go_backwards), masked_(mask != nullptr) {
    length_.assign(problem.batch, static_cast<int32_t>(time_));
    if (!masked_) return;
    steps_.resize(problem.batch * time_);
    for (int64_t b = 0; b < problem.batch; ++b) {
      int32_t count = 0;
      for (int64_t t = 0; t < time_; ++t) {
        if (mask[b * time_ + input_time(t)]) steps_[b * time_ + count++] = t;
      }
      length_[b] = count;
    }
  }

  bool masked() const { return masked_; }
  int32_t length(int64_t b) const { return length_[b]; }
  // The output's time index of step s of row b; the sequence length for the step after the last.
  int64_t time_of(int64_t b, int64_t s) const {
    if (!masked_) return s;
    return s < length_[b] ? steps_[b * time_ + s] : time_;
  }
  int64_t input_time(int64_t t) const { return backwards_ ? time_ - 1 - t : t; }

 private:
  int64_t time_;
  bool backwards_, masked_;
  std::vector<int32_t> length_, steps_;
};

// Some rows of the batch, longest first, so that the rows still running are always a prefix.
class Share {
 public:
  Share(const Schedule& schedule, std::vector<int64_t> rows) : rows_(std::move(rows)) {
    std::stable_sort(rows_.begin(), rows_.end(), [&](int64_t a, int64_t b) {
      return schedule.length(a) > schedule.length(b);
    });
    steps_ = rows_.empty() ? 0 : schedule.length(rows_[0]);
    active_.resize(steps_ + 1);
    int64_t n = size();
    for (int64_t s = 0; s <= steps_; ++s) {
      while (n > 0 && schedule.length(rows_[n - 1]) <= s) --n;
      active_[s] = n;
    }
  }

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  int64_t row(int64_t j) const { return rows_[j]; }
  int64_t steps() const { return steps_; }
  int64_t active(int64_t s) const { return active_[s]; }

  // The end of the shortest run of steps from s with at least `target` rows in total, or of all
  // remaining steps. `count` receives the number of rows.
  int64_t run_end(int64_t s, int64_t target, int64_t* count) const {
    for (*count = 0; s < steps_ && *count < target; ++s) *count += active_[s];
    return s;
  }

 private:
  std::vector<int64_t> rows_;
  int64_t steps_;
  std::vector<int64_t> active_;
};

// Deals out the rows by length in zigzag order, so that all shares have about as many steps.
inline std::vector<Share> deal(const Schedule& schedule, int64_t batch, int shares) {
  std::vector<int64_t> order(batch);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<int64_t>> hands(shares);
  if (schedule.masked()) {
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return schedule.length(a) > schedule.length(b);
    });
    for (int64_t i = 0; i < batch; ++i) {
      const int64_t k = i % (2 * shares);
      hands[k < shares ? k : 2 * shares - 1 - k].push_back(order[i]);
    }
  } else {
    for (int64_t k = 0; k < shares; ++k) {
      hands[k].assign(order.begin() + batch * k / shares, order.begin() + batch * (k + 1) / shares);
    }
  }
  std::vector<Share> result;
  for (auto& hand : hands) result.emplace_back(schedule, std::move(hand));
  return result;
}

template <class T, Family kFamily>
class Recurrence {
 public:
  static constexpr bool kLstm = kFamily == Family::kLSTM;
  static constexpr bool kGru = kFamily == Family::kGRU;
  static constexpr bool kGated = kLstm || kGru;
  static constexpr int L = kLanes<T>;
  static constexpr int kSavedVectors = kLstm ? 5 : kGru ? 4 : 0;
  using Vec = Vector<T>;

  // `threads` is the number of threads in the pool.
  Recurrence(const Problem& problem, int threads)
      : p_(problem),
        vectors_(kGated ? problem.num_blocks() : panel_vectors<T>(problem.units)),
        panel_(vectors_ * L),
        panel_units_(kGated ? L : panel_),
        panels_(divide_up(problem.units, panel_units_)),
        padded_units_(panels_ * panel_units_),
        width_(panels_ * panel_) {
    const double products = 2.0 * p_.batch * p_.time * width_ * (p_.input + p_.units);
    if (products < 2e6) threads = 1;
    // If the weights exceed a core's cache, each core should read a part of them rather than all.
    const int64_t most_rows = width_ * p_.units * sizeof(T) > (1 << 20) ? 32 : 4;
    split_units_ = threads > 1 && p_.batch < most_rows * threads && panels_ > 1;
    const int64_t most_parts = std::min<int64_t>(threads, split_units_ ? panels_ : p_.batch);
    parts_ = static_cast<int>(std::max<int64_t>(1, most_parts));
  }

  // What each step of each row saves: the gates and states of all panels, then h if outputs do not
  // hold it.
  int64_t saved_width() const {
    return panels_ * kSavedVectors * L + (p_.return_sequences ? 0 : padded_units_);
  }

  void forward(const Pool& pool, const ForwardArguments<T>& a) const {
    run_in_team(pool, parts_, std::make_shared<const Forward>(*this, a));
  }

  void backward(const Pool& pool, const BackwardArguments<T>& a) const {
    run_in_team(pool, parts_, std::make_shared<const Backward>(*this, a));
  }

 private:
  // The panels of a product whose columns are inputs or units instead of blocks of units.
  struct Panels {
    int vectors;
    int64_t count, padded;
  };

  static Panels panels(int64_t n) {
    const int vectors = panel_vectors<T>(n);
    const int64_t count = divide_up(n, vectors * L);
    return {vectors, count, count * vectors * L};
  }

  // The width of a history row, the factor that turns the gradients of the pre-activations into
  // those of the weights: x, 1, the previous h and, for the second bias of GRU, 1.
  int64_t history_width() const { return p_.input + 1 + p_.units + (kGru ? 1 : 0); }

  // One row at one step of the backward pass.
  struct StepRow {
    const T *saved, *h, *previous_h, *previous_c, *d_output;
    int64_t repeats;  // how many steps have this output, counting the masked ones that follow
  };

  // The buffers of a part. A part has its own share of the rows, or all parts use the first share.
  struct ForwardPart {
    Buffer<T> x, products, projected, state;
    Buffer<T*> outputs, saved;
  };

  struct BackwardPart {
    Buffer<T> history, products, state, gates, sums;
    Buffer<StepRow> rows;
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

  // The stride of a row: an odd number of cache lines, so that a column does not fall into one
  // cache set.
  static int64_t ld(int64_t n) {
    constexpr int64_t line = 64 / sizeof(T);
    return (divide_up(n, line) | 1) * line;
  }

  // The weight column at a position in a panel, or -1 for padding.
  int64_t column(int64_t panel, int v, int l) const {
    const int64_t unit = panel * panel_units_ + (kGated ? l : v * L + l);
    if (unit >= p_.units) return -1;
    return kGated ? v * p_.units + unit : unit;
  }

  void pack(const T* weights, int64_t rows, int64_t from, int64_t to, T* packed) const {
    const int64_t columns = p_.num_blocks() * p_.units;
    for (int64_t p = from; p < to; ++p) {
      for (int64_t k = 0; k < rows; ++k) {
        for (int v = 0; v < vectors_; ++v) {
          T* out = packed + ((p * rows + k) * vectors_ + v) * L;
          const int64_t first = column(p, v, 0);
          const int64_t n =
              first < 0 ? 0 : std::min<int64_t>(L, p_.units - (kGated ? p * L : first));
          if (n == L) {
            store(out, load(weights + k * columns + first));
          } else {
            for (int l = 0; l < L; ++l) out[l] = l < n ? weights[k * columns + first + l] : T(0);
          }
        }
      }
    }
  }

  void pack_bias(const T* bias, int64_t from, int64_t to, T* packed, T* recurrent) const {
    for (int64_t p = from; p < to; ++p) {
      for (int v = 0; v < vectors_; ++v) {
        for (int l = 0; l < L; ++l) {
          const int64_t c = bias == nullptr ? -1 : column(p, v, l);
          T* at = packed + (p * vectors_ + v) * L + l;
          *at = c < 0 ? T(0) : bias[c];
          if constexpr (kGru) {
            const T second = c < 0 ? T(0) : bias[3 * p_.units + c];
            if (v < 2) *at += second;
            if (v == 2) recurrent[p * L + l] = second;
          }
        }
      }
    }
  }

  void run_forward(const Forward& w, const Share& share, const ForwardPart* parts,
                   Team::Member& team) const {
    const ForwardArguments<T>& a = w.a;
    const Schedule& schedule = w.schedule;
    const int64_t rows = share.size();
    const int64_t ldw = ld(width_), ldh = ld(padded_units_);
    T* h = parts->state.get();
    T* next = h + rows * ldh;
    T* const c = next + rows * ldh;
    const auto first_panel = [&](int part) { return panels_ * part / team.size(); };
    const auto first_unit = [&](int part) {
      return std::min(p_.units, first_panel(part) * panel_units_);
    };

    team.each([&](int part) {
      const int64_t unit0 = first_unit(part), unit1 = first_unit(part + 1);
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        const size_t bytes = (unit1 - unit0) * sizeof(T);
        std::memcpy(h + j * ldh + unit0, a.h0 + b * p_.units + unit0, bytes);
        if constexpr (kLstm) {
          T* row = c + j * ldh;
          std::fill(row + unit0, row + first_panel(part + 1) * panel_units_, T(0));
          std::memcpy(row + unit0, a.c0 + b * p_.units + unit0, bytes);
        }
        if (schedule.length(b) == 0) finish(a, schedule, b, h + j * ldh, c + j * ldh, unit0, unit1);
      }
    });

    for (int64_t s0 = 0, s1; s0 < share.steps(); s0 = s1) {
      int64_t count;
      s1 = share.run_end(s0, w.target, &count);
      T* inputs = parts->projected.get();
      for (int64_t s = s0; s < s1; ++s) {
        const int64_t n = share.active(s);
        team.each([&](int part) {
          const int64_t from = first_panel(part), to = first_panel(part + 1);
          if (s == s0) project(w, share, parts[part].x.get(), s0, s1, count, from, to, inputs);
          T* products = parts[part].products.get();
          T** outputs = parts[part].outputs.get();
          T** saved = parts[part].saved.get();
          for (int64_t j = 0; j < n; ++j) {
            const int64_t b = share.row(j);
            outputs[j] = a.outputs == nullptr
                             ? nullptr
                             : a.outputs + (b * p_.time + schedule.time_of(b, s)) * p_.units;
            saved[j] = a.saved == nullptr ? nullptr : a.saved + (s * p_.batch + b) * saved_width();
          }
          const ZigZag walk(from, to, s);
          for (int64_t i = 0; i < walk.count(); ++i) {
            const int64_t p = walk.at(i), size = p_.units * panel_;
            const T* x_panel = inputs + p * panel_;
            product<false>(vectors_, n, h, ldh, w.recurrent.get() + p * size, panel_, p_.units,
                           kGru ? nullptr : x_panel, ldw, products, panel_,
                           w.recurrent.get() + walk.after(i) * size);
            activate_gates(w, p, n, x_panel, ldw, c, ldh, products, saved);
            for (int64_t j = 0; j < n; ++j) {
              step(p, products + j * panel_, h + j * ldh, next + j * ldh, outputs[j], saved[j]);
            }
          }
          for (int64_t j = share.active(s + 1); j < n; ++j) {
            finish(a, schedule, share.row(j), next + j * ldh, c + j * ldh, first_unit(part),
                   first_unit(part + 1));
          }
        });
        inputs += n * ldw;
        std::swap(h, next);
      }
    }
    if (a.outputs == nullptr || !schedule.masked()) return;
    team.each([&](int part) {
      const int64_t unit0 = first_unit(part), units = first_unit(part + 1) - unit0;
      for (int64_t j = 0; j < rows; ++j) fill_masked(a, schedule, share.row(j), unit0, units);
    });
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

  // Turns the products of panel p, in place, into what the new h is computed from: the activated
  // cell state and, last, o for LSTM; z and the candidate for GRU; h itself for SimpleRNN. Each
  // pass goes over all rows, because an activation is a long chain of operations and the chains of
  // several rows can overlap.
  void activate_gates(const Forward& w, int64_t p, int64_t n, const T* x, int64_t ldw, T* c,
                      int64_t ldc, T* products, T* const* saved) const {
    const Activation act = p_.activation, gate_act = p_.recurrent_activation;
    if constexpr (kLstm) {
      for (int v = 0; v < 4; ++v) {
        activate_rows(v == 2 ? act : gate_act, n, products + v * L, panel_);
      }
      for (int64_t j = 0; j < n; ++j) {
        T* gates = products + j * panel_;
        T* cell = c + j * ldc + p * L;
        const Vec i = load(gates), f = load(gates + L), g = load(gates + 2 * L);
        const Vec new_cell = f * load(cell) + i * g;
        store(cell, new_cell);
        store(gates, new_cell);
        if (saved[j] != nullptr) {
          T* keep = saved[j] + p * kSavedVectors * L;
          store(keep, i);
          store(keep + L, f);
          store(keep + 2 * L, g);
          store(keep + 3 * L, load(gates + 3 * L));
          store(keep + 4 * L, new_cell);
        }
      }
      activate_rows(act, n, products, panel_);
    } else if constexpr (kGru) {
      for (int64_t j = 0; j < n; ++j) {
        T* gates = products + j * panel_;
        store(gates, load(gates) + load(x + j * ldw));
        store(gates + L, load(gates + L) + load(x + j * ldw + L));
      }
      for (int v = 0; v < 2; ++v) activate_rows(gate_act, n, products + v * L, panel_);
      for (int64_t j = 0; j < n; ++j) {
        T* gates = products + j * panel_;
        const Vec r = load(gates + L);
        const Vec inner = load(gates + 2 * L) + load(w.recurrent_bias.get() + p * L);
        store(gates + L, load(x + j * ldw + 2 * L) + r * inner);
        if (saved[j] != nullptr) {
          T* keep = saved[j] + p * kSavedVectors * L;
          store(keep, load(gates));
          store(keep + L, r);
          store(keep + 3 * L, inner);
        }
      }
      activate_rows(act, n, products + L, panel_);
    } else {
      for (int v = 0; v < vectors_; ++v) activate_rows(act, n, products + v * L, panel_);
    }
  }

  // Computes the new h of one row for the units of panel p.
  ZOO_INLINE void step(int64_t p, const T* gates, const T* h, T* next, T* output, T* saved) const {
    for (int64_t k = 0; k < panel_units_; k += L) {
      const int64_t unit = p * panel_units_ + k;
      const int left = static_cast<int>(std::max<int64_t>(0, p_.units - unit));
      Vec y;
      if constexpr (kLstm) {
        y = load(gates + 3 * L) * load(gates);
      } else if constexpr (kGru) {
        const Vec z = load(gates), g = load(gates + L);
        y = z * load(h + unit) + (1 - z) * g;
        if (saved != nullptr) store(saved + (p * kSavedVectors + 2) * L, g);
      } else {
        y = load(gates + k);
      }
      store(next + unit, y);
      if (output != nullptr && left > 0) store_some(output + unit, y, left);
      if (saved != nullptr && !p_.return_sequences) {
        store(saved + panels_ * kSavedVectors * L + unit, y);
      }
    }
  }

  // Whether the last output of a row is its last unmasked one, as in Keras, and not zeros.
  bool keeps_last(const Schedule& schedule, int64_t b) const {
    const int64_t length = schedule.length(b);
    if (length == 0) return false;
    return !p_.zero_output_for_mask || schedule.time_of(b, length - 1) == p_.time - 1;
  }

  void finish(const ForwardArguments<T>& a, const Schedule& schedule, int64_t b, const T* h,
              const T* c, int64_t unit0, int64_t unit1) const {
    const int64_t at = b * p_.units;
    std::copy(h + unit0, h + unit1, a.h + at + unit0);
    if constexpr (kLstm) std::copy(c + unit0, c + unit1, a.c + at + unit0);
    if (keeps_last(schedule, b)) {
      std::copy(h + unit0, h + unit1, a.last + at + unit0);
    } else {
      std::fill(a.last + at + unit0, a.last + at + unit1, T(0));
    }
  }

  void fill_masked(const ForwardArguments<T>& a, const Schedule& schedule, int64_t b,
                   int64_t unit0, int64_t units) const {
    const T* previous = nullptr;
    for (int64_t t = 0, s = 0; t < p_.time; ++t) {
      T* row = a.outputs + (b * p_.time + t) * p_.units + unit0;
      if (t == schedule.time_of(b, s)) {
        ++s;
        if (!p_.zero_output_for_mask) previous = row;
      } else if (previous != nullptr) {
        std::memcpy(row, previous, units * sizeof(T));
      } else {
        std::memset(row, 0, units * sizeof(T));
      }
    }
  }

  // Packs the transpose into panels of its own columns: packed[q][weight column][n].
  void pack_transposed(const T* weights, int64_t rows, const Panels& to, int piece, int pieces,
                       T* packed) const {
    const int64_t columns = p_.num_blocks() * p_.units, wide = to.vectors * L;
    for (int64_t q = to.count * piece / pieces; q < to.count * (piece + 1) / pieces; ++q) {
      for (int64_t n = 0; n < wide; ++n) {
        T* out = packed + q * width_ * wide + n;
        const int64_t row = q * wide + n;
        for (int64_t p = 0; p < panels_; ++p) {
          for (int v = 0; v < vectors_; ++v) {
            for (int l = 0; l < L; ++l, out += wide) {
              const int64_t c = row < rows ? column(p, v, l) : -1;
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
    const int64_t rows = share.size(), ldg = ld(width_), lds = ld(w.to_h.padded);
    const int64_t lda = ld(history_width());
    const int64_t wide = w.to_h.vectors * L, x_wide = w.to_x.vectors * L;
    T* const dh = parts->state.get();
    T* const dc = dh + rows * lds;
    T* const gates = parts->gates.get();
    T* const sums = parts->sums.get();
    // The units of a part are whole panels of the product that computes dh, so a part reads only
    // what it wrote.
    const auto first_h = [&](int part) { return w.to_h.count * part / team.size(); };
    const auto first_x = [&](int part) { return w.to_x.count * part / team.size(); };
    const auto first_panel = [&](int part) {
      return std::min(panels_, first_h(part) * wide / panel_units_);
    };

    team.each([&](int part) {
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        const bool last = keeps_last(schedule, b);
        for (int64_t n = first_h(part) * wide; n < first_h(part + 1) * wide; ++n) {
          const int64_t at = b * p_.units + n;
          const bool real = n < p_.units;
          dh[j * lds + n] = real ? a.d_h[at] + (last ? a.d_last[at] : T(0)) : T(0);
          if (kLstm) dc[j * lds + n] = real ? a.d_c[at] : T(0);
        }
      }
    });

    bool first_sum = true;
    for (int64_t s1 = share.steps(), s0; s1 > 0; s1 = s0) {
      int64_t count = 0;
      for (s0 = s1; s0 > 0 && count < w.target; --s0) count += share.active(s0 - 1);
      T* const gates_h = gates + (kGru ? count * ldg : 0);
      // Backpropagates through the recurrent product of step s, whose rows start at `base`.
      const auto product_back = [&](int part, int64_t s, int64_t base) {
        const ZigZag walk(first_h(part), first_h(part + 1), s);
        for (int64_t i = 0; i < walk.count(); ++i) {
          const int64_t size = width_ * wide;
          T* out = dh + walk.at(i) * wide;
          product<false>(w.to_h.vectors, share.active(s), gates_h + base * ldg, ldg,
                         w.recurrent.get() + walk.at(i) * size, wide, width_,
                         kGru ? out : nullptr, lds, out, lds,
                         w.recurrent.get() + walk.after(i) * size);
        }
      };
      int64_t base = count;
      for (int64_t s = s1 - 1; s >= s0; --s) {
        const int64_t n = share.active(s), above = base;
        base -= n;
        team.each([&](int part) {
          if (s + 1 < s1) product_back(part, s + 1, above);
          const StepRow* step_rows = gather_step(w, share, parts[part], s, base);
          for (int64_t j = 0; j < n; ++j) {
            for (int64_t p = first_panel(part); p < first_panel(part + 1); ++p) {
              step_back(step_rows[j], p, s > 0, dh + j * lds, dc + j * lds,
                        gates + (base + j) * ldg, gates_h + (base + j) * ldg);
            }
          }
        });
      }
      team.each([&](int part) {
        const T* history = parts[part].history.get();
        T* products = parts[part].products.get();
        T* const* dx = parts[part].dx.get();
        product_back(part, s0, 0);
        for (int64_t q = first_x(part); q < first_x(part + 1); ++q) {
          product<false>(w.to_x.vectors, count, gates, ldg, w.kernel.get() + q * width_ * x_wide,
                         x_wide, width_, static_cast<const T*>(nullptr), 0, products, x_wide);
          const int64_t n = std::min(x_wide, p_.input - q * x_wide);
          for (int64_t m = 0; m < count; ++m) {
            std::memcpy(dx[m] + q * x_wide, products + m * x_wide, n * sizeof(T));
          }
        }
        const int64_t split = kGru ? p_.input + 1 : history_width();
        for (int64_t p = first_panel(part); p < first_panel(part + 1); ++p) {
          T* sum = sums + p * history_width() * panel_;
          product<true>(vectors_, split, history, lda, gates + p * panel_, ldg, count,
                        first_sum ? nullptr : sum, panel_, sum, panel_);
          if (kGru) {
            T* more = sum + split * panel_;
            product<true>(vectors_, history_width() - split, history + split, lda,
                          gates_h + p * panel_, ldg, count, first_sum ? nullptr : more, panel_,
                          more, panel_);
          }
        }
      });
      first_sum = false;
    }

    team.each([&](int part) {
      const int64_t unit0 = std::min(p_.units, first_h(part) * wide);
      const int64_t unit1 = std::min(p_.units, first_h(part + 1) * wide);
      if (first_sum) {
        std::fill(sums + first_panel(part) * history_width() * panel_,
                  sums + first_panel(part + 1) * history_width() * panel_, T(0));
      }
      for (int64_t j = 0; j < rows; ++j) {
        const int64_t b = share.row(j);
        std::copy(dh + j * lds + unit0, dh + j * lds + unit1, a.d_h0 + b * p_.units + unit0);
        if (kLstm) {
          std::copy(dc + j * lds + unit0, dc + j * lds + unit1, a.d_c0 + b * p_.units + unit0);
        }
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

  // Collects pointers to the inputs and outputs of the backward pass of step s, one entry per row,
  // and copies what the gradients of the weights need to the history, from row `base`.
  const StepRow* gather_step(const Backward& w, const Share& share,
                             const BackwardPart& part, int64_t s, int64_t base) const {
    const BackwardArguments<T>& a = w.a;
    T* past = part.history.get() + base * ld(history_width());
    for (int64_t j = 0; j < share.active(s); ++j, past += ld(history_width())) {
      const int64_t b = share.row(j), t = w.schedule.time_of(b, s);
      const int64_t xt = b * p_.time + w.schedule.input_time(t);
      StepRow& row = part.rows.get()[j];
      row.saved = a.saved + (s * p_.batch + b) * saved_width();
      row.h = output_row(a, w.schedule, b, s);
      row.previous_h = s > 0 ? output_row(a, w.schedule, b, s - 1) : a.h0 + b * p_.units;
      row.previous_c = nullptr;
      if (kLstm) {
        row.previous_c = s > 0 ? a.saved + ((s - 1) * p_.batch + b) * saved_width() + 4 * L
                               : a.c0 + b * p_.units;
      }
      row.d_output =
          a.d_outputs == nullptr ? nullptr : a.d_outputs + (b * p_.time + t) * p_.units;
      row.repeats = p_.zero_output_for_mask ? 1 : w.schedule.time_of(b, s + 1) - t;
      part.dx.get()[base + j] = a.d_x + xt * p_.input;
      std::memcpy(past, a.x + xt * p_.input, p_.input * sizeof(T));
      past[p_.input] = T(1);
      std::memcpy(past + p_.input + 1, row.previous_h, p_.units * sizeof(T));
      if (kGru) past[p_.input + 1 + p_.units] = T(1);
    }
    return part.rows.get();
  }

  const T* output_row(const BackwardArguments<T>& a, const Schedule& schedule, int64_t b,
                      int64_t s) const {
    if (p_.return_sequences) return a.outputs + (b * p_.time + schedule.time_of(b, s)) * p_.units;
    return a.saved + (s * p_.batch + b) * saved_width() + panels_ * kSavedVectors * L;
  }

  // From dh (and dc) after the step, computes the gradients of the pre-activations, and the part of
  // dh (and dc) before the step that does not pass through the recurrent product.
  ZOO_INLINE void step_back(const StepRow& row, int64_t p, bool padded_c, T* dh, T* dc, T* gates,
                            T* gates_h) const {
    const Activation act = p_.activation;
    [[maybe_unused]] const Activation gate_act = p_.recurrent_activation;
    for (int v = 0; v < panel_units_ / L; ++v) {
      const int64_t unit = p * panel_units_ + v * L;
      const int left = static_cast<int>(std::max<int64_t>(0, p_.units - unit));
      const T* saved = row.saved + p * kSavedVectors * L;
      Vec d = load(dh + unit);
      for (int64_t k = 0; row.d_output != nullptr && k < row.repeats; ++k) {
        d += load_some(row.d_output + k * p_.units + unit, left);
      }
      T* out = gates + p * panel_;
      if constexpr (kLstm) {
        const Vec i = load(saved), f = load(saved + L), g = load(saved + 2 * L),
                  o = load(saved + 3 * L), y = activate(act, load(saved + 4 * L));
        const Vec previous = padded_c ? load(row.previous_c + p * kSavedVectors * L)
                                      : load_some(row.previous_c + unit, left);
        const Vec d_cell = load(dc + unit) + d * o * slope(act, y);
        store(out, d_cell * g * slope(gate_act, i));
        store(out + L, d_cell * previous * slope(gate_act, f));
        store(out + 2 * L, d_cell * i * slope(act, g));
        store(out + 3 * L, d * y * slope(gate_act, o));
        store(dc + unit, d_cell * f);
      } else if constexpr (kGru) {
        const Vec z = load(saved), reset = load(saved + L), g = load(saved + 2 * L),
                  inner = load(saved + 3 * L);
        const Vec d_g = d * (1 - z) * slope(act, g);
        const Vec d_z = d * (load_some(row.previous_h + unit, left) - g) * slope(gate_act, z);
        const Vec d_reset = d_g * inner * slope(gate_act, reset);
        store(out, d_z);
        store(out + L, d_reset);
        store(out + 2 * L, d_g);
        T* out_h = gates_h + p * panel_;
        store(out_h, d_z);
        store(out_h + L, d_reset);
        store(out_h + 2 * L, d_g * reset);
        store(dh + unit, d * z);
      } else {
        store(out + v * L, d * slope(act, load_some(row.h + unit, left)));
      }
    }
  }

  // Adds up row m of the sums of all shares and writes it to the gradient of its weight.
  void write_sum(const Backward& w, int64_t m) const {
    const BackwardArguments<T>& a = w.a;
    const int64_t columns = p_.num_blocks() * p_.units;
    T* out;
    if (m < p_.input) {
      out = a.d_kernel + m * columns;
    } else if (m == p_.input) {
      out = a.d_bias;
    } else if (m <= p_.input + p_.units) {
      out = a.d_recurrent + (m - p_.input - 1) * columns;
    } else {
      out = a.d_bias == nullptr ? nullptr : a.d_bias + columns;
    }
    if (out == nullptr) return;
    for (int64_t p = 0; p < panels_; ++p) {
      for (int v = 0; v < vectors_; ++v) {
        const int64_t first = column(p, v, 0);
        if (first < 0) continue;
        const int64_t at = ((p * history_width() + m) * vectors_ + v) * L;
        Vec sum = load(w.parts[0].sums.get() + at);
        for (int k = 1; k < shares(); ++k) sum += load(w.parts[k].sums.get() + at);
        const int64_t unit = p * panel_units_ + (kGated ? 0 : v * L);
        store_some(out + first, sum, static_cast<int>(std::min<int64_t>(L, p_.units - unit)));
      }
    }
  }

  Problem p_;
  int vectors_;  // per panel: one per block, or for SimpleRNN the number with the least padding
  int64_t panel_, panel_units_, panels_, padded_units_, width_;
  int parts_;  // of the team's work
  bool split_units_;
};

// The data that the members of a team share in a forward pass.
template <class T, Family kFamily>
struct Recurrence<T, kFamily>::Forward {
  Forward(const Recurrence& recurrence, const ForwardArguments<T>& arguments)
      : r(recurrence),
        a(arguments),
        schedule(r.p_, a.mask),
        shares(deal(schedule, r.p_.batch, r.shares())),
        kernel(r.width_ * r.p_.input),
        recurrent(r.width_ * r.p_.units),
        bias(r.width_),
        recurrent_bias(r.width_),
        target(std::max<int64_t>(128, (512 << 10) / (r.width_ * sizeof(T)))),
        parts(r.parts_) {
    for (int k = 0; k < r.parts_; ++k) {
      const Share& share = shares[r.split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * r.p_.time);
      ForwardPart& part = parts[k];
      part.x = Buffer<T>(chunk * ld(r.p_.input));
      part.products = Buffer<T>(rows * r.panel_);
      part.outputs = Buffer<T*>(rows);
      part.saved = Buffer<T*>(rows);
      if (r.split_units_ && k > 0) continue;
      part.projected = Buffer<T>(chunk * ld(r.width_));
      part.state = Buffer<T>(3 * rows * ld(r.padded_units_));
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      const int64_t from = r.panels_ * i / r.parts_, to = r.panels_ * (i + 1) / r.parts_;
      r.pack(a.kernel, r.p_.input, from, to, kernel.get());
      r.pack(a.recurrent, r.p_.units, from, to, recurrent.get());
      r.pack_bias(a.bias, from, to, bias.get(), recurrent_bias.get());
    });
    r.each_share(team, [&](int k, Team::Member& members) {
      r.run_forward(*this, shares[k], &parts[k], members);
    });
  }

  const Recurrence r;
  const ForwardArguments<T> a;
  const Schedule schedule;
  const std::vector<Share> shares;
  const Buffer<T> kernel, recurrent, bias, recurrent_bias;
  const int64_t target;
  std::vector<ForwardPart> parts;
};

// The data that the members of a team share in a backward pass.
template <class T, Family kFamily>
struct Recurrence<T, kFamily>::Backward {
  Backward(const Recurrence& recurrence, const BackwardArguments<T>& arguments)
      : r(recurrence),
        a(arguments),
        schedule(r.p_, a.mask),
        shares(deal(schedule, r.p_.batch, r.shares())),
        to_x(panels(r.p_.input)),
        to_h(panels(r.p_.units)),
        kernel(to_x.padded * r.width_),
        recurrent(to_h.padded * r.width_),
        target(std::max<int64_t>(256, (512 << 10) / (r.width_ * sizeof(T)))),
        parts(r.parts_) {
    for (int k = 0; k < r.parts_; ++k) {
      const Share& share = shares[r.split_units_ ? 0 : k];
      const int64_t rows = std::max<int64_t>(1, share.size());
      const int64_t chunk = std::min(target + rows, rows * r.p_.time);
      BackwardPart& part = parts[k];
      part.history = Buffer<T>(chunk * ld(r.history_width()));
      part.products = Buffer<T>(chunk * to_x.vectors * L);
      part.rows = Buffer<StepRow>(rows);
      part.dx = Buffer<T*>(chunk);
      if (r.split_units_ && k > 0) continue;
      part.state = Buffer<T>(2 * rows * ld(to_h.padded));
      part.gates = Buffer<T>((kGru ? 2 : 1) * chunk * ld(r.width_));
      part.sums = Buffer<T>(r.history_width() * r.width_);
    }
  }

  void operator()(Team::Member& team) const {
    team.each([&](int i) {
      r.pack_transposed(a.kernel, r.p_.input, to_x, i, r.parts_, kernel.get());
      r.pack_transposed(a.recurrent, r.p_.units, to_h, i, r.parts_, recurrent.get());
    });
    r.each_share(team, [&](int k, Team::Member& members) {
      r.run_backward(*this, shares[k], &parts[k], members);
    });
    team.each([&](int i) {
      const int64_t rows = r.history_width();
      for (int64_t m = rows * i / r.parts_; m < rows * (i + 1) / r.parts_; ++m) {
        r.write_sum(*this, m);
      }
    });
  }

  const Recurrence r;
  const BackwardArguments<T> a;
  const Schedule schedule;
  const std::vector<Share> shares;
  const Panels to_x, to_h;
  const Buffer<T> kernel, recurrent;
  const int64_t target;
  std::vector<BackwardPart> parts;
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_RECURRENCE_H_
