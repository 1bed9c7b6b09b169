// Standardization of rows, for layer normalization.

#ifndef ZOO_LAYERS_KERNELS_STANDARDIZE_H_
#define ZOO_LAYERS_KERNELS_STANDARDIZE_H_

#include <cmath>
#include <cstdint>

#include "simd.h"

namespace zoo {

template <class T>
T total(Vector<T> v) {
  T sum = 0;
  for (int l = 0; l < kLanes<T>; ++l) sum += v[l];
  return sum;
}

// Shifts and scales groups of `group` vectors to mean 0 and variance 1, without the padding: each
// vector of the last group has `left` elements. Returns the scale.
template <class T>
T standardize(int64_t groups, int group, int left, const T* from, T* to) {
  constexpr int L = kLanes<T>;
  const T n = static_cast<T>(group * ((groups - 1) * L + left));
  const auto each = [&](const auto& fn) {
    for (int64_t i = 0; i < groups; ++i) {
      for (int v = 0; v < group; ++v) {
        const T* at = from + (i * group + v) * L;
        fn((i * group + v) * L, load_some(at, i + 1 < groups ? L : left), i + 1 < groups);
      }
    }
  };
  Vector<T> sum{};
  each([&](int64_t, Vector<T> x, bool) { sum += x; });
  const T mean = total<T>(sum) / n;
  Vector<T> inside{}, edge{};
  each([&](int64_t, Vector<T> x, bool full) {
    const Vector<T> d = x - mean;
    (full ? inside : edge) += d * d;
  });
  T squares = total<T>(inside);
  for (int l = 0; l < left; ++l) squares += edge[l];
  const T scale = 1 / std::sqrt(squares / n + T(1e-5));
  each([&](int64_t at, Vector<T> x, bool) { store(to + at, (x - mean) * scale); });
  return scale;
}

// Turns the gradient of standardized vectors y into that of the original ones. The gradient is zero
// where there is padding. `y_stride` is the distance of the groups in y.
template <class T>
void standardize_back(int64_t groups, int group, int64_t n, T scale, const T* y, int64_t y_stride,
                      T* gradient) {
  constexpr int L = kLanes<T>;
  Vector<T> sum{}, along{};
  for (int64_t i = 0; i < groups; ++i) {
    for (int v = 0; v < group; ++v) {
      const Vector<T> d = load(gradient + (i * group + v) * L);
      sum += d;
      along += d * load(y + i * y_stride + v * L);
    }
  }
  const T mean = total<T>(sum) / n, slope = total<T>(along) / n;
  for (int64_t i = 0; i < groups; ++i) {
    for (int v = 0; v < group; ++v) {
      T* at = gradient + (i * group + v) * L;
      store(at, (load(at) - mean - load(y + i * y_stride + v * L) * slope) * scale);
    }
  }
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_STANDARDIZE_H_
