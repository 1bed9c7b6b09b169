// Checks of recurrence.h alone: its gradients, its results on any number of threads, and the
// accuracy of its activations. test_recurrence.py compiles and runs it.

#include <cmath>
#include <cstdio>
#include <mutex>
#include <random>
#include <thread>

#include "recurrence.h"

namespace {

using namespace zoo;  // NOLINT

int failures = 0;

void expect(bool ok, const char* what, const Problem& p, int threads) {
  if (ok) return;
  ++failures;
  std::printf("FAILED %s: family %d, [%ld, %ld, %ld] units %ld, backwards %d, zeros %d, "
              "sequences %d, threads %d\n",
              what, static_cast<int>(p.family), static_cast<long>(p.batch),
              static_cast<long>(p.time), static_cast<long>(p.input), static_cast<long>(p.units),
              p.go_backwards, p.zero_output_for_mask, p.return_sequences, threads);
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
  Problem p;
  bool masked, biased;
  std::vector<T> x, kernel, recurrent, bias, h0, c0;
  std::vector<char> mask;
  std::vector<T> outputs, last, h, c, saved;
  std::vector<T> d_outputs, d_last, d_h, d_c;
  std::vector<T> d_x, d_kernel, d_recurrent, d_bias, d_h0, d_c0;

  Case(const Problem& problem, bool with_mask, bool with_bias, unsigned seed)
      : p(problem), masked(with_mask), biased(with_bias) {
    std::mt19937 generator(seed);
    std::normal_distribution<double> normal;
    auto fill = [&](std::vector<T>* v, int64_t n, double scale) {
      v->resize(n);
      for (auto& e : *v) e = static_cast<T>(scale * normal(generator));
    };
    const int64_t columns = p.num_blocks() * p.units, rows = p.batch, state = rows * p.units;
    const int64_t steps = p.return_sequences ? rows * p.time * p.units : 0;
    fill(&x, rows * p.time * p.input, 1);
    fill(&kernel, p.input * columns, 0.5);
    fill(&recurrent, p.units * columns, 0.5 / std::sqrt(p.units));
    fill(&bias, columns * (p.family == Family::kGRU ? 2 : 1), 0.5);
    for (auto* v : {&h0, &c0, &d_last, &d_h, &d_c}) fill(v, state, 1);
    fill(&d_outputs, steps, 1);
    mask.resize(rows * p.time);
    for (auto& m : mask) m = generator() % 3 != 0;
    outputs.resize(steps);
    for (auto* v : {&last, &h, &c, &d_h0, &d_c0}) v->resize(state);
    d_x.resize(x.size());
    d_kernel.resize(kernel.size());
    d_recurrent.resize(recurrent.size());
    d_bias.resize(bias.size());
  }

  template <class F>
  void with_recurrence(const Pool& pool, const F& fn) const {
    if (p.family == Family::kLSTM) return fn(Recurrence<T, Family::kLSTM>(p, pool.threads));
    if (p.family == Family::kGRU) return fn(Recurrence<T, Family::kGRU>(p, pool.threads));
    return fn(Recurrence<T, Family::kSimpleRNN>(p, pool.threads));
  }

  const bool* mask_data() const {
    return masked ? reinterpret_cast<const bool*>(mask.data()) : nullptr;
  }

  void forward(const Pool& pool, bool save) {
    with_recurrence(pool, [&](const auto& recurrence) {
      saved.assign(save ? p.batch * p.time * recurrence.saved_width() : 0, T(0));
      recurrence.forward(pool, {x.data(), kernel.data(), recurrent.data(),
                                biased ? bias.data() : nullptr, h0.data(), c0.data(), mask_data(),
                                p.return_sequences ? outputs.data() : nullptr, last.data(),
                                h.data(), c.data(), save ? saved.data() : nullptr});
    });
  }

  void backward(const Pool& pool) {
    with_recurrence(pool, [&](const auto& recurrence) {
      recurrence.backward(pool, {x.data(), kernel.data(), recurrent.data(), h0.data(), c0.data(),
                           mask_data(), outputs.data(), saved.data(),
                           p.return_sequences ? d_outputs.data() : nullptr, d_last.data(),
                           d_h.data(), d_c.data(), d_x.data(), d_kernel.data(), d_recurrent.data(),
                           biased ? d_bias.data() : nullptr, d_h0.data(), d_c0.data()});
    });
  }

  double loss(const Pool& pool) {
    forward(pool, false);
    double sum = 0;
    for (size_t i = 0; i < outputs.size(); ++i) sum += outputs[i] * d_outputs[i];
    for (size_t i = 0; i < h.size(); ++i) {
      sum += last[i] * d_last[i] + h[i] * d_h[i];
      if (p.family == Family::kLSTM) sum += c[i] * d_c[i];
    }
    return sum;
  }
};

// The slope of the loss along a random direction of each argument matches the gradient.
void check_gradient(const Problem& problem, bool masked, bool biased, int threads) {
  Case<double> test(problem, masked, biased, 1);
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
    expect(std::abs((above - below) / (2 * step) - expected) <= 1e-6 * (1 + size), what, problem,
           threads);
  };
  check(&test.x, test.d_x, "gradient of x");
  check(&test.kernel, test.d_kernel, "gradient of kernel");
  check(&test.recurrent, test.d_recurrent, "gradient of recurrent_kernel");
  if (biased) check(&test.bias, test.d_bias, "gradient of bias");
  check(&test.h0, test.d_h0, "gradient of h0");
  if (problem.family == Family::kLSTM) check(&test.c0, test.d_c0, "gradient of c0");
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
void check_threads(const Problem& problem, bool masked) {
  Case<float> one(problem, masked, true, 3);
  {
    Threads pool(1);
    one.forward(pool.pool, true);
    one.backward(pool.pool);
  }
  for (int threads : {2, 3}) {
    for (bool late : {false, true}) {
      Case<float> other(problem, masked, true, 3);
      {
        Threads pool(threads, late);
        other.forward(pool.pool, true);
        other.backward(pool.pool);
      }
      expect(difference(one.outputs, other.outputs) <= 1e-6 &&
                 difference(one.h, other.h) <= 1e-6 && difference(one.c, other.c) <= 1e-6,
             "agreement of outputs", problem, threads);
      expect(difference(one.d_x, other.d_x) <= 1e-6 &&
                 difference(one.d_kernel, other.d_kernel) <= 2e-6 &&
                 difference(one.d_recurrent, other.d_recurrent) <= 2e-6 &&
                 difference(one.d_bias, other.d_bias) <= 2e-6,
             "agreement of gradients", problem, threads);
    }
  }
}

void check_activations() {
  const auto one = [](Activation kind, float value) {
    return activate(kind, broadcast(value))[0];
  };
  double worst = 0;
  for (double v = -20; v <= 20; v += 1.0 / 512) {
    const float x = static_cast<float>(v);
    const double exact_s = 1 / (1 + std::exp(-static_cast<double>(x)));
    const double exact_t = std::tanh(static_cast<double>(x));
    worst = std::max(worst, std::abs(one(Activation::kSigmoid, x) - exact_s) / exact_s);
    if (x != 0) {
      worst = std::max(worst, std::abs((one(Activation::kTanh, x) - exact_t) / exact_t));
    }
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
  for (Family family : {Family::kLSTM, Family::kGRU, Family::kSimpleRNN}) {
    const int64_t shapes[][4] = {{1, 1, 1, 1}, {3, 5, 4, 7}, {9, 4, 17, 33}, {0, 3, 2, 4},
                                 {2, 0, 3, 5}};
    for (const auto& s : shapes) {
      for (int flags = 0; flags < 16; ++flags) {
        Problem problem{family, s[0], s[1], s[2], s[3]};
        problem.go_backwards = flags & 1;
        problem.return_sequences = flags & 2;
        problem.zero_output_for_mask = flags & 4;
        check_gradient(problem, flags & 8, flags % 3 != 0, 1 + flags % 2);
      }
    }
    for (Activation activation : {Activation::kLinear, Activation::kSigmoid}) {
      Problem problem{family, 4, 5, 3, 20};
      problem.activation = activation;
      check_gradient(problem, true, true, 2);
    }
    const int64_t large[][4] = {{1, 40, 70, 150}, {13, 40, 20, 100}, {33, 6, 33, 90}};
    for (const auto& s : large) {
      for (bool masked : {false, true}) check_threads({family, s[0], s[1], s[2], s[3]}, masked);
    }
  }
  std::printf(failures == 0 ? "all checks passed\n" : "%d failures\n", failures);
  return failures != 0;
}
