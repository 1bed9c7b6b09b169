// A recurrent layer over whole sequences, forward and backward, for any cell.
//
// Rows of a batch are independent, so each thread runs some of the rows through time on its own. If
// there are too few rows, the threads split the units instead, and each step is a phase of their
// team.
// Masked steps are skipped: a row is the list of its unmasked steps, and rows that end early drop
// out of the products.

#ifndef ZOO_LAYERS_KERNELS_RECURRENCE_H_
#define ZOO_LAYERS_KERNELS_RECURRENCE_H_

#include <cstdint>
#include <memory>

#include "backward.h"
#include "forward.h"
#include "layout.h"
#include "threads.h"

namespace zoo {

template <class T>
class Recurrence {
 public:
  // `threads` is the number of threads in the pool.
  Recurrence(const Cell<T>& cell, const Problem& problem, int threads)
      : layout_(cell, problem, threads) {}

  // The size of what each step of each row saves for the backward pass.
  int64_t saved_width() const { return layout_.saved_width(); }

  // With products of factors in the format F.
  template <class F = FullPrecision<T>>
  void forward(const Pool& pool, const ForwardArguments<T, typename F::Weight>& a) const {
    run_in_team(pool, layout_.parts_, std::make_shared<const ForwardPass<F>>(layout_, a));
  }

  template <class F = FullPrecision<T>>
  void backward(const Pool& pool, const BackwardArguments<T>& a) const {
    run_in_team(pool, layout_.parts_, std::make_shared<const BackwardPass<F>>(layout_, a));
  }

 private:
  Layout<T> layout_;
};

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_RECURRENCE_H_
