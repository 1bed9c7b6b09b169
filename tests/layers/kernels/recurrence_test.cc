// Checks of the kernels alone, for every cell: their gradients, their results on any number of
// threads, and the accuracy of their activations. test_recurrence.py compiles and runs it.

#include <cmath>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>

#include "cells.h"
#include "recurrence.h"

namespace {

using namespace zoo;  // NOLINT

int failures = 0;

void expect(bool ok, const char* what, const char* cell, const Problem& p, int threads) {
  if (ok) return;
  ++failures;
  std::printf("FAILED %s: %s, [%ld, %ld, %ld] units %ld, backwards %d, zeros %d, "
              "sequences %d, threads %d\n",
              what, cell, static_cast<long>(p.batch), static_cast<long>(p.time),
              static_cast<long>(p.input), static_cast<long>(p.units), p.go_backwards,
              p.zero_output_for_mask, p.return_sequences, threads);
}

// A pool that runs each task in its own thread at once, or, if late, only after the work is done.
struct Threads {
  explicit Threads(int count, bool late = false) {
    pool.threads = count;
    pool.schedule = [this, late](std::function<void()> task) {
      std::lock_guard<std::mutex> lock(mutex);
      if (late) {
        waiting.push_back(std::move(task));
      } else {
        running.emplace_back(std::move(task));
      }
    };
  }
  ~Threads() {
    for (auto& thread : running) thread.join();
    for (auto& task : waiting) task();
  }
  Pool pool;
  std::mutex mutex;
  std::vector<std::thread> running;
  std::vector<std::function<void()>> waiting;
};

template <class T>
struct Case {
  const Cell<T>& cell;
  Problem p;
  bool masked, biased;
  std::vector<T> x, kernel, recurrent, bias, vectors, second, second_bias;
  std::vector<T> initial[kMaxStates], drawn[kMaxDrawn];
  std::vector<char> mask;
  std::vector<T> outputs, last, finals[kMaxStates], saved;
  std::vector<T> d_outputs, d_last, d_finals[kMaxStates];
  std::vector<T> d_x, d_kernel, d_recurrent, d_bias, d_vectors, d_second, d_second_bias;
  std::vector<T> d_initial[kMaxStates];

  Case(const Cell<T>& the_cell, const Problem& problem, bool with_mask, bool with_bias,
       unsigned seed)
      : cell(the_cell), p(problem), masked(with_mask), biased(with_bias) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    auto fill = [&](std::vector<T>* v, int64_t n, double scale) {
      v->resize(n);
      for (auto& e : *v) e = static_cast<T>(scale * normal(generator));
    };
    p.hidden = cell.second && cell.states > 1 ? p.units + 3 : p.units;
    const int64_t columns = cell.blocks * p.units, rows = p.batch, state = rows * p.units;
    const int64_t last_size = rows * p.hidden, steps = p.return_sequences ? p.time * last_size : 0;
    fill(&x, rows * p.time * p.input, 1);
    fill(&kernel, p.input * columns, 0.5);
    if (cell.recurrent) {
      fill(&recurrent, p.hidden * (columns - cell.input_blocks * p.units),
           0.5 / std::sqrt(p.hidden));
    }
    if (cell.second) fill(&second, p.units * p.hidden, 0.5 / std::sqrt(p.units));
    if (cell.second_bias) fill(&second_bias, p.hidden, 0.5);
    fill(&bias, columns * cell.biases(), 0.5);
    fill(&vectors, cell.vectors * p.units, 0.5);
    for (int k = 0; k < cell.states; ++k) {
      fill(&initial[k], k == 0 ? last_size : state, 1);
      fill(&d_finals[k], k == 0 ? last_size : state, 1);
    }
    // The normalizer of sLSTM is at least 1.
    for (auto& n : initial[2]) n = 1 + n * n;
    fill(&d_last, last_size, 1);
    fill(&d_outputs, steps, 1);
    for (int k = 0; k < cell.drawn; ++k) {
      drawn[k].resize(p.time * state);
      for (auto& e : drawn[k]) e = static_cast<T>(generator() % 4) / 3;
    }
    mask.resize(rows * p.time);
    for (auto& m : mask) m = generator() % 3 != 0;
    outputs.resize(steps);
    last.resize(last_size);
    for (int k = 0; k < cell.states; ++k) {
      finals[k].resize(initial[k].size());
      d_initial[k].resize(initial[k].size());
    }
    d_x.resize(x.size());
    d_kernel.resize(kernel.size());
    d_recurrent.resize(recurrent.size());
    d_bias.resize(bias.size());
    d_vectors.resize(vectors.size());
    d_second.resize(second.size());
    d_second_bias.resize(second_bias.size());
  }

  template <class A>
  void fill_arguments(A* a) {
    a->x = x.data();
    a->mask = masked ? reinterpret_cast<const bool*>(mask.data()) : nullptr;
    a->weights = {kernel.data(),  recurrent.data(), biased ? bias.data() : nullptr,
                  vectors.data(), second.data(),    biased ? second_bias.data() : nullptr};
    for (int k = 0; k < cell.states; ++k) a->initial[k] = initial[k].data();
    for (int k = 0; k < cell.drawn; ++k) {
      a->drawn[k] = {drawn[k].data(), p.batch * p.units, p.units};
    }
  }

  void forward(const Pool& pool, bool save) {
    const Recurrence<T> recurrence(cell, p, pool.threads);
    saved.assign(save ? p.batch * p.time * recurrence.saved_width() : 0, T(0));
    ForwardArguments<T> a{};
    fill_arguments(&a);
    a.outputs = p.return_sequences ? outputs.data() : nullptr;
    a.last = last.data();
    for (int k = 0; k < cell.states; ++k) a.finals[k] = finals[k].data();
    a.saved = save ? saved.data() : nullptr;
    recurrence.forward(pool, a);
  }

  void backward(const Pool& pool) {
    BackwardArguments<T> a{};
    fill_arguments(&a);
    a.outputs = outputs.data();
    a.saved = saved.data();
    a.d_outputs = p.return_sequences ? d_outputs.data() : nullptr;
    a.d_last = d_last.data();
    a.d_x = d_x.data();
    a.d_weights = {d_kernel.data(),  d_recurrent.data(), biased ? d_bias.data() : nullptr,
                   d_vectors.data(), d_second.data(),    biased ? d_second_bias.data() : nullptr};
    for (int k = 0; k < cell.states; ++k) {
      a.d_finals[k] = d_finals[k].data();
      a.d_initial[k] = d_initial[k].data();
    }
    Recurrence<T>(cell, p, pool.threads).backward(pool, a);
  }

  double loss(const Pool& pool) {
    forward(pool, false);
    double sum = 0;
    for (size_t i = 0; i < outputs.size(); ++i) sum += outputs[i] * d_outputs[i];
    for (size_t i = 0; i < last.size(); ++i) sum += last[i] * d_last[i];
    for (int k = 0; k < cell.states; ++k) {
      for (size_t i = 0; i < finals[k].size(); ++i) sum += finals[k][i] * d_finals[k][i];
    }
    return sum;
  }
};

// The slope of the loss along a random direction of each argument matches the gradient.
void check_gradient(const Cell<double>& cell, const Problem& problem, bool masked, bool biased,
                    int threads) {
  Case<double> test(cell, problem, masked, biased, 1);
  Threads pool(threads);
  test.forward(pool.pool, true);
  test.backward(pool.pool);
  std::mt19937 generator(2);
  std::normal_distribution<double> normal;
  auto check = [&](std::vector<double>* argument, const std::vector<double>& gradient,
                   const char* what) {
    const std::vector<double> at = *argument;
    std::vector<double> direction(at.size());
    double expected = 0, size = 0;
    for (size_t i = 0; i < at.size(); ++i) {
      direction[i] = normal(generator);
      expected += direction[i] * gradient[i];
      size += std::abs(direction[i] * gradient[i]);
    }
    const double step = 1e-5;
    for (size_t i = 0; i < at.size(); ++i) (*argument)[i] = at[i] + step * direction[i];
    const double above = test.loss(pool.pool);
    for (size_t i = 0; i < at.size(); ++i) (*argument)[i] = at[i] - step * direction[i];
    const double below = test.loss(pool.pool);
    *argument = at;
    expect(std::abs((above - below) / (2 * step) - expected) <= 1e-6 * (1 + size), what, cell.name,
           problem, threads);
  };
  check(&test.x, test.d_x, "gradient of x");
  check(&test.kernel, test.d_kernel, "gradient of kernel");
  check(&test.recurrent, test.d_recurrent, "gradient of recurrent_kernel");
  check(&test.second, test.d_second, "gradient of the second recurrent kernel");
  if (biased) check(&test.bias, test.d_bias, "gradient of bias");
  if (biased) check(&test.second_bias, test.d_second_bias, "gradient of the second bias");
  check(&test.vectors, test.d_vectors, "gradient of vectors");
  const char* names[] = {"gradient of state 0", "gradient of state 1", "gradient of state 2",
                         "gradient of state 3"};
  for (int k = 0; k < cell.states; ++k) check(&test.initial[k], test.d_initial[k], names[k]);
}

double difference(const std::vector<float>& a, const std::vector<float>& b) {
  double most = 0, size = 0;
  for (size_t i = 0; i < a.size(); ++i) {
    most = std::max(most, std::abs(static_cast<double>(a[i]) - b[i]));
    size = std::max(size, std::abs(static_cast<double>(a[i])));
  }
  return most / (size + 1e-30);
}

// The results agree for any number of threads, whether they start in time or late.
void check_threads(const Cell<float>& cell, const Problem& problem, bool masked) {
  Case<float> one(cell, problem, masked, true, 3);
  {
    Threads pool(1);
    one.forward(pool.pool, true);
    one.backward(pool.pool);
  }
  for (int threads : {2, 3}) {
    for (bool late : {false, true}) {
      Case<float> other(cell, problem, masked, true, 3);
      {
        Threads pool(threads, late);
        other.forward(pool.pool, true);
        other.backward(pool.pool);
      }
      bool same = difference(one.outputs, other.outputs) <= 1e-6;
      for (int k = 0; k < cell.states; ++k) {
        same &= difference(one.finals[k], other.finals[k]) <= 1e-6;
      }
      expect(same, "agreement of outputs", cell.name, problem, threads);
      expect(difference(one.d_x, other.d_x) <= 1e-6 &&
                 difference(one.d_kernel, other.d_kernel) <= 2e-6 &&
                 difference(one.d_recurrent, other.d_recurrent) <= 2e-6 &&
                 difference(one.d_bias, other.d_bias) <= 2e-6 &&
                 difference(one.d_vectors, other.d_vectors) <= 2e-6 &&
                 difference(one.d_second, other.d_second) <= 2e-6 &&
                 difference(one.d_second_bias, other.d_second_bias) <= 2e-6,
             "agreement of gradients", cell.name, problem, threads);
    }
  }
}

void check_activations() {
  const auto one = [](Activation kind, float value) {
    return activate(kind, broadcast(value))[0];
  };
  double worst = 0;
  const auto compare = [&](double value, double exact) {
    worst = std::max(worst, std::abs(value - exact) / std::max(1e-30, std::abs(exact)));
  };
  for (double v = -20; v <= 20; v += 1.0 / 512) {
    const float x = static_cast<float>(v);
    const double exact = 1 / (1 + std::exp(-static_cast<double>(x)));
    compare(one(Activation::kSigmoid, x), exact);
    compare(one(Activation::kTanh, x), std::tanh(static_cast<double>(x)));
    compare(log_sigmoid(broadcast(x))[0], std::log(exact));
    compare(exp(broadcast(x))[0], std::exp(static_cast<double>(x)));
    compare(positive(broadcast(x))[0], x >= 0 ? x + 0.5 : exact);
  }
  if (worst > 4e-7) {
    ++failures;
    std::printf("FAILED activations: relative error %g\n", worst);
  }
  if (!std::isnan(one(Activation::kSigmoid, NAN)) || !std::isnan(one(Activation::kTanh, NAN))) {
    ++failures;
    std::printf("FAILED activations: NaN does not propagate\n");
  }
}

}  // namespace

int main() {
  check_activations();
  for (const Cell<double>& cell : kCells<double>) {
    const int64_t shapes[][4] = {{1, 1, 1, 1}, {3, 5, 4, 7}, {9, 4, 17, 33}, {0, 3, 2, 4},
                                 {2, 0, 3, 5}};
    for (const auto& s : shapes) {
      for (int flags = 0; flags < 16; ++flags) {
        Problem problem{s[0], s[1], s[2], s[3], s[3]};
        problem.go_backwards = flags & 1;
        problem.return_sequences = flags & 2;
        problem.zero_output_for_mask = flags & 4;
        check_gradient(cell, problem, flags & 8, flags % 3 != 0, 1 + flags % 2);
      }
    }
    for (Activation activation : {Activation::kLinear, Activation::kSigmoid}) {
      Problem problem{4, 5, 3, 20, 20};
      problem.activation = activation;
      check_gradient(cell, problem, true, true, 2);
    }
  }
  for (const Cell<float>& cell : kCells<float>) {
    const int64_t large[][4] = {{1, 40, 70, 150}, {13, 40, 20, 100}, {33, 6, 33, 90}};
    for (const auto& s : large) {
      for (bool masked : {false, true}) check_threads(cell, {s[0], s[1], s[2], s[3], s[3]}, masked);
    }
  }
  std::printf(failures == 0 ? "all checks passed\n" : "%d failures\n", failures);
  return failures != 0;
}
