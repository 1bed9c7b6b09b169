// Products of matrices, from panels of packed columns.
//
// A panel has 1 to 4 vectors of columns, so that one tile of registers holds some rows of them.

#ifndef ZOO_LAYERS_KERNELS_PRODUCTS_H_
#define ZOO_LAYERS_KERNELS_PRODUCTS_H_

#include <algorithm>
#include <cstdint>
#include <type_traits>

#include "formats.h"
#include "simd.h"

namespace zoo {

// The number of rows of b that fit into the L1 cache.
template <class T, int W>
constexpr int64_t kBlockRows = 32768 / (W * kVectorBytes);

// The number of rows of a tile, which leaves registers for a row of W vectors and a broadcast.
// Double mainly serves to check gradients, so it has few, which compile faster.
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
template <class F, int R, int W, bool kTransposed, class T>
ZOO_INLINE void product_tile(const Left<F>& a, const Right<F>& b, int64_t depth, const T* init,
                             int64_t ldi, T* out, int64_t ldo, const typename F::Element* ahead) {
  constexpr int L = kLanes<T>;
  // The gradients of the weights are long sums. Adding init last makes them sums of partial sums,
  // which have smaller rounding errors.
  const bool first = init != nullptr && !kTransposed && !F::kScaled;
  const bool last = init != nullptr && !first;
  typename F::Sum sum[R][W];
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) {
      if constexpr (F::kScaled) {
        sum[r][v] = typename F::Sum{};
      } else {
        sum[r][v] = first ? load(init + r * ldi + v * L) : Vector<T>{};
      }
    }
  }
#pragma GCC unroll 2
  for (int64_t k = 0; k < depth; ++k) {
    Vector<typename F::Element> row[W];
    __builtin_prefetch(ahead + k * L, 0, 2);
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) row[v] = load(b.data + k * b.stride + v * L);
#pragma GCC unroll 8
    for (int r = 0; r < R; ++r) {
      const auto scalar = kTransposed ? a.data[k * a.stride + r] : a.data[r * a.stride + k];
#pragma GCC unroll 8
      for (int v = 0; v < W; ++v) sum[r][v] = F::multiply_add(scalar, row[v], sum[r][v]);
    }
  }
#pragma GCC unroll 8
  for (int r = 0; r < R; ++r) {
#pragma GCC unroll 8
    for (int v = 0; v < W; ++v) {
      Vector<T> result;
      if constexpr (F::kScaled) {
        result = F::result(sum[r][v], a.offsets[r]) * (a.scales[r] * load(b.scales + v * L));
      } else {
        result = sum[r][v];
      }
      if (last) result += load(init + r * ldi + v * L);
      store(out + r * ldo + v * L, result);
    }
  }
}

// All rows, in tiles of nearly equal height, and in blocks of b that stay in the L1 cache. `next`
// is the data of the next product's b, or null if it directly follows this b in memory.
template <class F, int W, bool kTransposed, class T>
__attribute__((noinline)) void product(int64_t rows, const Left<F>& a, const Right<F>& b,
                                       int64_t depth, const T* init, int64_t ldi, T* out,
                                       int64_t ldo, const typename F::Element* next) {
  constexpr int M = kTileRows<T, W>;
  const int64_t tiles = divide_up(rows, M);
  // Scaled sums are finished once.
  const bool whole = tiles == 1 || depth == 0 || F::kScaled;
  const int64_t blocks = whole ? 1 : divide_up(depth, kBlockRows<T, W>);
  for (int64_t k = 0; k < blocks; ++k) {
    const int64_t from = depth * k / blocks, n = depth * (k + 1) / blocks - from;
    for (int64_t i = 0; i < tiles; ++i) {
      const int64_t first = rows * i / tiles, count = rows * (i + 1) / tiles - first;
      Left<F> a_tile = a;
      a_tile.data += kTransposed ? from * a.stride + first : first * a.stride + from;
      Right<F> b_tile = b;
      b_tile.data += from * b.stride;
      if constexpr (F::kScaled) {
        static_assert(!kTransposed);
        a_tile.scales += first;
        a_tile.offsets += first;
      }
      T* out_tile = out + first * ldo;
      const T* init_tile = k > 0 ? out_tile : init == nullptr ? nullptr : init + first * ldi;
      const int64_t ldi_tile = k > 0 ? ldo : ldi;
      // While the tiles pass over this block, they prefetch the next one, a line at a time.
      const auto* then = k + 1 < blocks || next == nullptr ? b_tile.data + n * b.stride : next;
      const auto* ahead = then + i * n * kLanes<T>;
      switch (count) {
#define ZOO_CASE(R)                                                                          \
  case R:                                                                                    \
    if constexpr (R <= M) {                                                                  \
      product_tile<F, R, W, kTransposed>(a_tile, b_tile, n, init_tile, ldi_tile, out_tile,   \
                                         ldo, ahead);                                        \
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

// `depth` is in groups.
template <bool kTransposed, class F, class T>
void product(int vectors, int64_t rows, const Left<F>& a, const Right<F>& b, int64_t depth,
             const T* init, int64_t ldi, T* out, int64_t ldo,
             const typename F::Element* next = nullptr) {
  constexpr auto fixed = [](auto w) {
    if constexpr (F::kTiled) {
      return &F::template product<decltype(w)::value>;
    } else {
      return &product<F, decltype(w)::value, kTransposed, T>;
    }
  };
  using std::integral_constant;
  const auto fn = vectors == 1   ? fixed(integral_constant<int, 1>())
                  : vectors == 2 ? fixed(integral_constant<int, 2>())
                  : vectors == 3 ? fixed(integral_constant<int, 3>())
                                 : fixed(integral_constant<int, 4>());
  fn(rows, a, b, depth, init, ldi, out, ldo, next);
}

// By a whole packed panel. `next` is the data of the next product's panel.
template <class F, class T>
void product(int64_t rows, const Left<F>& a, const Matrix<F>& b, int64_t panel, const T* init,
             int64_t ldi, T* out, int64_t ldo, const typename F::Element* next = nullptr) {
  product<false>(b.vectors(), rows, a, b.panel(panel), b.depth(), init, ldi, out, ldo, next);
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

// The panels of a product with n columns.
struct Panels {
  int vectors;
  int64_t count, padded;
};

template <class T>
Panels panels_of(int64_t n) {
  const int vectors = panel_vectors<T>(n);
  const int64_t count = divide_up(n, vectors * kLanes<T>);
  return {vectors, count, count * vectors * kLanes<T>};
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_PRODUCTS_H_
