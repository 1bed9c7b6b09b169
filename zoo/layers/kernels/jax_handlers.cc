// The recurrences as handlers of XLA's foreign function interface, for JAX on the CPU.

#include <algorithm>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "c_interface.h"
#include "xla/ffi/api/ffi.h"

namespace {

namespace ffi = xla::ffi;

ffi::AnyBuffer buffer(const ffi::RemainingArgs& list, int64_t i) {
  return *list.get<ffi::AnyBuffer>(i);
}

ffi::AnyBuffer buffer(const ffi::RemainingRets& list, int64_t i) {
  return **list.get<ffi::AnyBuffer>(i);
}

// The arrays of a list of arguments or results, one after the other.
template <class List>
class Reader {
 public:
  explicit Reader(const List& list) : list_(list) {}

  ZooArray next() {
    const ffi::AnyBuffer from = buffer(list_, next_++);
    const auto sizes = from.dimensions();
    ZooArray array{from.untyped_data(), static_cast<int64_t>(sizes.size()), {}};
    std::copy_n(sizes.begin(), std::min<size_t>(sizes.size(), ZOO_MOST_AXES), array.sizes);
    return array;
  }

  std::vector<ZooArray> next(int64_t count) {
    std::vector<ZooArray> arrays;
    for (int64_t i = 0; i < count; ++i) arrays.push_back(next());
    return arrays;
  }

 private:
  const List& list_;
  int64_t next_ = 0;
};

// What both handlers read; the reader is left at the first argument that only one of them has.
class Inputs {
 public:
  Inputs(ffi::ThreadPool* pool, const ffi::RemainingArgs& arguments,
         const ffi::Dictionary& attributes, Reader<ffi::RemainingArgs>* reader)
      : cell_(*attributes.get<std::string_view>("cell")),
        activation_(*attributes.get<std::string_view>("activation")),
        recurrent_activation_(*attributes.get<std::string_view>("recurrent_activation")) {
    call.cell = cell_.c_str();
    call.activation = activation_.c_str();
    call.recurrent_activation = recurrent_activation_.c_str();
    call.element_size = buffer(arguments, 0).element_type() == ffi::F64 ? 8 : 4;
    call.go_backwards = *attributes.get<bool>("go_backwards");
    call.zero_output_for_mask = *attributes.get<bool>("zero_output_for_mask");
    call.return_sequences = *attributes.get<bool>("return_sequences");
    call.in_bfloat16 = *attributes.get<bool>("in_bfloat16");
    call.weight_count = *attributes.get<int64_t>("weights");
    call.state_count = *attributes.get<int64_t>("states");
    call.drawn_count = *attributes.get<int64_t>("drawn");
    call.x = reader->next();
    call.mask = reader->next();
    weights_ = reader->next(call.weight_count);
    states_ = reader->next(call.state_count);
    drawn_ = reader->next(call.drawn_count);
    call.weights = weights_.data();
    call.initial_state = states_.data();
    call.drawn = drawn_.data();
    call.threads = {pool->num_threads(), pool, [](void* pool, void (*run)(void*), void* task) {
                      static_cast<ffi::ThreadPool*>(pool)->Schedule([run, task] { run(task); });
                    }};
  }

  ZooCall call{};

 private:
  std::string cell_, activation_, recurrent_activation_;
  std::vector<ZooArray> weights_, states_, drawn_;
};

ffi::Error error_of(const char* message) {
  return message == nullptr ? ffi::Error::Success() : ffi::Error::InvalidArgument(message);
}

// Arguments: x, mask, weights, initial_state, drawn. Results: last, outputs, saved, state.
ffi::Error forward(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results,
                   ffi::Dictionary attributes) {
  Reader read(arguments);
  const Inputs inputs(&pool, arguments, attributes, &read);
  Reader write(results);
  ZooResults to{write.next(), write.next(), write.next(), nullptr};
  const std::vector<ZooArray> state = write.next(inputs.call.state_count);
  to.state = state.data();
  return error_of(zoo_forward(&inputs.call, &to));
}

// Further arguments: outputs, saved, d_last, d_outputs, d_state. Results: d_x, d_weights,
// d_initial_state.
ffi::Error backward(ffi::ThreadPool pool, ffi::RemainingArgs arguments, ffi::RemainingRets results,
                    ffi::Dictionary attributes) {
  Reader read(arguments);
  const Inputs inputs(&pool, arguments, attributes, &read);
  Reader write(results);
  ZooGradients gradients{read.next(), read.next(), read.next(), read.next()};
  const std::vector<ZooArray> d_state = read.next(inputs.call.state_count);
  gradients.d_x = write.next();
  const std::vector<ZooArray> d_weights = write.next(inputs.call.weight_count);
  const std::vector<ZooArray> d_initial_state = write.next(inputs.call.state_count);
  gradients.d_state = d_state.data();
  gradients.d_weights = d_weights.data();
  gradients.d_initial_state = d_initial_state.data();
  return error_of(zoo_backward(&inputs.call, &gradients));
}

}  // namespace

#define ZOO_HANDLER(name, function)                             \
  extern "C" ZOO_API XLA_FFI_Error* name(XLA_FFI_CallFrame*);   \
  XLA_FFI_DEFINE_HANDLER_SYMBOL(name, function,                 \
                                ffi::Ffi::Bind()                \
                                    .Ctx<ffi::ThreadPool>()     \
                                    .RemainingArgs()            \
                                    .RemainingRets()            \
                                    .Attrs())

ZOO_HANDLER(ZooRecurrence, forward);
ZOO_HANDLER(ZooRecurrenceGrad, backward);
