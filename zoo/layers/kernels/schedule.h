// The unmasked steps of each row of a batch, and the rows of each thread.

#ifndef ZOO_LAYERS_KERNELS_SCHEDULE_H_
#define ZOO_LAYERS_KERNELS_SCHEDULE_H_

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <utility>
#include <vector>

namespace zoo {

// The unmasked steps of each row of the batch, in processing order.
class Schedule {
 public:
  // `mask` is [batch, time], or null.
  Schedule(int64_t batch, int64_t time, bool backwards, const bool* mask)
      : time_(time), backwards_(backwards), masked_(mask != nullptr) {
    length_.assign(batch, static_cast<int32_t>(time_));
    if (!masked_) return;
    steps_.resize(batch * time_);
    for (int64_t b = 0; b < batch; ++b) {
      int32_t count = 0;
      for (int64_t t = 0; t < time_; ++t) {
        if (mask[b * time_ + input_time(t)]) steps_[b * time_ + count++] = t;
      }
      length_[b] = count;
    }
  }

  bool masked() const { return masked_; }
  int32_t length(int64_t b) const { return length_[b]; }
  // The output's time index of step s of row b; the sequence length for the step after the last.
  int64_t time_of(int64_t b, int64_t s) const {
    if (!masked_) return s;
    return s < length_[b] ? steps_[b * time_ + s] : time_;
  }
  int64_t input_time(int64_t t) const { return backwards_ ? time_ - 1 - t : t; }

 private:
  int64_t time_;
  bool backwards_, masked_;
  std::vector<int32_t> length_, steps_;
};

// Some rows of the batch, longest first, so that the rows still running are always a prefix.
class Share {
 public:
  Share(const Schedule& schedule, std::vector<int64_t> rows) : rows_(std::move(rows)) {
    std::stable_sort(rows_.begin(), rows_.end(), [&](int64_t a, int64_t b) {
      return schedule.length(a) > schedule.length(b);
    });
    steps_ = rows_.empty() ? 0 : schedule.length(rows_[0]);
    active_.resize(steps_ + 1);
    int64_t n = size();
    for (int64_t s = 0; s <= steps_; ++s) {
      while (n > 0 && schedule.length(rows_[n - 1]) <= s) --n;
      active_[s] = n;
    }
  }

  int64_t size() const { return static_cast<int64_t>(rows_.size()); }
  int64_t row(int64_t j) const { return rows_[j]; }
  int64_t steps() const { return steps_; }
  int64_t active(int64_t s) const { return active_[s]; }

  // The end of the shortest run of steps from s with at least `target` rows in total, or of all
  // remaining steps. `count` receives the number of rows.
  int64_t run_end(int64_t s, int64_t target, int64_t* count) const {
    for (*count = 0; s < steps_ && *count < target; ++s) *count += active_[s];
    return s;
  }

 private:
  std::vector<int64_t> rows_;
  int64_t steps_;
  std::vector<int64_t> active_;
};

// Deals out the rows by length in zigzag order, so that all shares have about as many steps.
inline std::vector<Share> deal(const Schedule& schedule, int64_t batch, int shares) {
  std::vector<int64_t> order(batch);
  std::iota(order.begin(), order.end(), 0);
  std::vector<std::vector<int64_t>> hands(shares);
  if (schedule.masked()) {
    std::stable_sort(order.begin(), order.end(), [&](int64_t a, int64_t b) {
      return schedule.length(a) > schedule.length(b);
    });
    for (int64_t i = 0; i < batch; ++i) {
      const int64_t k = i % (2 * shares);
      hands[k < shares ? k : 2 * shares - 1 - k].push_back(order[i]);
    }
  } else {
    for (int64_t k = 0; k < shares; ++k) {
      hands[k].assign(order.begin() + batch * k / shares, order.begin() + batch * (k + 1) / shares);
    }
  }
  std::vector<Share> result;
  for (auto& hand : hands) result.emplace_back(schedule, std::move(hand));
  return result;
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_SCHEDULE_H_
