// Work shared between the threads that happen to be free, never waiting for one that is not.

#ifndef ZOO_LAYERS_KERNELS_THREADS_H_
#define ZOO_LAYERS_KERNELS_THREADS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>

namespace zoo {

inline void relax() {
#if defined(__x86_64__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  asm volatile("yield");
#endif
}

// A pool: how many threads may work (the caller is one of them), and a way to hand it a task.
struct Pool {
  int threads = 1;
  std::function<void(std::function<void()>)> schedule;
};

struct Shards {
  std::atomic<int> next{0}, done{0};
  std::mutex mutex;
  std::condition_variable finished;
};

// Runs fn(0) ... fn(shards - 1), each once. The caller takes shards like any other thread, so all
// are done even when the pool never runs a helper; a helper that comes late finds none left.
template <class F>
void parallel(const Pool& pool, int shards, const F& fn) {
  if (shards <= 1 || pool.threads <= 1) {
    for (int i = 0; i < shards; ++i) fn(i);
    return;
  }
  auto state = std::make_shared<Shards>();
  const F* work = &fn;  // alive while a shard is unfinished, and nobody looks at it after
  auto take = [state, work, shards] {
    for (int i; (i = state->next.fetch_add(1)) < shards;) {
      (*work)(i);
      if (state->done.fetch_add(1) + 1 == shards) {
        std::lock_guard<std::mutex> lock(state->mutex);
        state->finished.notify_all();
      }
    }
  };
  const int helpers = std::min(shards, pool.threads) - 1;
  for (int i = 0; i < helpers; ++i) pool.schedule(take);
  take();
  for (int spin = 0; spin < 2000 && state->done.load() < shards; ++spin) relax();
  if (state->done.load() < shards) {
    std::unique_lock<std::mutex> lock(state->mutex);
    state->finished.wait(lock, [&] { return state->done.load() == shards; });
  }
}

// Threads that run together and meet at barriers.
class Team {
 public:
  int size() const { return size_; }

  void meet() {
    if (size_ == 1) return;
    const uint32_t round = round_.load(std::memory_order_acquire);
    if (arrived_.fetch_add(1, std::memory_order_acq_rel) + 1 == size_) {
      arrived_.store(0, std::memory_order_relaxed);
      round_.store(round + 1, std::memory_order_release);
      return;
    }
    for (int spin = 0; round_.load(std::memory_order_acquire) == round; ++spin) {
      if (spin < 4000) {
        relax();
      } else {
        std::this_thread::yield();
      }
    }
  }

 private:
  template <class F>
  friend void together(const Pool& pool, int most, const F& fn);

  int size_ = 1;
  std::atomic<int> arrived_{0};
  std::atomic<uint32_t> round_{0};
};

struct Gathering {
  std::mutex mutex;
  bool closed = false;
  int joined = 1;
  std::atomic<int> started{0}, left{0};
};

// Runs fn(team, member) on up to `most` threads at once. The pool's threads get a moment to join;
// then the team is closed, so that its members are all running and no barrier can wait for ever.
template <class F>
void together(const Pool& pool, int most, const F& fn) {
  Team team;
  if (most <= 1 || pool.threads <= 1) {
    fn(team, 0);
    return;
  }
  auto state = std::make_shared<Gathering>();
  Team* members = &team;
  const F* work = &fn;
  most = std::min(most, pool.threads);
  for (int i = 1; i < most; ++i) {
    pool.schedule([state, members, work] {
      int member;
      {
        std::lock_guard<std::mutex> lock(state->mutex);
        if (state->closed) return;
        member = state->joined++;
      }
      while (state->started.load(std::memory_order_acquire) == 0) relax();
      (*work)(*members, member);
      state->left.fetch_add(1, std::memory_order_release);
    });
  }
  const auto patience = std::chrono::steady_clock::now() + std::chrono::microseconds(100);
  for (;;) {
    {
      std::lock_guard<std::mutex> lock(state->mutex);
      if (state->joined == most || std::chrono::steady_clock::now() > patience) {
        state->closed = true;
        team.size_ = state->joined;
        break;
      }
    }
    for (int i = 0; i < 20; ++i) relax();
  }
  state->started.store(1, std::memory_order_release);
  fn(team, 0);
  while (state->left.load(std::memory_order_acquire) < team.size_ - 1) std::this_thread::yield();
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_THREADS_H_
