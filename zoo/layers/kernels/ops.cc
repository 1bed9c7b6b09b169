// The recurrences as TensorFlow operations for the CPU.

#include <algorithm>
#include <cstdint>
#include <string>
#include <vector>

#include "c_interface.h"
#include "tensorflow/core/framework/op.h"
#include "tensorflow/core/framework/op_kernel.h"
#include "tensorflow/core/framework/shape_inference.h"
#include "tensorflow/core/lib/core/threadpool.h"

namespace {

using tensorflow::DataType;
using tensorflow::DataTypeSize;
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
using tensorflow::thread::ThreadPool;

#define ZOO_ATTRIBUTES                                                       \
  Attr("W: int >= 1")                                                        \
      .Attr("S: int >= 1")                                                   \
      .Attr("D: int >= 0")                                                   \
      .Attr("cell: string")                                                  \
      .Attr("activation: {'linear', 'tanh', 'sigmoid', 'relu'}")             \
      .Attr("recurrent_activation: {'linear', 'tanh', 'sigmoid', 'relu'}")   \
      .Attr("go_backwards: bool")                                            \
      .Attr("zero_output_for_mask: bool")                                    \
      .Attr("return_sequences: bool")                                        \
      .Attr("in_bfloat16: bool")

#define ZOO_INPUTS                                                           \
  Input("x: T")                                                              \
      .Input("mask: bool")                                                   \
      .Input("weights: W * T")                                               \
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

// Inputs and outputs are those of the C interface; mask may be [0, 0], and saved is empty without
// save.
REGISTER_OP("ZooRecurrence")
    .Attr("T: {float, double}")
    .ZOO_ATTRIBUTES
    .Attr("save: bool")
    .ZOO_INPUTS
    .ZOO_OUTPUTS;

// With quantized matrices; saved is empty.
REGISTER_OP("ZooQuantizedRecurrence")
    .Attr("T: {float}")
    .Attr("Q: int >= 1")
    .ZOO_ATTRIBUTES
    .ZOO_INPUTS
    .Input("quantized: Q * int8")
    .Input("scales: Q * T")
    .ZOO_OUTPUTS;

REGISTER_OP("ZooRecurrenceGrad")
    .Attr("T: {float, double}")
    .ZOO_ATTRIBUTES
    .ZOO_INPUTS
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

ZooArray array_of(const Tensor& tensor) {
  ZooArray array{const_cast<char*>(tensor.tensor_data().data()), tensor.dims(), {}};
  for (int i = 0; i < std::min(tensor.dims(), ZOO_MOST_AXES); ++i) {
    array.sizes[i] = tensor.dim_size(i);
  }
  return array;
}

std::vector<ZooArray> arrays_of(const OpInputList& tensors) {
  std::vector<ZooArray> arrays;
  for (const Tensor& tensor : tensors) arrays.push_back(array_of(tensor));
  return arrays;
}

// Allocates outputs of the same shapes.
absl::Status allocate_like(OpKernelContext* context, const char* name, const OpInputList& tensors,
                           std::vector<ZooArray>* arrays) {
  OpOutputList outputs;
  TF_RETURN_IF_ERROR(context->output_list(name, &outputs));
  for (int i = 0; i < tensors.size(); ++i) {
    Tensor* output = nullptr;
    TF_RETURN_IF_ERROR(outputs.allocate(i, tensors[i].shape(), &output));
    arrays->push_back(array_of(*output));
  }
  return absl::OkStatus();
}

// The status of what a function of the C interface returned.
absl::Status status_of(const char* error) {
  return error == nullptr ? absl::OkStatus() : InvalidArgument(error);
}

// The base of both operations: their attributes and what both read.
class RecurrenceOpBase : public OpKernel {
 public:
  explicit RecurrenceOpBase(OpKernelConstruction* context) : OpKernel(context) {
    OP_REQUIRES_OK(context, context->GetAttr("cell", &cell_));
    OP_REQUIRES_OK(context, context->GetAttr("activation", &activation_));
    OP_REQUIRES_OK(context, context->GetAttr("recurrent_activation", &recurrent_activation_));
    OP_REQUIRES_OK(context, context->GetAttr("go_backwards", &go_backwards_));
    OP_REQUIRES_OK(context, context->GetAttr("zero_output_for_mask", &zero_output_for_mask_));
    OP_REQUIRES_OK(context, context->GetAttr("return_sequences", &return_sequences_));
    OP_REQUIRES_OK(context, context->GetAttr("in_bfloat16", &in_bfloat16_));
    DataType type;
    OP_REQUIRES_OK(context, context->GetAttr("T", &type));
    element_size_ = DataTypeSize(type);
  }

 protected:
  struct Inputs {
    OpInputList weights, states;
    std::vector<ZooArray> of_weights, of_states, of_drawn, of_quantized, of_scales;
    ZooCall call;
  };

  absl::Status read(OpKernelContext* context, Inputs* inputs) const {
    OpInputList drawn;
    TF_RETURN_IF_ERROR(context->input_list("weights", &inputs->weights));
    TF_RETURN_IF_ERROR(context->input_list("initial_state", &inputs->states));
    TF_RETURN_IF_ERROR(context->input_list("drawn", &drawn));
    inputs->of_weights = arrays_of(inputs->weights);
    inputs->of_states = arrays_of(inputs->states);
    inputs->of_drawn = arrays_of(drawn);
    ZooCall& call = inputs->call;
    call = {cell_.c_str(), activation_.c_str(), recurrent_activation_.c_str(), element_size_};
    call.go_backwards = go_backwards_;
    call.zero_output_for_mask = zero_output_for_mask_;
    call.return_sequences = return_sequences_;
    call.in_bfloat16 = in_bfloat16_;
    call.x = array_of(context->input(0));
    call.mask = array_of(context->input(1));
    call.weights = inputs->of_weights.data();
    call.weight_count = inputs->of_weights.size();
    call.initial_state = inputs->of_states.data();
    call.state_count = inputs->of_states.size();
    call.drawn = inputs->of_drawn.data();
    call.drawn_count = inputs->of_drawn.size();
    const auto* workers = context->device()->tensorflow_cpu_worker_threads();
    call.threads = {workers->num_threads, workers->workers,
                    [](void* pool, void (*run)(void*), void* task) {
                      static_cast<ThreadPool*>(pool)->Schedule([run, task] { run(task); });
                    }};
    return absl::OkStatus();
  }

 private:
  std::string cell_, activation_, recurrent_activation_;
  bool go_backwards_, zero_output_for_mask_, return_sequences_, in_bfloat16_;
  int64_t element_size_;
};

template <bool quantized>
class RecurrenceOp : public RecurrenceOpBase {
 public:
  explicit RecurrenceOp(OpKernelConstruction* context) : RecurrenceOpBase(context) {
    if (!quantized) OP_REQUIRES_OK(context, context->GetAttr("save", &save_));
  }

  void Compute(OpKernelContext* context) override {
    Inputs inputs;
    OP_REQUIRES_OK(context, read(context, &inputs));
    if (quantized) OP_REQUIRES_OK(context, read_quantized(context, &inputs));
    const ZooCall& call = inputs.call;
    int64_t saved_size = 0;
    OP_REQUIRES_OK(context, status_of(zoo_saved_size(&call, &saved_size)));
    const int64_t batch = call.x.sizes[0], time = call.return_sequences ? call.x.sizes[1] : 0;
    const int64_t h = call.initial_state[0].sizes[1];
    Tensor *last = nullptr, *outputs = nullptr, *saved = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, TensorShape({batch, h}), &last));
    OP_REQUIRES_OK(context, context->allocate_output(1, TensorShape({batch, time, h}), &outputs));
    OP_REQUIRES_OK(context,
                   context->allocate_output(2, TensorShape({save_ ? saved_size : 0}), &saved));
    std::vector<ZooArray> of_finals;
    OP_REQUIRES_OK(context, allocate_like(context, "state", inputs.states, &of_finals));
    const ZooResults results{array_of(*last), array_of(*outputs), array_of(*saved),
                             of_finals.data()};
    OP_REQUIRES_OK(context, status_of(zoo_forward(&call, &results)));
  }

 private:
  absl::Status read_quantized(OpKernelContext* context, Inputs* inputs) const {
    OpInputList matrices, scales;
    TF_RETURN_IF_ERROR(context->input_list("quantized", &matrices));
    TF_RETURN_IF_ERROR(context->input_list("scales", &scales));
    inputs->of_quantized = arrays_of(matrices);
    inputs->of_scales = arrays_of(scales);
    inputs->call.quantized = inputs->of_quantized.data();
    inputs->call.scales = inputs->of_scales.data();
    inputs->call.quantized_count = inputs->of_quantized.size();
    return absl::OkStatus();
  }

  bool save_ = false;
};

class RecurrenceGradOp : public RecurrenceOpBase {
 public:
  explicit RecurrenceGradOp(OpKernelConstruction* context) : RecurrenceOpBase(context) {}

  void Compute(OpKernelContext* context) override {
    Inputs inputs;
    OP_REQUIRES_OK(context, read(context, &inputs));
    const Tensor *outputs, *saved, *d_last, *d_outputs;
    OpInputList d_finals;
    OP_REQUIRES_OK(context, context->input("outputs", &outputs));
    OP_REQUIRES_OK(context, context->input("saved", &saved));
    OP_REQUIRES_OK(context, context->input("d_last", &d_last));
    OP_REQUIRES_OK(context, context->input("d_outputs", &d_outputs));
    OP_REQUIRES_OK(context, context->input_list("d_state", &d_finals));
    Tensor* d_x = nullptr;
    OP_REQUIRES_OK(context, context->allocate_output(0, context->input(0).shape(), &d_x));
    std::vector<ZooArray> d_weights, d_initial;
    OP_REQUIRES_OK(context, allocate_like(context, "d_weights", inputs.weights, &d_weights));
    OP_REQUIRES_OK(context, allocate_like(context, "d_initial_state", inputs.states, &d_initial));
    const std::vector<ZooArray> of_d_finals = arrays_of(d_finals);
    const ZooGradients gradients{array_of(*outputs),   array_of(*saved), array_of(*d_last),
                                 array_of(*d_outputs), of_d_finals.data(), array_of(*d_x),
                                 d_weights.data(),     d_initial.data()};
    OP_REQUIRES_OK(context, status_of(zoo_backward(&inputs.call, &gradients)));
  }
};

#define ZOO_REGISTER(T)                                                                       \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrence").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),            \
      RecurrenceOp<false>);                                                                   \
  REGISTER_KERNEL_BUILDER(                                                                    \
      Name("ZooRecurrenceGrad").Device(tensorflow::DEVICE_CPU).TypeConstraint<T>("T"),        \
      RecurrenceGradOp);
ZOO_REGISTER(float)
ZOO_REGISTER(double)
REGISTER_KERNEL_BUILDER(Name("ZooQuantizedRecurrence").Device(tensorflow::DEVICE_CPU),
                        RecurrenceOp<true>);

}  // namespace
