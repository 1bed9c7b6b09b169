// Runs the kernels forward and backward under a sanitizer: with odd shapes, masks and options, in
// buffers of exact size, and from two threads at once.

#include <atomic>
#include <condition_variable>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <mutex>
#include <random>
#include <thread>
#include <vector>

#include "recurrence.h"

using namespace zoo;

// Threads that take tasks from a queue, like those of TensorFlow.
class Workers {
 public:
  explicit Workers(int n) {
    for (int i = 0; i < n; ++i) threads_.emplace_back([this] { work(); });
  }
  ~Workers() {
    {
      std::lock_guard<std::mutex> lock(mutex_);
      stopped_ = true;
    }
    ready_.notify_all();
    for (auto& thread : threads_) thread.join();
  }
  Pool pool() {
    return {static_cast<int>(threads_.size()), [this](std::function<void()> task) {
              {
                std::lock_guard<std::mutex> lock(mutex_);
                tasks_.push_back(std::move(task));
              }
              ready_.notify_one();
            }};
  }

 private:
  void work() {
    for (;;) {
      std::function<void()> task;
      {
        std::unique_lock<std::mutex> lock(mutex_);
        ready_.wait(lock, [&] { return stopped_ || !tasks_.empty(); });
        if (tasks_.empty()) return;
        task = std::move(tasks_.front());
        tasks_.pop_front();
      }
      task();
    }
  }
  std::mutex mutex_;
  std::condition_variable ready_;
  std::deque<std::function<void()>> tasks_;
  bool stopped_ = false;
  std::vector<std::thread> threads_;
};

// Random numbers on the heap, so that the sanitizer detects accesses past the end.
std::vector<float> numbers(int64_t n) {
  static thread_local std::mt19937 random_bits;
  std::vector<float> values(n);
  std::uniform_real_distribution<float> uniform(-0.5f, 0.5f);
  for (float& value : values) value = uniform(random_bits);
  values.shrink_to_fit();
  return values;
}

template <Family kFamily>
void run(const Pool& pool, int64_t batch, int64_t time, int64_t input, int64_t units, bool masked,
         bool sequences, bool biased, bool backwards) {
  Problem problem{kFamily, batch, time, input, units};
  problem.return_sequences = sequences;
  problem.go_backwards = backwards;
  problem.zero_output_for_mask = backwards;
  const int64_t columns = problem.num_blocks() * units;
  const int64_t biases = kFamily == Family::kGRU ? 2 * columns : columns;
  const Recurrence<float, kFamily> recurrence(problem, pool.threads);
  auto x = numbers(batch * time * input), kernel = numbers(input * columns),
       recurrent = numbers(units * columns), bias = numbers(biases), h0 = numbers(batch * units),
       c0 = numbers(batch * units), outputs = numbers(sequences ? batch * time * units : 0),
       last = numbers(batch * units), h = last, c = last,
       saved = numbers(batch * time * recurrence.saved_width()), d_outputs = outputs,
       d_last = last, d_x = x, d_kernel = kernel, d_recurrent = recurrent, d_bias = bias,
       d_h0 = h0, d_c0 = c0;
  auto mask = std::make_unique<bool[]>(batch * time);
  const auto chance = numbers(batch * time);
  for (int64_t i = 0; i < batch * time; ++i) mask[i] = chance[i] > -0.2f;
  auto at = [](std::vector<float>& v) { return v.empty() ? nullptr : v.data(); };
  const bool* keep = masked ? mask.get() : nullptr;
  recurrence.forward(pool, {at(x), at(kernel), at(recurrent), biased ? at(bias) : nullptr, at(h0),
                            at(c0), keep, at(outputs), at(last), at(h), at(c), at(saved)});
  recurrence.backward(pool, {at(x), at(kernel), at(recurrent), at(h0), at(c0), keep, at(outputs),
                       at(saved), at(d_outputs), at(d_last), at(d_last), at(d_last), at(d_x),
                       at(d_kernel), at(d_recurrent), biased ? at(d_bias) : nullptr, at(d_h0),
                       at(d_c0)});
  recurrence.forward(pool, {at(x), at(kernel), at(recurrent), nullptr, at(h0), at(c0), keep,
                            at(outputs), at(last), at(h), at(c), nullptr});
}

// Argument: the stride; one in so many problems is run.
int main(int, char** arguments) {
  const int stride = std::atoi(arguments[1]);
  // The last three are large enough for several threads: they split rows, then units.
  const int64_t shapes[][4] = {{1, 1, 1, 1},    {1, 9, 3, 30}, {2, 1, 5, 16},  {3, 7, 1, 33},
                               {19, 6, 8, 21},  {4, 2, 300, 5}, {70, 3, 2, 70}, {1, 60, 3, 130},
                               {40, 2, 7, 300}};
  Workers workers(3);
  const Pool pool = workers.pool();
  std::atomic<int> next{0}, count{0};
  const auto call = [&] {
    for (int i; (i = stride * next++) < 16 * static_cast<int>(std::size(shapes));) {
      const auto& s = shapes[i / 16];
      const bool masked = i & 1, sequences = i & 2, biased = i & 4, backwards = i & 8;
      run<Family::kLSTM>(pool, s[0], s[1], s[2], s[3], masked, sequences, biased, backwards);
      run<Family::kGRU>(pool, s[0], s[1], s[2], s[3], masked, sequences, biased, backwards);
      run<Family::kSimpleRNN>(pool, s[0], s[1], s[2], s[3], masked, sequences, biased, backwards);
      count += 3;
    }
  };
  std::thread other(call);
  call();
  other.join();
  std::printf("%d problems\n", count.load());
}
