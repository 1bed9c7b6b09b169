// SIMD vectors of the machine's width, and the activation functions on them.

#ifndef ZOO_LAYERS_KERNELS_SIMD_H_
#define ZOO_LAYERS_KERNELS_SIMD_H_

#include <cmath>
#include <cstdint>
#include <cstring>

#define ZOO_INLINE inline __attribute__((always_inline))

namespace zoo {

#if defined(__AVX512F__)
constexpr int kVectorBytes = 64;
#elif defined(__AVX__)
constexpr int kVectorBytes = 32;
#else
constexpr int kVectorBytes = 16;
#endif

#if defined(__AVX512F__) || defined(__aarch64__)
constexpr int kRegisters = 32;
#else
constexpr int kRegisters = 16;
#endif

template <class T>
struct Simd;

template <>
struct Simd<float> {
  typedef float Vector __attribute__((vector_size(kVectorBytes)));
  typedef int32_t Bits __attribute__((vector_size(kVectorBytes)));
};

template <>
struct Simd<double> {
  typedef double Vector __attribute__((vector_size(kVectorBytes)));
};

template <>
struct Simd<int32_t> {
  typedef int32_t Vector __attribute__((vector_size(kVectorBytes)));
};

template <class T>
using Vector = typename Simd<T>::Vector;

template <class T>
constexpr int kLanes = kVectorBytes / static_cast<int>(sizeof(T));

template <class T>
ZOO_INLINE Vector<T> load(const T* p) {
  Vector<T> v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

template <class T>
ZOO_INLINE void store(T* p, Vector<T> v) {
  std::memcpy(p, &v, sizeof v);
}

// Loads the first `n` lanes; the rest are zero.
template <class T>
ZOO_INLINE Vector<T> load_some(const T* p, int n) {
  if (n >= kLanes<T>) return load(p);
  Vector<T> v = {};
  std::memcpy(&v, p, n * sizeof(T));
  return v;
}

template <class T>
ZOO_INLINE void store_some(T* p, Vector<T> v, int n) {
  if (n >= kLanes<T>) {
    store(p, v);
  } else {
    std::memcpy(p, &v, n * sizeof(T));
  }
}

template <class T>
ZOO_INLINE Vector<T> broadcast(T value) {
  return value - Vector<T>{};
}

// Clamps x to [-limit, limit]. NaN passes through, because every comparison with it is false.
ZOO_INLINE Vector<float> clamp(Vector<float> x, float limit) {
  x = x > limit ? broadcast(limit) : x;
  return x < -limit ? broadcast(-limit) : x;
}

// exp(x) = scale * (1 + p) for |x| < 87: range reduction to |r| <= log(2) / 2, then the Taylor
// series up to r^7 (relative error 5e-9).
struct Exponential {
  Vector<float> scale, p;
};

ZOO_INLINE Exponential exponential(Vector<float> x) {
  using V = Vector<float>;
  typedef uint32_t Bits __attribute__((vector_size(kVectorBytes)));
  const V magic = broadcast(12582912.0f);  // 1.5 * 2^23; adding it rounds to an integer
  const V shifted = x * 1.44269504f + magic;
  const V n = shifted - magic;
  const V scale = (V)(((Bits)shifted << 23) + (127u << 23));
  V r = x - n * 0.693359375f;
  r = r + n * 2.12194440e-4f;
  V p = r * (1.0f / 5040) + 1.0f / 720;
  p = p * r + 1.0f / 120;
  p = p * r + 1.0f / 24;
  p = p * r + 1.0f / 6;
  p = p * r + 0.5f;
  p = p * (r * r) + r;
  return {scale, p};
}

ZOO_INLINE Vector<float> exp(Vector<float> x) {
  const Exponential e = exponential(clamp(x, 86.0f));
  return e.scale * e.p + e.scale;
}

// exp(x) - 1 for |x| < 87, accurate near zero.
ZOO_INLINE Vector<float> expm1(Vector<float> x) {
  const Exponential e = exponential(x);
  return e.scale * e.p + (e.scale - 1.0f);
}

ZOO_INLINE Vector<float> sigmoid(Vector<float> x) {
  return 1.0f / (expm1(-clamp(x, 80.0f)) + 2.0f);
}

ZOO_INLINE Vector<float> tanh(Vector<float> x) {
  x = clamp(x, 10.0f);
  const Vector<float> e = expm1(x + x);
  return e / (e + 2.0f);
}

// log(sigmoid(x)) = min(x, 0) - log(1 + z) with z = exp(-|x|), where log(1 + z) = 2 artanh(s) with
// s = z / (2 + z) <= 1/3, by its series up to s^15 (relative error 2e-9).
ZOO_INLINE Vector<float> log_sigmoid(Vector<float> x) {
  using V = Vector<float>;
  const V z = exp(x < 0 ? x : -x);
  const V s = z / (z + 2.0f), q = s * s;
  V p = q * (1.0f / 15) + 1.0f / 13;
  p = p * q + 1.0f / 11;
  p = p * q + 1.0f / 9;
  p = p * q + 1.0f / 7;
  p = p * q + 1.0f / 5;
  p = p * q + 1.0f / 3;
  p = p * q + 1.0f;
  return (x < 0 ? x : V{}) - 2.0f * s * p;
}

ZOO_INLINE Vector<double> exp(Vector<double> x) {
  for (int l = 0; l < kLanes<double>; ++l) x[l] = std::exp(x[l]);
  return x;
}

ZOO_INLINE Vector<double> log_sigmoid(Vector<double> x) {
  for (int l = 0; l < kLanes<double>; ++l) {
    x[l] = std::fmin(x[l], 0) - std::log1p(std::exp(-std::fabs(x[l])));
  }
  return x;
}

ZOO_INLINE Vector<double> sigmoid(Vector<double> x) {
  for (int l = 0; l < kLanes<double>; ++l) x[l] = 1 / (1 + std::exp(-x[l]));
  return x;
}

ZOO_INLINE Vector<double> tanh(Vector<double> x) {
  for (int l = 0; l < kLanes<double>; ++l) x[l] = std::tanh(x[l]);
  return x;
}

enum class Activation { kLinear, kTanh, kSigmoid, kRelu };

template <class V>
ZOO_INLINE V activate(Activation kind, V x) {
  switch (kind) {
    case Activation::kTanh:
      return tanh(x);
    case Activation::kSigmoid:
      return sigmoid(x);
    case Activation::kRelu:
      return x < 0 ? V{} : x;
    default:
      return x;
  }
}

// Applies the activation to n vectors, `stride` elements apart.
template <class T>
__attribute__((noinline)) void activate_rows(Activation kind, int64_t n, T* rows, int64_t stride) {
  for (int64_t j = 0; j < n; ++j) store(rows + j * stride, activate(kind, load(rows + j * stride)));
}

// The derivative of the activation, computed from its value y.
template <class V>
ZOO_INLINE V slope(Activation kind, V y) {
  switch (kind) {
    case Activation::kTanh:
      return 1 - y * y;
    case Activation::kSigmoid:
      return y * (1 - y);
    case Activation::kRelu:
      return y > 0 ? V{} + 1 : V{};
    default:
      return V{} + 1;
  }
}

// v + 1/2 where v >= 0, otherwise sigmoid(v): positive and increasing.
template <class V>
ZOO_INLINE V positive(V v) {
  return v >= 0 ? v + 0.5f : sigmoid(v);
}

// The derivative of `positive`, computed from its value y.
template <class V>
ZOO_INLINE V positive_slope(V y) {
  return y >= 0.5f ? V{} + 1 : y * (1 - y);
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_SIMD_H_
