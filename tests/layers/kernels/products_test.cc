// Checks products of quantized factors against sums of integers, and products of bfloat16 against
// those of rounded factors. test_products.py compiles and runs it for several instruction sets.

#include <cmath>
#include <cstdio>
#include <random>
#include <vector>

#include "layout.h"
#include "products.h"

namespace {

using namespace zoo;  // NOLINT

int failures = 0;

std::vector<float> random_numbers(int64_t n, unsigned seed) {
  std::mt19937 generator(seed);
  std::normal_distribution<float> normal;
  std::vector<float> values(n);
  for (float& value : values) value = normal(generator);
  return values;
}

// Packs a matrix as that of a layer with one block.
template <class F>
void pack(const typename F::Weight* weights, const float* scales, int64_t depth, int64_t columns,
          const Panels& panels, const Matrix<F>& packed) {
  Layout<float>::pack_plain(weights, scales, depth, columns, panels, 0, 1, packed);
}

void expect_close(const char* what, float found, double expected, double tolerance, int64_t rows,
                  int64_t depth, int64_t columns) {
  if (std::abs(found - expected) <= tolerance) return;
  if (++failures > 10) return;
  std::printf("FAILED %s [%ld, %ld, %ld]: %g, not %g\n", what, static_cast<long>(rows),
              static_cast<long>(depth), static_cast<long>(columns), found, expected);
}

void check_int8(int64_t rows, int64_t depth, int64_t columns) {
  const auto x = random_numbers(rows * depth, 1), init = random_numbers(columns, 2);
  std::vector<int8_t> weights(depth * columns);
  std::mt19937 generator(3);
  for (int8_t& weight : weights) weight = static_cast<int8_t>(generator() % 255 - 127);
  std::vector<float> scales(columns);
  for (float& scale : scales) scale = 1 + generator() % 100;
  const Panels panels = panels_of<float>(columns);
  const Matrix<Int8> packed(panels.count, panels.vectors, depth);
  pack(weights.data(), scales.data(), depth, columns, panels, packed);
  const Int8::Rows factor(rows, depth);
  for (int64_t r = 0; r < rows; ++r) factor.set(r, x.data() + r * depth, depth);
  std::vector<float> out(rows * panels.padded), added(panels.padded);
  std::copy(init.begin(), init.end(), added.begin());
  for (int64_t q = 0; q < panels.count; ++q) {
    const int64_t first = q * panels.vectors * kLanes<float>;
    product(rows, factor.left(), packed, q, added.data() + first, 0, out.data() + first,
            panels.padded);
  }
  for (int64_t r = 0; r < rows; ++r) {
    float most = 0;
    for (int64_t k = 0; k < depth; ++k) most = std::max(most, std::abs(x[r * depth + k]));
    const float scale = 127 / (most + 1e-7f);
    for (int64_t c = 0; c < columns; ++c) {
      int64_t sum = 0;
      for (int64_t k = 0; k < depth; ++k) {
        sum += std::lrint(x[r * depth + k] * scale) * weights[k * columns + c];
      }
      const double expected = sum / (double{scale} * scales[c]) + init[c];
      expect_close("int8", out[r * panels.padded + c], expected, 1e-6 * (1 + std::abs(expected)),
                   rows, depth, columns);
    }
  }
}

#if defined(ZOO_BFLOAT16_PRODUCTS)
float rounded(float value) {
  uint32_t bits;
  std::memcpy(&bits, &value, sizeof bits);
  bits = (bits + 0x7fff + (bits >> 16 & 1)) & 0xffff0000;
  std::memcpy(&value, &bits, sizeof value);
  return value;
}

void check_bfloat16(int64_t rows, int64_t depth, int64_t columns) {
  const auto x = random_numbers(rows * depth, 1), weights = random_numbers(depth * columns, 2);
  const Panels panels = panels_of<float>(columns);
  const Matrix<BFloat16> packed(panels.count, panels.vectors, depth);
  pack<BFloat16>(weights.data(), nullptr, depth, columns, panels, packed);
  const BFloat16::Rows factor(rows, depth);
  for (int64_t r = 0; r < rows; ++r) factor.set(r, x.data() + r * depth, depth);
  // The same factor, from its transpose.
  const int64_t stride = padded_stride<float>(rows);
  std::vector<float> transposed(depth * stride);
  for (int64_t k = 0; k < depth; ++k) {
    for (int64_t r = 0; r < rows; ++r) transposed[k * stride + r] = x[r * depth + k];
  }
  const BFloat16::Columns columns_of_x(depth, rows);
  columns_of_x.set(depth, transposed.data(), stride, rows);
  for (const Left<BFloat16>& left : {factor.left(), columns_of_x.left(0)}) {
    std::vector<float> out(rows * panels.padded);
    for (int64_t q = 0; q < panels.count; ++q) {
      product(rows, left, packed, q, static_cast<const float*>(nullptr), 0,
              out.data() + q * panels.vectors * kLanes<float>, panels.padded);
    }
    for (int64_t r = 0; r < rows; ++r) {
      for (int64_t c = 0; c < columns; ++c) {
        double sum = 0;
        for (int64_t k = 0; k < depth; ++k) {
          sum += double{rounded(x[r * depth + k])} * rounded(weights[k * columns + c]);
        }
        expect_close("bfloat16", out[r * panels.padded + c], sum, 1e-4, rows, depth, columns);
      }
    }
  }
}
#endif

}  // namespace

int main() {
  for (int64_t rows : {1, 2, 7, 16, 19, 33}) {
    for (int64_t depth : {1, 3, 4, 17, 64, 300}) {
      for (int64_t columns : {1, 16, 21, 48, 130}) {
        check_int8(rows, depth, columns);
#if defined(ZOO_BFLOAT16_PRODUCTS)
        if (has_bfloat16_products()) check_bfloat16(rows, depth, columns);
#endif
      }
    }
  }
  if (failures > 0) return 1;
  std::printf("all products are right\n");
}
