// The C interface: checks its arguments and runs the recurrence.

#include "c_interface.h"

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <algorithm>
#include <cstdint>
#include <exception>
#include <functional>
#include <initializer_list>
#include <memory>
#include <stdexcept>
#include <string>
#include <type_traits>
#include <utility>

#include "cells.h"
#include "recurrence.h"
#include "workers.h"

namespace {

int64_t elements(const ZooArray& array) {
  int64_t count = 1;
  for (int64_t i = 0; i < array.axes; ++i) count *= array.sizes[i];
  return count;
}

std::string described(const int64_t* sizes, int64_t axes) {
  std::string text = "[";
  for (int64_t i = 0; i < axes; ++i) text += (i > 0 ? "," : "") + std::to_string(sizes[i]);
  return text + "]";
}

[[noreturn]] void reject(const std::string& requirement, const std::string& received) {
  throw std::invalid_argument(requirement + "; received " + received);
}

[[noreturn]] void reject(const std::string& requirement, const ZooArray& received) {
  reject(requirement, described(received.sizes, received.axes));
}

using Shape = std::initializer_list<int64_t>;

void check(const ZooArray& array, const char* name, Shape shape) {
  const int64_t axes = static_cast<int64_t>(shape.size());
  if (array.axes == axes && std::equal(shape.begin(), shape.end(), array.sizes)) return;
  reject(std::string(name) + " must be " + described(shape.begin(), axes), array);
}

void check_bias(const ZooArray& bias, const char* name, int64_t size) {
  if (elements(bias) == 0 || elements(bias) == size) return;
  reject(std::string(name) + " must have 0 or " + std::to_string(size) + " elements", bias);
}

void check_count(const char* name, int64_t count, int64_t received) {
  if (count == received) return;
  reject(std::string(name) + " must have " + std::to_string(count) + " arrays",
         std::to_string(received));
}

zoo::Activation activation_named(const std::string& name) {
  if (name == "linear") return zoo::Activation::kLinear;
  if (name == "tanh") return zoo::Activation::kTanh;
  if (name == "sigmoid") return zoo::Activation::kSigmoid;
  if (name == "relu") return zoo::Activation::kRelu;
  reject("an activation must be linear, tanh, sigmoid or relu", name);
}

template <class T>
T* values(const ZooArray& array) {
  return elements(array) == 0 ? nullptr : static_cast<T*>(array.data);
}

zoo::Pool pool_of(const ZooThreads& threads) {
  const int count = static_cast<int>(std::max<int64_t>(1, threads.count));
  if (threads.schedule == nullptr) return zoo::own_workers().pool(count);
  return {count, [threads](std::function<void()> task) {
            threads.schedule(
                threads.context,
                [](void* task) {
                  std::unique_ptr<std::function<void()>> owned(
                      static_cast<std::function<void()>*>(task));
                  (*owned)();
                },
                new std::function<void()>(std::move(task)));
          }};
}

// A large buffer that is newly allocated at every call has fewer page faults with huge pages.
void prefer_huge_pages(const ZooArray& array, int64_t element_size) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = 1 << 21;
  const uintptr_t begin = reinterpret_cast<uintptr_t>(array.data);
  const uintptr_t from = (begin + kPage - 1) / kPage * kPage;
  const uintptr_t to = (begin + elements(array) * element_size) / kPage * kPage;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

// A call whose arguments are valid.
template <class T>
class Call {
 public:
  explicit Call(const ZooCall& call) : call_(call), cell_(zoo::find_cell<T>(call.cell)) {
    if (cell_ == nullptr) {
      throw std::invalid_argument(std::string("there is no native cell ") + call.cell);
    }
    const zoo::Cell<T>& cell = *cell_;
    if (call.x.axes != 3) reject("x must be [batch, time, input]", call.x);
    check_count("initial_state", cell.states, call.state_count);
    if (call.initial_state[0].axes != 2) {
      reject("initial_state must be [batch, units]", call.initial_state[0]);
    }
    const int matrices = 1 + cell.recurrent + cell.second;
    const int vectors = 1 + (cell.vectors > 0) + cell.second_bias;
    if (call.quantized_count != 0) check_count("quantized", matrices, call.quantized_count);
    check_count("weights", vectors + (call.quantized_count != 0 ? 0 : matrices),
                call.weight_count);
    if (call.quantized_count != 0 && !std::is_same_v<T, float>) {
      throw std::invalid_argument("with quantized matrices, the element_size must be 4");
    }
    if (call.in_bfloat16 && !(std::is_same_v<T, float> && zoo::has_bfloat16_products())) {
      throw std::invalid_argument("this processor has no matrix products of bfloat16, or the "
                                  "element_size isn't 4");
    }
    check_count("drawn", cell.drawn, call.drawn_count);
    p_.activation = activation_named(call.activation);
    p_.recurrent_activation = activation_named(call.recurrent_activation);
    p_.go_backwards = call.go_backwards != 0;
    p_.zero_output_for_mask = call.zero_output_for_mask != 0;
    p_.return_sequences = call.return_sequences != 0;
    p_.batch = call.x.sizes[0];
    p_.time = call.x.sizes[1];
    p_.input = call.x.sizes[2];
    p_.units = p_.hidden = call.initial_state[0].sizes[1];
    const ZooArray& kernel = call.quantized_count != 0 ? call.quantized[0] : call.weights[0];
    if (cell.second && kernel.axes == 2) p_.units = kernel.sizes[1] / cell.blocks;
    check_states("initial_state", call.initial_state);
    check_weights();
    if (elements(call.mask) != 0) check(call.mask, "mask", {p_.batch, p_.time});
    for (int k = 0; k < cell.drawn; ++k) {
      const bool repeats = is_repeated(call.drawn[k]);
      check(call.drawn[k], "drawn",
            {repeats ? 1 : p_.time, repeats ? 1 : p_.batch, p_.units});
    }
  }

  int64_t saved_size() const {
    return p_.batch * p_.time * zoo::Recurrence<T>(*cell_, p_, 1).saved_width();
  }

  void forward(const ZooResults& results) const {
    check(results.last, "last", {p_.batch, p_.hidden});
    check_outputs("outputs", results.outputs);
    if (elements(results.saved) != 0) check(results.saved, "saved", {saved_size()});
    check_states("state", results.state);
    prefer_huge_pages(results.saved, sizeof(T));
    if constexpr (std::is_same_v<T, float>) {
      if (call_.quantized_count != 0) {
        if (elements(results.saved) != 0) reject_gradient();
        return forward_in<zoo::Int8>(results);
      }
#if defined(ZOO_BFLOAT16_PRODUCTS)
      if (call_.in_bfloat16) return forward_in<zoo::BFloat16>(results);
#endif
    }
    forward_in<zoo::FullPrecision<T>>(results);
  }

  void backward(const ZooGradients& gradients) const {
    if (call_.quantized_count != 0) reject_gradient();
    check_outputs("outputs", gradients.outputs);
    check(gradients.saved, "saved", {saved_size()});
    check(gradients.d_last, "d_last", {p_.batch, p_.hidden});
    check_outputs("d_outputs", gradients.d_outputs);
    check_states("d_state", gradients.d_state);
    check(gradients.d_x, "d_x", {p_.batch, p_.time, p_.input});
    check_states("d_initial_state", gradients.d_initial_state);
    for (int64_t i = 0; i < call_.weight_count; ++i) {
      if (elements(gradients.d_weights[i]) == elements(call_.weights[i])) continue;
      reject("d_weights must have the shapes of weights", gradients.d_weights[i]);
    }
    zoo::BackwardArguments<T> a{};
    fill(&a);
    a.outputs = values<T>(gradients.outputs);
    a.saved = values<T>(gradients.saved);
    a.d_last = values<T>(gradients.d_last);
    a.d_outputs = values<T>(gradients.d_outputs);
    a.d_x = values<T>(gradients.d_x);
    a.d_weights = weights<T>(gradients.d_weights);
    for (int k = 0; k < cell_->states; ++k) {
      a.d_finals[k] = values<T>(gradients.d_state[k]);
      a.d_initial[k] = values<T>(gradients.d_initial_state[k]);
    }
    const zoo::Pool pool = pool_of(call_.threads);
    const zoo::Recurrence<T> recurrence(*cell_, p_, pool.threads);
#if defined(ZOO_BFLOAT16_PRODUCTS)
    if constexpr (std::is_same_v<T, float>) {
      if (call_.in_bfloat16) return recurrence.template backward<zoo::BFloat16>(pool, a);
    }
#endif
    recurrence.backward(pool, a);
  }

 private:
  [[noreturn]] static void reject_gradient() {
    throw std::invalid_argument("with quantized matrices, there is no gradient");
  }

  // The forward pass with products of factors in the format F.
  template <class F>
  void forward_in(const ZooResults& results) const {
    zoo::ForwardArguments<T, typename F::Weight> a{};
    fill(&a);
    a.last = values<T>(results.last);
    a.outputs = values<T>(results.outputs);
    a.saved = values<T>(results.saved);
    for (int k = 0; k < cell_->states; ++k) a.finals[k] = values<T>(results.state[k]);
    const zoo::Pool pool = pool_of(call_.threads);
    zoo::Recurrence<T>(*cell_, p_, pool.threads).template forward<F>(pool, a);
  }

  static bool is_repeated(const ZooArray& drawn) {
    return drawn.axes == 3 && drawn.sizes[0] == 1 && drawn.sizes[1] == 1;
  }

  void check_weights() const {
    const ZooArray *weight = call_.weights, *quantized = call_.quantized, *scale = call_.scales;
    const int64_t columns = cell_->blocks * p_.units;
    const auto check_matrix = [&](const char* name, int64_t rows, int64_t columns) {
      if (call_.quantized_count == 0) return check(*weight++, name, {rows, columns});
      check(*quantized++, name, {rows, columns});
      check(*scale++, "a scale", {columns});
    };
    check_matrix("kernel", p_.input, columns);
    if (cell_->recurrent) {
      check_matrix("recurrent_kernel", p_.hidden, columns - cell_->input_blocks * p_.units);
    }
    check_bias(*weight++, "bias", cell_->biases() * columns);
    if (cell_->vectors > 0) {
      check(*weight++, "the vectors of weights", {cell_->vectors, p_.units});
    }
    if (cell_->second) check_matrix("the second recurrent kernel", p_.units, p_.hidden);
    if (cell_->second_bias) check_bias(*weight++, "the second bias", p_.hidden);
  }

  void check_states(const char* name, const ZooArray* states) const {
    for (int k = 0; k < cell_->states; ++k) {
      check(states[k], name, {p_.batch, k == 0 ? p_.hidden : p_.units});
    }
  }

  void check_outputs(const char* name, const ZooArray& outputs) const {
    check(outputs, name, {p_.batch, p_.return_sequences ? p_.time : 0, p_.hidden});
  }

  // The weights of the cell, or their gradients, from a list in the order of the call. The matrices
  // are of the type M; if that is another type, they are the quantized ones.
  template <class U, class M = U>
  zoo::Weights<U, M> weights(const ZooArray* list) const {
    const ZooArray *quantized = call_.quantized, *scales = call_.scales;
    zoo::Weights<U, M> weights{};
    const auto vector = [&](bool present) -> U* {
      return present ? values<std::remove_const_t<U>>(*list++) : nullptr;
    };
    const auto matrix = [&](bool present, M** to, U** to_scale) {
      if constexpr (std::is_same_v<U, M>) {
        *to = vector(present);
      } else if (present) {
        *to = values<std::remove_const_t<M>>(*quantized++);
        *to_scale = values<std::remove_const_t<U>>(*scales++);
      }
    };
    matrix(true, &weights.kernel, &weights.kernel_scale);
    matrix(cell_->recurrent, &weights.recurrent, &weights.recurrent_scale);
    weights.bias = vector(true);
    weights.vectors = vector(cell_->vectors > 0);
    matrix(cell_->second, &weights.second, &weights.second_scale);
    weights.second_bias = vector(cell_->second_bias);
    return weights;
  }

  // Fills in what the arguments of both passes have in common.
  template <class A>
  void fill(A* a) const {
    using M = std::remove_pointer_t<decltype(a->weights.kernel)>;
    a->x = values<T>(call_.x);
    a->mask = values<bool>(call_.mask);
    a->weights = weights<const T, M>(call_.weights);
    for (int k = 0; k < cell_->states; ++k) a->initial[k] = values<T>(call_.initial_state[k]);
    for (int k = 0; k < cell_->drawn; ++k) {
      const int64_t row = is_repeated(call_.drawn[k]) ? 0 : p_.units;
      a->drawn[k] = {values<T>(call_.drawn[k]), p_.batch * row, row};
    }
  }

  const ZooCall& call_;
  const zoo::Cell<T>* cell_;
  zoo::Problem p_{};
};

// Calls f(call), and returns null or the message of what it throws.
template <class F>
const char* run(const ZooCall& call, const F& f) {
  static thread_local std::string message;
  try {
    if (call.element_size == sizeof(double)) {
      f(Call<double>(call));
    } else {
      f(Call<float>(call));
    }
    return nullptr;
  } catch (const std::exception& error) {
    message = error.what();
    return message.c_str();
  }
}

}  // namespace

bool zoo_has_bfloat16_products(void) { return zoo::has_bfloat16_products(); }

const char* zoo_saved_size(const ZooCall* call, int64_t* size) {
  return run(*call, [&](const auto& valid) { *size = valid.saved_size(); });
}

const char* zoo_forward(const ZooCall* call, const ZooResults* results) {
  return run(*call, [&](const auto& valid) { valid.forward(*results); });
}

const char* zoo_backward(const ZooCall* call, const ZooGradients* gradients) {
  return run(*call, [&](const auto& valid) { valid.backward(*gradients); });
}
