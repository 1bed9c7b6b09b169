// The number formats of the factors of a product.
//
// A format has the types
//
//   Value    of the sums, and of everything but the factors
//   Weight   of the weights as they are given
//   Element  of packed factors: `kGroup` numbers along the depth, as wide as a Value
//   Sum      a vector of unfinished sums
//
// and the left factor of a product, `Rows`. It packs weights, the right factor, by `pack`. Sums of
// products of scaled factors are finished by `result`.
//
// A format with gradients also has the factors of a transposed product, `Columns` and `Groups` of
// rows, and makes one `Number` of an element. A tiled format has a `product` of its own; its depth
// is a multiple of `kDepth`.

#ifndef ZOO_LAYERS_KERNELS_FORMATS_H_
#define ZOO_LAYERS_KERNELS_FORMATS_H_

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <limits>
#include <memory>
#include <new>

#if defined(__x86_64__)
#include <immintrin.h>
#endif
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

#include "simd.h"

// Products of matrices of bfloat16.
#if defined(__AMX_TILE__) && defined(__AMX_BF16__) && defined(__AVX512BF16__) && defined(__linux__)
#define ZOO_BFLOAT16_PRODUCTS
#endif

// The instruction vpdpbusd: sums of four products of bytes, unsigned by signed.
#if defined(__AVX512VNNI__) || (defined(__AVXVNNI__) && !defined(__AVX512F__))
#define ZOO_BYTE_PRODUCTS
#endif

namespace zoo {

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

// The stride of a row: an odd number of cache lines, so that a column does not fall into one cache
// set.
template <class T>
int64_t padded_stride(int64_t n) {
  constexpr int64_t line = 64 / sizeof(T);
  return (divide_up(n, line) | 1) * line;
}

// The left factor of a product: rows or, transposed, columns. Without scales, those are null.
template <class F>
struct Left {
  const typename F::Element* data;
  int64_t stride;
  const typename F::Value* scales = nullptr;  // one a row
  const int32_t* offsets = nullptr;           // of the sums of a row
};

// The right factor of a product, with its columns in vectors.
template <class F>
struct Right {
  const typename F::Element* data;
  int64_t stride;
  const typename F::Value* scales = nullptr;  // one a column
};

// A matrix whose columns are packed into panels.
template <class F>
class Matrix {
 public:
  static constexpr int L = kLanes<typename F::Value>;

  Matrix(int64_t panels, int vectors, int64_t rows)
      : vectors_(vectors),
        depth_(divide_up(rows, F::kGroup * F::kDepth) * F::kDepth),
        data_(panels * size()),
        scales_(F::kScaled ? panels * vectors * L : 0) {}

  int vectors() const { return vectors_; }
  int64_t depth() const { return depth_; }
  typename F::Element* data(int64_t panel) const { return data_.get() + panel * size(); }
  typename F::Value* scales(int64_t panel) const { return scales_.get() + panel * vectors_ * L; }
  Right<F> panel(int64_t p) const { return {data(p), vectors_ * L, scales(p)}; }

 private:
  int64_t size() const { return depth_ * vectors_ * L; }

  int vectors_;
  int64_t depth_;  // in groups
  Buffer<typename F::Element> data_;
  Buffer<typename F::Value> scales_;
};

// Both factors have the precision of the sums.
template <class T>
struct FullPrecision {
  using Value = T;
  using Weight = T;
  using Element = T;
  using Sum = Vector<T>;
  static constexpr int kGroup = 1, kDepth = 1;
  static constexpr bool kConverts = false, kScaled = false, kTiled = false;

  static ZOO_INLINE Sum multiply_add(Element a, Vector<Element> b, Sum sum) {
    return sum + broadcast(a) * b;
  }

  // Packs n columns of `rows` rows, at most kGroup; padding repeats the first column.
  static ZOO_INLINE void pack(const Weight* weights, int64_t, int64_t, int64_t n, Element* out) {
    if (n == kLanes<T>) return store(out, load(weights));
    for (int l = 0; l < kLanes<T>; ++l) out[l] = weights[l < n ? l : 0];
  }

  class Rows {
   public:
    Rows() = default;
    Rows(int64_t rows, int64_t depth)
        : stride_(padded_stride<T>(depth)), data_(rows * stride_) {}
    void set(int64_t row, const T* from, int64_t depth) const {
      std::memcpy(data_.get() + row * stride_, from, depth * sizeof(T));
    }
    Left<FullPrecision> left() const { return {data_.get(), stride_}; }

   private:
    int64_t stride_ = 0;
    Buffer<T> data_;
  };

  // They are the rows themselves.
  class Groups {
   public:
    Groups() = default;
    Groups(int64_t, int64_t) {}
  };
  using Columns = Groups;

  using Number = T;
  static ZOO_INLINE Number number(T value) { return value; }
};

// Whether the processor has products of bfloat16, and the system lets this process use them.
inline bool has_bfloat16_products() {
#if defined(ZOO_BFLOAT16_PRODUCTS)
  constexpr int kRequestPermission = 0x1023, kTileData = 18;
  static const bool allowed = syscall(SYS_arch_prctl, kRequestPermission, kTileData) == 0;
  return allowed;
#else
  return false;
#endif
}

#if defined(ZOO_BFLOAT16_PRODUCTS)
// Both factors are rounded to bfloat16. The products are those of the processor's matrix unit, AMX,
// which has 8 tiles of 16 rows of 64 bytes. On processors with it, the vector instruction vdpbf16ps
// does half the work of a float multiply-add in the same time.
struct BFloat16 {
  using Value = float;
  using Weight = float;
  using Element = int32_t;
  static constexpr int kGroup = 2, kDepth = 16, L = kLanes<float>;
  static constexpr bool kConverts = true, kScaled = false, kTiled = true;

  static ZOO_INLINE void pack(const float* weights, int64_t stride, int64_t rows, int64_t n,
                              Element* out) {
    const auto row = [&](int64_t k) {
      if (k >= rows) return Vector<float>{};
      if (n == L) return load(weights + k * stride);
      Vector<float> some;
      for (int l = 0; l < L; ++l) some[l] = weights[k * stride + (l < n ? l : 0)];
      return some;
    };
    store(out, pairs(row(0), row(1)));
  }

  using Number = uint16_t;
  static Number number(float value) {
    uint16_t numbers[L];
    store_rounded(numbers, broadcast(value));
    return numbers[0];
  }

  class Rows {
   public:
    Rows() = default;
    Rows(int64_t rows, int64_t depth)
        : stride_(padded_stride<Element>(divide_up(depth, kGroup))), data_(rows * stride_) {
      std::fill(data_.get(), data_.get() + rows * stride_, 0);
    }
    // Sets some numbers of a row, from the given one on.
    void set(int64_t row, const float* from, int64_t n, int64_t first = 0) const {
      auto* to = reinterpret_cast<uint16_t*>(data_.get() + row * stride_) + first;
      for (int64_t k = 0; k < n; k += L) {
        const auto left = static_cast<int>(std::min<int64_t>(L, n - k));
        store_rounded(to + k, load_some(from + k, left));
      }
    }
    Left<BFloat16> left() const { return {data_.get(), stride_}; }

   private:
    int64_t stride_ = 0;  // a multiple of kDepth
    Buffer<Element> data_;
  };

  class Groups {
   public:
    Groups() = default;
    Groups(int64_t rows, int64_t stride) : stride_(stride), data_(padded(rows) * stride) {}
    // Sets some columns, whole vectors, of all groups.
    void set(int64_t rows, const float* from, int64_t first, int64_t end) const {
      for (int64_t m = 0; m < padded(rows); ++m) {
        for (int64_t c = first; c < end; c += L) {
          store(data_.get() + m * stride_ + c, pair_of_rows(rows, from + c, stride_, m));
        }
      }
    }
    const Element* data() const { return data_.get(); }

   private:
    int64_t stride_ = 0;  // that of the rows
    Buffer<Element> data_;
  };

  class Columns {
   public:
    Columns() = default;
    Columns(int64_t rows, int64_t columns)
        : stride_(padded_stride<Element>(padded(rows))),
          data_(divide_up(columns, L) * L * stride_) {}
    void set(int64_t rows, const float* from, int64_t from_stride, int64_t columns) const {
      const auto lane = _mm512_mullo_epi32(
          _mm512_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15),
          _mm512_set1_epi32(static_cast<int>(stride_)));
      for (int64_t c = 0; c < columns; c += L) {
        for (int64_t m = 0; m < padded(rows); ++m) {
          const auto pairs = pair_of_rows(rows, from + c, from_stride, m);
          _mm512_i32scatter_epi32(data_.get() + c * stride_ + m, lane, (__m512i)pairs, 4);
        }
      }
    }
    Left<BFloat16> left(int64_t first) const { return {data_.get() + first * stride_, stride_}; }

   private:
    int64_t stride_ = 0;
    Buffer<Element> data_;
  };

  // out[r][v] = init[r][v] + sum over k of a[r][k] * b[k][v]; W vectors v, depth in whole tiles. A
  // null init is zero.
  template <int W>
  static void product(int64_t rows, const Left<BFloat16>& a, const Right<BFloat16>& b,
                      int64_t depth, const float* init, int64_t ldi, float* out, int64_t ldo,
                      const Element*) {
    const int64_t blocks = divide_up(rows, 16), row = sizeof(float);
    int64_t height = 0;
    for (int64_t i = 0; i < blocks; ++i) {
      const int64_t first = rows * i / blocks, count = rows * (i + 1) / blocks - first;
      if (count != height) set_tiles(height = count);
      if (init == nullptr) {
        _tile_zero(0);
        _tile_zero(1);
        _tile_zero(2);
        _tile_zero(3);
      } else {
        const float* at = init + first * ldi;
        _tile_loadd(0, at, ldi * row);
        if (W > 1) _tile_loadd(1, at + L, ldi * row);
        if (W > 2) _tile_loadd(2, at + 2 * L, ldi * row);
        if (W > 3) _tile_loadd(3, at + 3 * L, ldi * row);
      }
      for (int64_t k = 0; k < depth; k += kDepth) {
        const Element* from = b.data + k * b.stride;
        _tile_loadd(4, a.data + first * a.stride + k, a.stride * row);
        _tile_loadd(5, from, b.stride * row);
        _tile_dpbf16ps(0, 4, 5);
        if (W > 1) {
          _tile_loadd(6, from + L, b.stride * row);
          _tile_dpbf16ps(1, 4, 6);
        }
        if (W > 2) {
          _tile_loadd(7, from + 2 * L, b.stride * row);
          _tile_dpbf16ps(2, 4, 7);
        }
        if (W > 3) {
          _tile_loadd(5, from + 3 * L, b.stride * row);
          _tile_dpbf16ps(3, 4, 5);
        }
      }
      float* to = out + first * ldo;
      _tile_stored(0, to, ldo * row);
      if (W > 1) _tile_stored(1, to + L, ldo * row);
      if (W > 2) _tile_stored(2, to + 2 * L, ldo * row);
      if (W > 3) _tile_stored(3, to + 3 * L, ldo * row);
    }
    _tile_release();
  }

 private:
  // Tiles 0 to 4 have `height` rows, and the others, of the right factor, all rows.
  static void set_tiles(int64_t height) {
    struct alignas(64) {
      uint8_t palette = 1, first = 0, reserved[14] = {};
      uint16_t bytes[16] = {64, 64, 64, 64, 64, 64, 64, 64};
      uint8_t rows[16] = {};
    } tiles;
    for (int i = 0; i < 8; ++i) tiles.rows[i] = static_cast<uint8_t>(i < 5 ? height : kDepth);
    _tile_loadconfig(&tiles);
  }

  static int64_t padded(int64_t rows) { return divide_up(rows, kGroup * kDepth) * kDepth; }

  static ZOO_INLINE void store_rounded(uint16_t* to, Vector<float> values) {
    const auto rounded = _mm512_cvtneps_pbh((__m512)values);
    std::memcpy(to, &rounded, sizeof rounded);
  }

  static ZOO_INLINE Vector<int32_t> pairs(Vector<float> low, Vector<float> high) {
    const auto half = [](Vector<float> values) {
      return (Vector<int32_t>)_mm512_cvtepu16_epi32((__m256i)_mm512_cvtneps_pbh((__m512)values));
    };
    return half(low) | (half(high) << 16);
  }

  // The m-th pair of rows, with zeros after the last one.
  static ZOO_INLINE Vector<int32_t> pair_of_rows(int64_t rows, const float* from, int64_t stride,
                                                 int64_t m) {
    const auto row = [&](int64_t k) {
      return k < rows ? load(from + k * stride) : Vector<float>{};
    };
    return pairs(row(2 * m), row(2 * m + 1));
  }
};
#endif

// Rounds to the nearest integers, halves to even ones.
ZOO_INLINE Vector<int32_t> to_integers(Vector<float> x) {
#if defined(__AVX512F__)
  return (Vector<int32_t>)_mm512_cvtps_epi32((__m512)x);
#elif defined(__AVX__)
  return (Vector<int32_t>)_mm256_cvtps_epi32((__m256)x);
#elif defined(__x86_64__)
  return (Vector<int32_t>)_mm_cvtps_epi32((__m128)x);
#else
  Vector<int32_t> result;
  for (int l = 0; l < kLanes<float>; ++l) {
    const float rounded = std::nearbyint(x[l]);
    result[l] = std::fabs(rounded) < 1e9f ? static_cast<int32_t>(rounded) : 0;
  }
  return result;
#endif
}

// Integers from -127 to 127 with a scale for each row of the left factor and each column of the
// right one, as `keras.quantizers.AbsMaxQuantizer` makes them. Their sums are exact, unless there
// is no instruction for them: then they are rounded, from a depth of 1040 on.
struct Int8 {
  using Value = float;
  using Weight = int8_t;
  static constexpr int kDepth = 1;
  static constexpr bool kConverts = true, kScaled = true, kTiled = false;
#if defined(ZOO_BYTE_PRODUCTS)
  using Element = int32_t;
  using Sum = Vector<int32_t>;
  static constexpr int kGroup = 4;
  // The instruction takes unsigned weights; the offset of the row compensates for what is added to
  // them.
  static constexpr int kAdded = 128;

  static ZOO_INLINE Sum multiply_add(Element a, Vector<Element> b, Sum sum) {
#if defined(__AVX512F__)
    return (Sum)_mm512_dpbusd_epi32((__m512i)sum, (__m512i)b, _mm512_set1_epi32(a));
#else
    return (Sum)_mm256_dpbusd_avx_epi32((__m256i)sum, (__m256i)b, _mm256_set1_epi32(a));
#endif
  }

  static ZOO_INLINE Vector<float> result(Sum sum, int32_t offset) {
    return __builtin_convertvector(sum + broadcast(offset), Vector<float>);
  }

  static void pack(const int8_t* weights, int64_t stride, int64_t rows, int64_t n, Element* out) {
    constexpr int L = kLanes<float>;
    auto* bytes = reinterpret_cast<uint8_t*>(out);
    if (n == L && rows == kGroup) {
      const __m128i added = _mm_set1_epi8(static_cast<char>(kAdded));
      for (int l = 0; l < L; l += 8) {
        const auto row = [&](int k) {
          return _mm_loadl_epi64(reinterpret_cast<const __m128i*>(weights + k * stride + l));
        };
        const __m128i low = _mm_unpacklo_epi8(row(0), row(1));
        const __m128i high = _mm_unpacklo_epi8(row(2), row(3));
        auto* to = reinterpret_cast<__m128i*>(bytes + l * kGroup);
        _mm_storeu_si128(to, _mm_xor_si128(_mm_unpacklo_epi16(low, high), added));
        _mm_storeu_si128(to + 1, _mm_xor_si128(_mm_unpackhi_epi16(low, high), added));
      }
      return;
    }
    for (int l = 0; l < L; ++l) {
      for (int k = 0; k < kGroup; ++k) {
        const int weight = k < rows ? weights[k * stride + (l < n ? l : 0)] : 0;
        bytes[l * kGroup + k] = static_cast<uint8_t>(weight + kAdded);
      }
    }
  }

  using Number = int8_t;  // of a row
#else
  using Element = float;
  using Sum = Vector<float>;
  static constexpr int kGroup = 1, kAdded = 0;

  static ZOO_INLINE Sum multiply_add(Element a, Vector<Element> b, Sum sum) {
    return sum + broadcast(a) * b;
  }

  static ZOO_INLINE Vector<float> result(Sum sum, int32_t) { return sum; }

  static void pack(const int8_t* weights, int64_t, int64_t, int64_t n, Element* out) {
    for (int l = 0; l < kLanes<float>; ++l) out[l] = weights[l < n ? l : 0];
  }

  using Number = float;
#endif

  class Rows {
   public:
    Rows() = default;
    Rows(int64_t rows, int64_t depth)
        : stride_(padded_stride<Element>(divide_up(depth, kGroup))),
          data_(rows * stride_),
          scales_(rows),
          offsets_(rows) {}

    // Quantizes a row by its largest absolute value. NaN gives a scale that is NaN.
    void set(int64_t row, const float* from, int64_t depth) const {
      constexpr int L = kLanes<float>;
      using Bits = Vector<int32_t>;
      const auto left = [&](int64_t k) {
        return static_cast<int>(std::min<int64_t>(L, depth - k));
      };
      // As integers, the bits of positive numbers have the same order, and NaN is the largest.
      Bits most{};
      for (int64_t k = 0; k < depth; k += L) {
        const Bits bits = (Bits)load_some(from + k, left(k)) & 0x7fffffff;
        most = bits > most ? bits : most;
      }
      int32_t largest = 0;
      for (int l = 0; l < L; ++l) largest = std::max(largest, most[l]);
      float size;
      std::memcpy(&size, &largest, sizeof size);
      const float scale = 127 / (size + 1e-7f);
      scales_.get()[row] = 1 / scale;
      auto* to = reinterpret_cast<Number*>(data_.get() + row * stride_);
      Bits sums{};
      for (int64_t k = 0; k < depth; k += L) {
        Bits q = to_integers(load_some(from + k, left(k)) * scale);
        q = q > 127 ? Bits{} + 127 : q < -127 ? Bits{} - 127 : q;
        sums += q;
        typedef Number Numbers __attribute__((vector_size(L * sizeof(Number))));
        const Numbers numbers = __builtin_convertvector(q, Numbers);
        std::memcpy(to + k, &numbers, sizeof numbers);
      }
      int32_t sum = 0;
      for (int l = 0; l < L; ++l) sum += sums[l];
      offsets_.get()[row] = -kAdded * sum;
    }

    Left<Int8> left() const { return {data_.get(), stride_, scales_.get(), offsets_.get()}; }

   private:
    int64_t stride_ = 0;  // a multiple of a vector
    Buffer<Element> data_;
    Buffer<float> scales_;
    Buffer<int32_t> offsets_;
  };
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_FORMATS_H_
