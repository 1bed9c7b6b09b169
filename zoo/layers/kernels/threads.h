// Work shared between the threads that happen to run, waiting for none that has not begun.

#ifndef ZOO_LAYERS_KERNELS_THREADS_H_
#define ZOO_LAYERS_KERNELS_THREADS_H_

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
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

// Work in phases, each of the same number of parts. A phase begins when all parts of the one before
// are done. Every part has a member who takes it, so that what it reads stays in the cache of one
// core; but when that member doesn't run, another takes the part.
class Team {
 public:
  explicit Team(int size) : size_(size), parts_(size > 1 ? new Part[size] : nullptr) {}

  // One thread's way through the phases. All members go through the same ones. A member who comes
  // late, or at the end, finds them done and catches up: outside of `each` it must touch nothing
  // that others write.
  class Member {
   public:
    Member(Team& team, int own) : team_(team), own_(own) {}
    int size() const { return team_.size_; }

    // One phase: fn(0) ... fn(size - 1), each once by some member. Returns when all are done.
    template <class F>
    void each(const F& fn) {
      const int n = size();
      if (n == 1) return fn(0);
      for (int i = 0; i < n; ++i) team_.finish((own_ + i) % n, phase_, i > 0, fn);
      ++phase_;
    }

   private:
    Team& team_;
    int own_;
    uint32_t phase_ = 0;
  };

 private:
  // Both count phases, of which the other members watch `done`: its own line is all that a phase
  // moves from core to core.
  struct Part {
    alignas(64) std::atomic<uint32_t> taken{0};
    // Twice the phases that are done, and 1 if a guest, not its own member, did the last.
    alignas(64) std::atomic<uint64_t> done{1};
  };

  // Returns when the part's phase is done, by this thread if no other took it.
  template <class F>
  void finish(int index, uint32_t phase, bool guest, const F& fn) {
    Part& part = parts_[index];
    for (int spin = 0;; ++spin) {
      const uint64_t done = part.done.load(std::memory_order_acquire);
      if (done >> 1 > phase) return;
      // A guest first gives the member a moment to come, unless it wasn't there the last time.
      if (!guest || (done & 1) || spin > 1000) {
        uint32_t expected = phase;
        if (part.taken.load(std::memory_order_relaxed) == phase &&
            part.taken.compare_exchange_strong(expected, phase + 1)) {
          fn(index);
          part.done.store(2 * (uint64_t{phase} + 1) + guest, std::memory_order_release);
          return;
        }
      }
      // Whoever took it may wait for this core.
      if (spin < 2000) {
        relax();
      } else if (spin < 3000) {
        std::this_thread::yield();
      } else {
        std::this_thread::sleep_for(std::chrono::microseconds(20));
      }
    }
  }

  int size_;
  std::unique_ptr<Part[]> parts_;
};

// Runs (*work)(member) here and on up to `size` - 1 threads of the pool, and returns when all its
// phases are done. A thread of the pool that comes after that finds no work: what it owns is gone
// with the last who is at it, not with the last task of a pool that is busy.
template <class Work>
void together(const Pool& pool, int size, std::shared_ptr<const Work> work) {
  auto team = std::make_shared<Team>(size);
  for (int i = 1; i < std::min(size, pool.threads); ++i) {
    pool.schedule([team, work = std::weak_ptr<const Work>(work), i] {
      Team::Member member(*team, i);
      if (const auto mine = work.lock()) (*mine)(member);
    });
  }
  Team::Member caller(*team, 0);
  (*work)(caller);
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_THREADS_H_
