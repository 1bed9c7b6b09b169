// Runs the kernels of all cells forward and backward under a sanitizer: with odd shapes, masks and
// options, in buffers of exact size, and from two threads at once.

#include <atomic>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <thread>
#include <vector>

#include "cells.h"
#include "recurrence.h"
#include "workers.h"

using namespace zoo;

// Random numbers on the heap, so that the sanitizer detects accesses past the end.
std::vector<float> numbers(int64_t n) {
  static thread_local std::mt19937 random_bits;
  std::vector<float> values(n);
  std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
  for (float& value : values) value = uniform(random_bits);
  values.shrink_to_fit();
  return values;
}

void run(const Cell<float>& cell, const Pool& pool, int64_t batch, int64_t time, int64_t input,
         int64_t units, bool masked, bool sequences, bool biased, bool backwards) {
  const int64_t hidden = cell.second && cell.states > 1 ? units / 2 + 1 : units;
  Problem problem{batch, time, input, units, hidden};
  problem.return_sequences = sequences;
  problem.go_backwards = backwards;
  problem.zero_output_for_mask = backwards;
  const int64_t columns = cell.blocks * units, state = batch * units, h_size = batch * hidden;
  const Recurrence<float> recurrence(cell, problem, pool.threads);
  const int64_t depth = cell.recurrent ? hidden : 0;
  auto x = numbers(batch * time * input), kernel = numbers(input * columns),
       recurrent = numbers(depth * (columns - cell.input_blocks * units)),
       bias = numbers(cell.biases() * columns), vectors = numbers(cell.vectors * units),
       second = numbers(cell.second ? units * hidden : 0),
       second_bias = numbers(cell.second_bias ? hidden : 0),
       outputs = numbers(sequences ? h_size * time : 0), last = numbers(h_size),
       saved = numbers(batch * time * recurrence.saved_width()), d_outputs = outputs, d_last = last,
       d_x = x, d_kernel = kernel, d_recurrent = recurrent, d_bias = bias, d_vectors = vectors,
       d_second = second, d_second_bias = second_bias;
  auto mask = std::make_unique<bool[]>(batch * time);
  const auto chance = numbers(batch * time);
  for (int64_t i = 0; i < batch * time; ++i) mask[i] = chance[i] > -0.2f;
  auto at = [](std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  ForwardArguments<float> a{};
  a.x = at(x);
  a.mask = masked ? mask.get() : nullptr;
  a.weights = {at(kernel),  at(recurrent), biased ? at(bias) : nullptr,
               at(vectors), at(second),    biased ? at(second_bias) : nullptr};
  a.outputs = at(outputs);
  a.last = at(last);
  a.saved = at(saved);
  BackwardArguments<float> back{a.x, a.mask, a.weights};
  std::vector<float> initial[kMaxStates], finals[kMaxStates], d_initial[kMaxStates],
      drawn[kMaxDrawn];
  for (int k = 0; k < cell.states; ++k) {
    initial[k] = numbers(k == 0 ? h_size : state);
    d_initial[k] = finals[k] = initial[k];
    back.initial[k] = a.initial[k] = at(initial[k]);
    back.d_finals[k] = a.finals[k] = at(finals[k]);
    back.d_initial[k] = at(d_initial[k]);
  }
  for (int k = 0; k < cell.drawn; ++k) {
    drawn[k] = numbers(sequences ? time * state : units);
    back.drawn[k] = a.drawn[k] = {at(drawn[k]), sequences ? state : 0, sequences ? units : 0};
  }
  back.outputs = a.outputs;
  back.saved = a.saved;
  back.d_outputs = at(d_outputs);
  back.d_last = at(d_last);
  back.d_x = at(d_x);
  back.d_weights = {at(d_kernel),  at(d_recurrent), biased ? at(d_bias) : nullptr,
                    at(d_vectors), at(d_second),    biased ? at(d_second_bias) : nullptr};
  recurrence.forward(pool, a);
  recurrence.backward(pool, back);
#if defined(ZOO_BFLOAT16_PRODUCTS)
  if (has_bfloat16_products()) {
    recurrence.forward<BFloat16>(pool, a);
    recurrence.backward<BFloat16>(pool, back);
  }
#endif
  a.weights.bias = nullptr;
  a.saved = nullptr;
  recurrence.forward(pool, a);

  const auto integers = [](const std::vector<float>& values) {
    std::vector<int8_t> result;
    for (const float value : values) result.push_back(static_cast<int8_t>(250 * value));
    result.shrink_to_fit();
    return result;
  };
  const auto q_kernel = integers(kernel), q_recurrent = integers(recurrent),
             q_second = integers(second);
  const std::vector<float> scales(std::max(columns, hidden), 100.0f);
  ForwardArguments<float, int8_t> quantized{};
  quantized.x = a.x;
  quantized.mask = a.mask;
  quantized.weights = {q_kernel.data(), q_recurrent.data(), a.weights.bias,
                       a.weights.vectors, q_second.data(), a.weights.second_bias,
                       scales.data(),   scales.data(),      scales.data()};
  std::copy(a.initial, a.initial + kMaxStates, quantized.initial);
  std::copy(a.drawn, a.drawn + kMaxDrawn, quantized.drawn);
  std::copy(a.finals, a.finals + kMaxStates, quantized.finals);
  quantized.outputs = a.outputs;
  quantized.last = a.last;
  recurrence.forward<Int8>(pool, quantized);
}

// Argument: the stride; one in so many problems is run.
int main(int, char** arguments) {
  const int stride = std::atoi(arguments[1]);
  // The last three are large enough for several threads: they split rows, then units.
  const int64_t shapes[][4] = {{1, 1, 1, 1},    {1, 9, 3, 30}, {2, 1, 5, 16},  {3, 7, 1, 33},
                               {19, 6, 8, 21},  {4, 2, 300, 5}, {70, 3, 2, 70}, {1, 60, 3, 130},
                               {40, 2, 7, 300}};
  Workers workers;
  const Pool pool = workers.pool(3);
  std::atomic<int> next{0}, count{0};
  const auto call = [&] {
    for (int i; (i = stride * next++) < 16 * static_cast<int>(std::size(shapes));) {
      const auto& s = shapes[i / 16];
      const bool masked = i & 1, sequences = i & 2, biased = i & 4, backwards = i & 8;
      for (const Cell<float>& cell : kCells<float>) {
        run(cell, pool, s[0], s[1], s[2], s[3], masked, sequences, biased, backwards);
        ++count;
      }
    }
  };
  std::thread other(call);
  call();
  other.join();
  std::printf("%d problems\n", count.load());
}
