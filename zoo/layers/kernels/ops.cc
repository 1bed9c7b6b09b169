// The recurrences as TensorFlow operations for the CPU.

#if defined(__linux__)
#include <sys/mman.h>
#endif

#include <string>
#include <vector>

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

#define ZOO_ATTRIBUTES                                              \
  Attr("T: {float, double}")                                        \
      .Attr("S: int >= 1")                                          \
      .Attr("family: {'lstm', 'gru', 'simple_rnn'}")                \
      .Attr("activation: {'linear', 'tanh', 'sigmoid', 'relu'}")    \
      .Attr("recurrent_activation: {'linear', 'tanh', 'sigmoid', 'relu'}") \
      .Attr("go_backwards: bool")                                   \
      .Attr("zero_output_for_mask: bool")                           \
      .Attr("return_sequences: bool")

// mask is [batch, time], or [0, 0] for no mask. outputs is [batch, time, units], or
// [batch, 0, units] without return_sequences. saved is what the gradient needs, empty without save.
REGISTER_OP("ZooRecurrence")
    .ZOO_ATTRIBUTES
    .Attr("save: bool")
    .Input("x: T")
    .Input("kernel: T")
    .Input("recurrent_kernel: T")
    .Input("bias: T")
    .Input("mask: bool")
    .Input("initial_state: S * T")
    .Output("last: T")
    .Output("outputs: T")
    .Output("saved: T")
    .Output("state: S * T")
    .SetShapeFn([](InferenceContext* c) {
      ShapeHandle x, recurrent;
      TF_RETURN_IF_ERROR(c->WithRank(c->input(0), 3, &x));
      TF_RETURN_IF_ERROR(c->WithRank(c->input(2), 2, &recurrent));
      bool sequences;
      TF_RETURN_IF_ERROR(c->GetAttr("return_sequences", &sequences));
      const DimensionHandle batch = c->Dim(x, 0), units = c->Dim(recurrent, 0);
      const DimensionHandle time = sequences ? c->Dim(x, 1) : c->MakeDim(0);
      c->set_output(0, c->Matrix(batch, units));
      c->set_output(1, c->MakeShape({batch, time, units}));
      c->set_output(2, c->Vector(InferenceContext::kUnknownDim));
      for (int i = 3; i < c->num_outputs(); ++i) c->set_output(i, c->Matrix(batch, units));
      return absl::OkStatus();
    });

REGISTER_OP("ZooRecurrenceGrad")
    .ZOO_ATTRIBUTES
    .Input("x: T")
    .Input("kernel: T")
    .Input("recurrent_kernel: T")
    .Input("bias: T")
    .Input("mask: bool")
    .Input("initial_state: S * T")
    .Input("outputs: T")
    .Input("saved: T")
    .Input("d_last: T")
    .Input("d_outputs: T")
    .Input("d_state: S * T")
    .Output("d_x: T")
    .Output("d_kernel: T")
    .Output("d_recurrent_kernel: T")
    .Output("d_bias: T")
    .Output("d_initial_state: S * T")
    .SetShapeFn([](InferenceContext* c) {
      for (int i = 0; i < 4; ++i) c->set_output(i, c->input(i));
      for (int i = 4; i < c->num_outputs(); ++i) c->set_output(i, c->input(i + 1));
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

// Calls fn with the Recurrence of the problem's family.
template <class T, class F>
void dispatch(const zoo::Problem& problem, int threads, const F& fn) {
  using zoo::Family;
  using zoo::Recurrence;
  switch (problem.family) {
    case Family::kLSTM:
      return fn(Recurrence<T, Family::kLSTM>(problem, threads));
    case Family::kGRU:
      return fn(Recurrence<T, Family::kGRU>(problem, threads));
    case Family::kSimpleRNN:
      return fn(Recurrence<T, Family::kSimpleRNN>(problem, threads));
  }
}

template <class T>
class RecurrenceOpBase : public OpKernel {
 public:
  explicit RecurrenceOpBase(OpKernelConstruction* context) : OpKernel(context) {
    std::string family, activation, recurrent_activation;
    OP_REQUIRES_OK(context, context->GetAttr("family", &family));
    OP_REQUIRES_OK(context, context->GetAttr("activation", &activation));
    OP_REQUIRES_OK(context, context->GetAttr("recurrent_activation", &recurrent_activation));
    OP_REQUIRES_OK(context, context->GetAttr("go_backwards", &problem_.go_backwards));
    OP_REQUIRES_OK(context,
                   context->GetAttr("zero_output_for_mask", &problem_.zero_output_for_mask));
    OP_REQUIRES_OK(context, context->GetAttr("return_sequences", &problem_.return_sequences));
    problem_.family = family == "lstm"  ? zoo::Family::kLSTM
                      : family == "gru" ? zoo::Family::kGRU
                                        : zoo::Family::kSimpleRNN;
    problem_.activation = activation_named(activation);
    problem_.recurrent_activation = activation_named(recurrent_activation);
  }

 protected:
  // Reads the problem from the inputs, or returns an error that names the invalid input.
  absl::Status read(OpKernelContext* context, zoo::Problem* problem) const {
    *problem = problem_;
    const Tensor &x = context->input(0), &kernel = context->input(1),
                 &recurrent = context->input(2), &bias = context->input(3),
                 &mask = context->input(4);
    if (x.dims() != 3) {
      return InvalidArgument("x must be [batch, time, input]; received ",
                             x.shape().DebugString());
    }
    if (recurrent.dims() != 2) {
      return InvalidArgument("recurrent_kernel must be a matrix; received ",
                             recurrent.shape().DebugString());
    }
    problem->batch = x.dim_size(0);
    problem->time = x.dim_size(1);
    problem->input = x.dim_size(2);
    problem->units = recurrent.dim_size(0);
    const int64_t columns = problem->num_blocks() * problem->units;
    if (recurrent.dim_size(1) != columns) {
      return InvalidArgument("recurrent_kernel must have ", columns, " columns; received ",
                             recurrent.shape().DebugString());
    }
    if (kernel.shape() != TensorShape({problem->input, columns})) {
      return InvalidArgument("kernel must be [", problem->input, ", ", columns, "]; received ",
                             kernel.shape().DebugString());
    }
    const int64_t biases = problem->family == zoo::Family::kGRU ? 2 * columns : columns;
    if (bias.NumElements() != 0 && bias.NumElements() != biases) {
      return InvalidArgument("bias must have 0 or ", biases, " elements; received ",
                             bias.shape().DebugString());
    }
    if (mask.NumElements() != 0 && mask.shape() != TensorShape({problem->batch, problem->time})) {
      return InvalidArgument("mask must be [", problem->batch, ", ", problem->time,
                             "]; received ", mask.shape().DebugString());
    }
    OpInputList states;
    TF_RETURN_IF_ERROR(context->input_list("initial_state", &states));
    const int expected = problem->family == zoo::Family::kLSTM ? 2 : 1;
    if (states.size() != expected) {
      return InvalidArgument("initial_state must have ", expected, " tensors; received ",
                             states.size());
    }
    for (const Tensor& state : states) {
      if (state.shape() != TensorShape({problem->batch, problem->units})) {
        return InvalidArgument("initial_state must be [", problem->batch, ", ", problem->units,
                               "]; received ", state.shape().DebugString());
      }
    }
    return absl::OkStatus();
  }

  static zoo::Pool pool(OpKernelContext* context) {
    const auto* workers = context->device()->tensorflow_cpu_worker_threads();
    auto* threads = workers->workers;
    return {workers->num_threads,
            [threads](std::function<void()> task) { threads->Schedule(std::move(task)); }};
  }

  static const bool* mask_of(OpKernelContext* context) {
    const Tensor& mask = context->input(4);
    return mask.NumElements() == 0 ? nullptr : mask.flat<bool>().data();
  }

  static const T* values(const Tensor& tensor) {
    return tensor.NumElements() == 0 ? nullptr : tensor.flat<T>().data();
  }

  static T* values(Tensor* tensor) {
    return tensor->NumElements() == 0 ? nullptr : tensor->flat<T>().data();
  }

 private:
  zoo::Problem problem_{};
};

template <class T>
class RecurrenceOp : public RecurrenceOpBase<T> {
 public:
  explicit RecurrenceOp(OpKernelConstruction* context) : RecurrenceOpBase<T>(context) {
    OP_REQUIRES_OK(context, context->GetAttr("save", &save_));
  }

  void Compute(OpKernelContext* context) override {
    zoo::Problem problem;
    OP_REQUIRES_OK(context, this->read(context, &problem));
    const zoo::Pool pool = this->pool(context);
    dispatch<T>(problem, pool.threads, [&](const auto& recurrence) {
      OpInputList states;
      OP_REQUIRES_OK(context, context->input_list("initial_state", &states));
      const TensorShape state_shape({problem.batch, problem.units});
      Tensor *last = nullptr, *outputs = nullptr, *saved = nullptr;
      OP_REQUIRES_OK(context, context->allocate_output(0, state_shape, &last));
      const int64_t times = problem.return_sequences ? problem.time : 0;
      OP_REQUIRES_OK(context, context->allocate_output(
                                  1, TensorShape({problem.batch, times, problem.units}), &outputs));
      const int64_t kept =
          save_ ? problem.batch * problem.time * recurrence.saved_width() : 0;
      OP_REQUIRES_OK(context, context->allocate_output(2, TensorShape({kept}), &saved));
      prefer_huge_pages(saved);
      OpOutputList finals;
      OP_REQUIRES_OK(context, context->output_list("state", &finals));
      std::vector<Tensor*> state(states.size());
      for (int i = 0; i < states.size(); ++i) {
        OP_REQUIRES_OK(context, finals.allocate(i, state_shape, &state[i]));
      }
      zoo::ForwardArguments<T> a{};
      a.x = this->values(context->input(0));
      a.kernel = this->values(context->input(1));
      a.recurrent = this->values(context->input(2));
      a.bias = this->values(context->input(3));
      a.mask = this->mask_of(context);
      a.h0 = this->values(states[0]);
      a.c0 = states.size() > 1 ? this->values(states[1]) : nullptr;
      a.outputs = this->values(outputs);
      a.saved = this->values(saved);
      a.last = this->values(last);
      a.h = this->values(state[0]);
      a.c = states.size() > 1 ? this->values(state[1]) : nullptr;
      recurrence.forward(pool, a);
    });
  }

 private:
  bool save_;
};

template <class T>
class RecurrenceGradOp : public RecurrenceOpBase<T> {
 public:
  explicit RecurrenceGradOp(OpKernelConstruction* context) : RecurrenceOpBase<T>(context) {}

  void Compute(OpKernelContext* context) override {
    zoo::Problem problem;
    OP_REQUIRES_OK(context, this->read(context, &problem));
    const zoo::Pool pool = this->pool(context);
    dispatch<T>(problem, pool.threads, [&](const auto& recurrence) {
      OpInputList states, d_finals;
      OP_REQUIRES_OK(context, context->input_list("initial_state", &states));
      OP_REQUIRES_OK(context, context->input_list("d_state", &d_finals));
      const int n = states.size();
      const Tensor &outputs = context->input(5 + n), &saved = context->input(6 + n),
                   &d_last = context->input(7 + n), &d_outputs = context->input(8 + n);
      const TensorShape state_shape({problem.batch, problem.units});
      const int64_t times = problem.return_sequences ? problem.time : 0;
      const TensorShape outputs_shape({problem.batch, times, problem.units});
      OP_REQUIRES(context, outputs.shape() == outputs_shape && d_outputs.shape() == outputs_shape,
                  InvalidArgument("outputs and d_outputs must be ", outputs_shape.DebugString()));
      OP_REQUIRES(context,
                  saved.NumElements() == problem.batch * problem.time * recurrence.saved_width(),
                  InvalidArgument("saved does not have the size that this recurrence saves"));
      OP_REQUIRES(context, d_last.shape() == state_shape,
                  InvalidArgument("d_last must be ", state_shape.DebugString()));
      for (const Tensor& d_final : d_finals) {
        OP_REQUIRES(context, d_final.shape() == state_shape,
                    InvalidArgument("d_state must be ", state_shape.DebugString()));
      }
      std::vector<Tensor*> gradients(4 + n);
      for (int i = 0; i < 4 + n; ++i) {
        const TensorShape& shape = context->input(i < 4 ? i : i + 1).shape();
        OP_REQUIRES_OK(context, context->allocate_output(i, shape, &gradients[i]));
      }
      zoo::BackwardArguments<T> a{};
      a.x = this->values(context->input(0));
      a.kernel = this->values(context->input(1));
      a.recurrent = this->values(context->input(2));
      a.mask = this->mask_of(context);
      a.h0 = this->values(states[0]);
      a.c0 = n > 1 ? this->values(states[1]) : nullptr;
      a.outputs = this->values(outputs);
      a.saved = this->values(saved);
      a.d_last = this->values(d_last);
      a.d_outputs = this->values(d_outputs);
      a.d_h = this->values(d_finals[0]);
      a.d_c = n > 1 ? this->values(d_finals[1]) : nullptr;
      a.d_x = this->values(gradients[0]);
      a.d_kernel = this->values(gradients[1]);
      a.d_recurrent = this->values(gradients[2]);
      a.d_bias = this->values(gradients[3]);
      a.d_h0 = this->values(gradients[4]);
      a.d_c0 = n > 1 ? this->values(gradients[5]) : nullptr;
      recurrence.backward(pool, a);
    });
  }
};

#define ZOO_REGISTER(T)                                                                       \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrence").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),            \
      RecurrenceOp<T>);                                                                       \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrenceGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),        \
      RecurrenceGradOp<T>);
ZOO_REGISTER(float)
ZOO_REGISTER(double)

}  // namespace
