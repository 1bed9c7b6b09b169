// The recurrences as TensorFlow operations for the CPU.

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <string>
#include <type_traits>
#include <vector>

#include "cells.h"
#include "recurrence.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/threadpool.h"

namespace {

using tensorflow::OpKernel;
using tensorflow::OpKernelConstruction;
using tensorflow::OpKernelContext;
using tensorflow::OpInputList;
using tensorflow::OpOutputList;
using tensorflow::Tensor;
using tensorflow::TensorShape;
using tensorflow::errors::InvalidArgument;
using tensorflow::shape_inference::DimensionHandle;
using tensorflow::shape_inference::InferenceContext;
using tensorflow::shape_inference::ShapeHandle;

#define ZOO_ATTRIBUTES                                                       \
  Attr("S: int >= 1")                                                        \
      .Attr("D: int >= 0")                                                   \
      .Attr("cell: string")                                                  \
      .Attr("activation: {'linear', 'tanh', 'sigmoid', 'relu'}")             \
      .Attr("recurrent_activation: {'linear', 'tanh', 'sigmoid', 'relu'}")   \
      .Attr("go_backwards: bool")                                            \
      .Attr("zero_output_for_mask: bool")                                    \
      .Attr("return_sequences: bool")

#define ZOO_INPUTS(WEIGHTS)                                                  \
  Input("x: T")                                                              \
      .Input("mask: bool")                                                   \
      .Input(WEIGHTS)                                                        \
      .Input("initial_state: S * T")                                         \
      .Input("drawn: D * T")

#define ZOO_OUTPUTS                                                          \
  Output("last: T")                                                          \
      .Output("outputs: T")                                                  \
      .Output("saved: T")                                                    \
      .Output("state: S * T")                                                \
      .SetShapeFn(shapes_of_outputs)

absl::Status shapes_of_outputs(InferenceContext* c) {
  ShapeHandle x;
  bool sequences;
  std::vector<ShapeHandle> states;
  TF_RETURN_IF_ERROR(c->GetAttr("return_sequences", &sequences));
  TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &x));
  TF_RETURN_IF_ERROR(c->input("initial_state", &states));
  for (ShapeHandle& state : states) TF_RETURN_IF_ERROR(c->WithRank(state, 2, &state));
  const DimensionHandle batch = c->Dim(x, 0), units = c->Dim(states[0], 1);
  const DimensionHandle time = sequences ? c->Dim(x, 1) : c->MakeDim(0);
  c->set_output(0, c->Matrix(batch, units));
  c->set_output(1, c->MakeShape({batch, time, units}));
  c->set_output(2, c->Vector(InferenceContext::kUnknownDim));
  for (size_t i = 0; i < states.size(); ++i) {
    c->set_output(3 + i, c->Matrix(batch, c->Dim(states[i], 1)));
  }
  return absl::OkStatus();
}

// mask is [batch, time], or [0, 0] for no mask. weights are the kernel, the recurrent kernel if the
// cell has one, the bias, [0] for no bias, and the further weights of the cell, if it has any: a
// matrix of vectors, the kernel of the second product, and its bias.
// With in_bfloat16, the factors of products are rounded to it. drawn are [time, batch, units], or
// [1, 1, units] to repeat them. outputs is [batch, time, units], or [batch, 0, units] without
// return_sequences. saved is what the gradient needs, empty without save.
REGISTER_OP("ZooRecurrence")
    .Attr("T: {float, double}")
    .Attr("W: int >= 1")
    .Attr("in_bfloat16: bool")
    .ZOO_ATTRIBUTES
    .Attr("save: bool")
    .ZOO_INPUTS("weights: W * T")
    .ZOO_OUTPUTS;

// The matrices among the weights are integers; scales has a vector for each of them. It has no
// gradient, so saved is empty.
REGISTER_OP("ZooQuantizedRecurrence")
    .Attr("T: {float}")
    .Attr("W: list({int8, float}) >= 1")
    .Attr("Q: int >= 1")
    .ZOO_ATTRIBUTES
    .ZOO_INPUTS("weights: W")
    .Input("scales: Q * T")
    .ZOO_OUTPUTS;

REGISTER_OP("ZooRecurrenceGrad")
    .Attr("T: {float, double}")
    .Attr("W: int >= 1")
    .Attr("in_bfloat16: bool")
    .ZOO_ATTRIBUTES
    .ZOO_INPUTS("weights: W * T")
    .Input("outputs: T")
    .Input("saved: T")
    .Input("d_last: T")
    .Input("d_outputs: T")
    .Input("d_state: S * T")
    .Output("d_x: T")
    .Output("d_weights: W * T")
    .Output("d_initial_state: S * T")
    .SetShapeFn([](InferenceContext* c) {
      c->set_output(0, c->input(0));
      for (int i = 1; i < c->num_outputs(); ++i) c->set_output(i, c->input(i + 1));
      return absl::OkStatus();
    });

// A large buffer that is newly allocated at every call has fewer page faults with huge pages.
void prefer_huge_pages(Tensor* tensor) {
#if defined(__linux__) && defined(MADV_HUGEPAGE)
  constexpr uintptr_t kPage = 1 << 21;
  const auto view = tensor->tensor_data();
  const uintptr_t begin = reinterpret_cast<uintptr_t>(view.data());
  const uintptr_t from = (begin + kPage - 1) / kPage * kPage;
  const uintptr_t to = (begin + view.size()) / kPage * kPage;
  if (to > from) madvise(reinterpret_cast<void*>(from), to - from, MADV_HUGEPAGE);
#endif
}

zoo::Activation activation_named(const std::string& name) {
  if (name == "tanh") return zoo::Activation::kTanh;
  if (name == "sigmoid") return zoo::Activation::kSigmoid;
  if (name == "relu") return zoo::Activation::kRelu;
  return zoo::Activation::kLinear;
}

// An error if the tensor has another shape.
absl::Status check(const Tensor& tensor, const char* name, const TensorShape& shape) {
  if (tensor.shape() == shape) return absl::OkStatus();
  return InvalidArgument(name, " must be ", shape.DebugString(), "; received ",
                         tensor.shape().DebugString());
}

absl::Status check_bias(const Tensor& bias, const char* name, int64_t size) {
  if (bias.NumElements() == 0 || bias.NumElements() == size) return absl::OkStatus();
  return InvalidArgument(name, " must have 0 or ", size, " elements; received ",
                         bias.shape().DebugString());
}

template <class T>
const T* values(const Tensor& tensor) {
  return tensor.NumElements() == 0 ? nullptr : tensor.flat<T>().data();
}

template <class T>
T* values(Tensor* tensor) {
  return tensor->NumElements() == 0 ? nullptr : tensor->flat<T>().data();
}

// Whether each weight of a cell is a matrix, in the order of its list.
template <class T>
std::vector<bool> are_matrices(const zoo::Cell<T>& cell) {
  std::vector<bool> matrices{true};
  if (cell.recurrent) matrices.push_back(true);
  matrices.push_back(false);
  if (cell.vectors > 0) matrices.push_back(false);
  if (cell.second) matrices.push_back(true);
  if (cell.second_bias) matrices.push_back(false);
  return matrices;
}

// The weights of a cell, in the order of its list. The matrices are of the type M; if that is
// another type, they have scales.
template <class T, class M = T, class List, class Scales = OpInputList>
zoo::Weights<T, M> weights_of(const zoo::Cell<std::remove_const_t<T>>& cell, const List& list,
                              const Scales& scales = {}) {
  int i = 0, scale = 0;
  zoo::Weights<T, M> weights{};
  const auto vector = [&](bool present) -> T* {
    return present ? values<std::remove_const_t<T>>(list[i++]) : nullptr;
  };
  const auto matrix = [&](bool present, M** to, T** to_scale) {
    if (!present) return;
    *to = values<std::remove_const_t<M>>(list[i++]);
    if constexpr (!std::is_same_v<T, M>) {
      *to_scale = values<std::remove_const_t<T>>(scales[scale++]);
    }
  };
  matrix(true, &weights.kernel, &weights.kernel_scale);
  matrix(cell.recurrent, &weights.recurrent, &weights.recurrent_scale);
  weights.bias = vector(true);
  weights.vectors = vector(cell.vectors > 0);
  matrix(cell.second, &weights.second, &weights.second_scale);
  weights.second_bias = vector(cell.second_bias);
  return weights;
}

// Whether the operation has products of bfloat16; an error if there are none.
absl::Status get_bfloat16(OpKernelConstruction* context, bool* value) {
  TF_RETURN_IF_ERROR(context->GetAttr("in_bfloat16", value));
  if (!*value || zoo::has_bfloat16_products()) return absl::OkStatus();
  return InvalidArgument("this processor has no matrix products of bfloat16");
}

// What both passes read.
template <class T>
struct Inputs {
  zoo::Problem problem;
  OpInputList weights, scales, states, drawn;
};

template <class T>
class RecurrenceOpBase : public OpKernel {
 public:
  explicit RecurrenceOpBase(OpKernelConstruction* context) : OpKernel(context) {
    std::string cell, activation, recurrent_activation;
    OP_REQUIRES_OK(context, context->GetAttr("cell", &cell));
    OP_REQUIRES_OK(context, context->GetAttr("activation", &activation));
    OP_REQUIRES_OK(context, context->GetAttr("recurrent_activation", &recurrent_activation));
    OP_REQUIRES_OK(context, context->GetAttr("go_backwards", &problem_.go_backwards));
    OP_REQUIRES_OK(context,
                   context->GetAttr("zero_output_for_mask", &problem_.zero_output_for_mask));
    OP_REQUIRES_OK(context, context->GetAttr("return_sequences", &problem_.return_sequences));
    cell_ = zoo::find_cell<T>(cell);
    OP_REQUIRES(context, cell_ != nullptr, InvalidArgument("there is no native cell ", cell));
    problem_.activation = activation_named(activation);
    problem_.recurrent_activation = activation_named(recurrent_activation);
  }

 protected:
  const zoo::Cell<T>& cell() const { return *cell_; }

  // Reads the inputs, or returns an error that names the invalid one.
  absl::Status read(OpKernelContext* context, Inputs<T>* inputs) const {
    const Tensor &x = context->input(0), &mask = context->input(1);
    TF_RETURN_IF_ERROR(context->input_list("weights", &inputs->weights));
    TF_RETURN_IF_ERROR(context->input_list("initial_state", &inputs->states));
    TF_RETURN_IF_ERROR(context->input_list("drawn", &inputs->drawn));
    if (x.dims() != 3) {
      return InvalidArgument("x must be [batch, time, input]; received ",
                             x.shape().DebugString());
    }
    if (inputs->states.size() != cell_->states) {
      return InvalidArgument("initial_state must have ", cell_->states, " tensors; received ",
                             inputs->states.size());
    }
    if (inputs->states[0].dims() != 2) {
      return InvalidArgument("initial_state must be [batch, units]; received ",
                             inputs->states[0].shape().DebugString());
    }
    zoo::Problem& p = inputs->problem = problem_;
    p.batch = x.dim_size(0);
    p.time = x.dim_size(1);
    p.input = x.dim_size(2);
    p.units = p.hidden = inputs->states[0].dim_size(1);
    const int count = are_matrices(*cell_).size();
    if (inputs->weights.size() != count) {
      return InvalidArgument("weights must have ", count, " tensors; received ",
                             inputs->weights.size());
    }
    const auto& kernel = inputs->weights[0];
    if (cell_->second && kernel.dims() == 2) p.units = kernel.dim_size(1) / cell_->blocks;
    for (int k = 0; k < cell_->states; ++k) {
      TF_RETURN_IF_ERROR(check(inputs->states[k], "initial_state",
                               {p.batch, k == 0 ? p.hidden : p.units}));
    }
    const int64_t columns = cell_->blocks * p.units;
    int i = 0;
    TF_RETURN_IF_ERROR(check(inputs->weights[i++], "kernel", {p.input, columns}));
    if (cell_->recurrent) {
      TF_RETURN_IF_ERROR(check(inputs->weights[i++], "recurrent_kernel",
                               {p.hidden, columns - cell_->input_blocks * p.units}));
    }
    TF_RETURN_IF_ERROR(check_bias(inputs->weights[i++], "bias", cell_->biases() * columns));
    if (cell_->vectors > 0) {
      TF_RETURN_IF_ERROR(check(inputs->weights[i++], "the vectors of weights",
                               {cell_->vectors, p.units}));
    }
    if (cell_->second) {
      TF_RETURN_IF_ERROR(check(inputs->weights[i++], "the second recurrent kernel",
                               {p.units, p.hidden}));
    }
    if (cell_->second_bias) {
      TF_RETURN_IF_ERROR(check_bias(inputs->weights[i++], "the second bias", p.hidden));
    }
    if (mask.NumElements() != 0) {
      TF_RETURN_IF_ERROR(check(mask, "mask", {p.batch, p.time}));
    }
    if (inputs->drawn.size() != cell_->drawn) {
      return InvalidArgument("drawn must have ", cell_->drawn, " tensors; received ",
                             inputs->drawn.size());
    }
    for (const Tensor& drawn : inputs->drawn) {
      const bool repeats = drawn.dims() == 3 && drawn.dim_size(0) == 1 && drawn.dim_size(1) == 1;
      TF_RETURN_IF_ERROR(check(drawn, "drawn",
                               repeats ? TensorShape({1, 1, p.units})
                                       : TensorShape({p.time, p.batch, p.units})));
    }
    return absl::OkStatus();
  }

  // Fills in what the arguments of both passes have in common.
  template <class M, class A>
  void fill(OpKernelContext* context, const Inputs<T>& inputs, A* a) const {
    a->x = values<T>(context->input(0));
    a->mask = values<bool>(context->input(1));
    a->weights = weights_of<const T, const M>(*cell_, inputs.weights, inputs.scales);
    for (int k = 0; k < cell_->states; ++k) a->initial[k] = values<T>(inputs.states[k]);
    for (int k = 0; k < cell_->drawn; ++k) {
      const Tensor& drawn = inputs.drawn[k];
      const bool repeats = drawn.dim_size(0) * drawn.dim_size(1) == 1;
      const int64_t row = repeats ? 0 : inputs.problem.units;
      a->drawn[k] = {values<T>(drawn), inputs.problem.batch * row, row};
    }
  }

  static zoo::Pool pool(OpKernelContext* context) {
    const auto* workers = context->device()->tensorflow_cpu_worker_threads();
    auto* threads = workers->workers;
    return {workers->num_threads,
            [threads](std::function<void()> task) { threads->Schedule(std::move(task)); }};
  }

 private:
  const zoo::Cell<T>* cell_ = nullptr;
  zoo::Problem problem_{};
};

// With products of factors in the format F.
template <class F>
class RecurrenceOp : public RecurrenceOpBase<typename F::Value> {
  using T = typename F::Value;

 public:
  explicit RecurrenceOp(OpKernelConstruction* context) : RecurrenceOpBase<T>(context) {
    if constexpr (F::kScaled) {
      tensorflow::DataTypeVector types, expected;
      OP_REQUIRES_OK(context, context->GetAttr("W", &types));
      for (const bool is_matrix : are_matrices(this->cell())) {
        expected.push_back(is_matrix ? tensorflow::DT_INT8 : tensorflow::DT_FLOAT);
      }
      OP_REQUIRES(context, types == expected,
                  InvalidArgument("the types of the weights must be ",
                                  tensorflow::DataTypeVectorString(expected), "; received ",
                                  tensorflow::DataTypeVectorString(types)));
    } else {
      OP_REQUIRES_OK(context, context->GetAttr("save", &save_));
      OP_REQUIRES_OK(context, get_bfloat16(context, &bfloat16_));
    }
  }

  void Compute(OpKernelContext* context) override {
    Inputs<T> inputs;
    OP_REQUIRES_OK(context, this->read(context, &inputs));
    if constexpr (F::kScaled) OP_REQUIRES_OK(context, read_scales(context, &inputs));
    const zoo::Problem& p = inputs.problem;
    const zoo::Pool pool = this->pool(context);
    const zoo::Recurrence<T> recurrence(this->cell(), p, pool.threads);
    const TensorShape last_shape({p.batch, p.hidden});
    const TensorShape outputs_shape({p.batch, p.return_sequences ? p.time : 0, p.hidden});
    const int64_t kept = save_ ? p.batch * p.time * recurrence.saved_width() : 0;
    Tensor *last = nullptr, *outputs = nullptr, *saved = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, last_shape, &last));
    OP_REQUIRES_OK(context, context->allocate_output(1, outputs_shape, &outputs));
    OP_REQUIRES_OK(context, context->allocate_output(2, TensorShape({kept}), &saved));
    prefer_huge_pages(saved);
    OpOutputList finals;
    OP_REQUIRES_OK(context, context->output_list("state", &finals));
    zoo::ForwardArguments<T, typename F::Weight> a{};
    this->template fill<typename F::Weight>(context, inputs, &a);
    for (int k = 0; k < inputs.states.size(); ++k) {
      Tensor* state = nullptr;
      OP_REQUIRES_OK(context, finals.allocate(k, inputs.states[k].shape(), &state));
      a.finals[k] = values<T>(state);
    }
    a.outputs = values<T>(outputs);
    a.saved = values<T>(saved);
    a.last = values<T>(last);
#if defined(ZOO_BFLOAT16_PRODUCTS)
    if constexpr (std::is_same_v<F, zoo::FullPrecision<float>>) {
      if (bfloat16_) return recurrence.template forward<zoo::BFloat16>(pool, a);
    }
#endif
    recurrence.template forward<F>(pool, a);
  }

 private:
  absl::Status read_scales(OpKernelContext* context, Inputs<T>* inputs) const {
    TF_RETURN_IF_ERROR(context->input_list("scales", &inputs->scales));
    const std::vector<bool> matrices = are_matrices(this->cell());
    int count = 0;
    for (size_t i = 0; i < matrices.size(); ++i) {
      if (!matrices[i]) continue;
      if (count < inputs->scales.size()) {
        const int64_t columns = inputs->weights[i].dim_size(1);
        TF_RETURN_IF_ERROR(check(inputs->scales[count], "a scale", {columns}));
      }
      ++count;
    }
    if (inputs->scales.size() == count) return absl::OkStatus();
    return InvalidArgument("scales must have ", count, " tensors; received ",
                           inputs->scales.size());
  }

  bool save_ = false, bfloat16_ = false;
};

template <class T>
class RecurrenceGradOp : public RecurrenceOpBase<T> {
 public:
  explicit RecurrenceGradOp(OpKernelConstruction* context) : RecurrenceOpBase<T>(context) {
    OP_REQUIRES_OK(context, get_bfloat16(context, &bfloat16_));
  }

  void Compute(OpKernelContext* context) override {
    Inputs<T> inputs;
    OP_REQUIRES_OK(context, this->read(context, &inputs));
    const zoo::Problem& p = inputs.problem;
    const zoo::Pool pool = this->pool(context);
    const zoo::Recurrence<T> recurrence(this->cell(), p, pool.threads);
    const Tensor *outputs, *saved, *d_last, *d_outputs;
    OpInputList d_finals;
    OP_REQUIRES_OK(context, context->input("outputs", &outputs));
    OP_REQUIRES_OK(context, context->input("saved", &saved));
    OP_REQUIRES_OK(context, context->input("d_last", &d_last));
    OP_REQUIRES_OK(context, context->input("d_outputs", &d_outputs));
    OP_REQUIRES_OK(context, context->input_list("d_state", &d_finals));
    const TensorShape last_shape({p.batch, p.hidden});
    const TensorShape outputs_shape({p.batch, p.return_sequences ? p.time : 0, p.hidden});
    const TensorShape saved_shape({p.batch * p.time * recurrence.saved_width()});
    OP_REQUIRES_OK(context, check(*outputs, "outputs", outputs_shape));
    OP_REQUIRES_OK(context, check(*saved, "saved", saved_shape));
    OP_REQUIRES_OK(context, check(*d_last, "d_last", last_shape));
    OP_REQUIRES_OK(context, check(*d_outputs, "d_outputs", outputs_shape));
    for (int k = 0; k < inputs.states.size(); ++k) {
      OP_REQUIRES_OK(context, check(d_finals[k], "d_state", inputs.states[k].shape()));
    }
    Tensor* d_x = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(), &d_x));
    OpOutputList outputs_of_weights, d_initial;
    OP_REQUIRES_OK(context, context->output_list("d_weights", &outputs_of_weights));
    OP_REQUIRES_OK(context, context->output_list("d_initial_state", &d_initial));
    std::vector<Tensor*> d_weights(inputs.weights.size());
    for (int i = 0; i < inputs.weights.size(); ++i) {
      OP_REQUIRES_OK(context, outputs_of_weights.allocate(i, inputs.weights[i].shape(),
                                                          &d_weights[i]));
    }
    zoo::BackwardArguments<T> a{};
    this->template fill<T>(context, inputs, &a);
    for (int k = 0; k < inputs.states.size(); ++k) {
      Tensor* state = nullptr;
      OP_REQUIRES_OK(context, d_initial.allocate(k, inputs.states[k].shape(), &state));
      a.d_initial[k] = values<T>(state);
      a.d_finals[k] = values<T>(d_finals[k]);
    }
    a.outputs = values<T>(*outputs);
    a.saved = values<T>(*saved);
    a.d_last = values<T>(*d_last);
    a.d_outputs = values<T>(*d_outputs);
    a.d_x = values<T>(d_x);
    a.d_weights = weights_of<T>(this->cell(), d_weights);
#if defined(ZOO_BFLOAT16_PRODUCTS)
    if constexpr (std::is_same_v<T, float>) {
      if (bfloat16_) return recurrence.template backward<zoo::BFloat16>(pool, a);
    }
#endif
    recurrence.backward(pool, a);
  }

 private:
  bool bfloat16_ = false;
};

#define ZOO_REGISTER(T)                                                                       \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrence").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),            \
      RecurrenceOp<zoo::FullPrecision<T>>);                                                   \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrenceGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),        \
      RecurrenceGradOp<T>);
ZOO_REGISTER(float)
ZOO_REGISTER(double)
REGISTER_KERNEL_BUILDER(Name("ZooQuantizedRecurrence").Device(tensorflow::DEVICE_CPU),
                        RecurrenceOp<zoo::Int8>);

}  // namespace

extern "C" __attribute__((visibility("default"))) bool zoo_has_bfloat16_products() {
  return zoo::has_bfloat16_products();
}
