// The kernels in plain C: what every backend of Keras calls.

#ifndef ZOO_LAYERS_KERNELS_C_INTERFACE_H_
#define ZOO_LAYERS_KERNELS_C_INTERFACE_H_

#include <stdbool.h>
#include <stdint.h>

#define ZOO_API __attribute__((visibility("default")))

#ifdef __cplusplus
extern "C" {
#endif

#define ZOO_MOST_AXES 4

// An array in row-major order. `data` may be null if it has no elements.
typedef struct {
  void* data;
  int64_t axes, sizes[ZOO_MOST_AXES];
} ZooArray;

// Threads that share the work of a call: their number, with the caller, and a function that makes
// another thread run a task, now or later. If it is null, the library uses its own threads.
typedef struct {
  int64_t count;
  void* context;
  void (*schedule)(void* context, void (*run)(void* task), void* task);
} ZooThreads;

// What both passes read. Arrays hold floats or, with an `element_size` of 8, doubles; `mask` holds
// bools. With `in_bfloat16`, the factors of the products of floats are rounded to it.
//
// x is [batch, time, input], and mask [batch, time] or without elements. weights are the kernel, the
// recurrent kernel if the cell has one, the bias, [0] for no bias, and the further weights of the
// cell, if it has any: a matrix of vectors, the kernel of the second product, and its bias. drawn
// are [time, batch, units], or [1, 1, units] to repeat them.
//
// With a `quantized_count`, the matrices among the weights are in quantized instead, as int8
// numbers, and scales has a vector for each: a column is its numbers divided by its scale. Then
// there is no backward pass.
typedef struct {
  const char *cell, *activation, *recurrent_activation;
  int64_t element_size, go_backwards, zero_output_for_mask, return_sequences, in_bfloat16;
  ZooArray x, mask;
  const ZooArray *weights, *initial_state, *drawn, *quantized, *scales;
  int64_t weight_count, state_count, drawn_count, quantized_count;
  ZooThreads threads;
} ZooCall;

// What the forward pass writes. last is [batch, h], outputs [batch, time, h], or [batch, 0, h]
// without return_sequences, and saved [size], or [0] if no gradient is needed.
typedef struct {
  ZooArray last, outputs, saved;
  const ZooArray* state;
} ZooResults;

// What else the backward pass reads, and the gradients that it writes.
typedef struct {
  ZooArray outputs, saved, d_last, d_outputs;
  const ZooArray* d_state;
  ZooArray d_x;
  const ZooArray *d_weights, *d_initial_state;
} ZooGradients;

// Whether this processor has products for `in_bfloat16`; if not, a call with it is invalid.
ZOO_API bool zoo_has_bfloat16_products(void);

// These return null or, if an argument is invalid, a message that names it; the message is valid
// until the thread's next call.

// Sets the size of what a forward pass saves. Reads the shapes of the arrays, but not their data.
ZOO_API const char* zoo_saved_size(const ZooCall* call, int64_t* size);
ZOO_API const char* zoo_forward(const ZooCall* call, const ZooResults* results);
ZOO_API const char* zoo_backward(const ZooCall* call, const ZooGradients* gradients);

#ifdef __cplusplus
}
#endif

#endif  // ZOO_LAYERS_KERNELS_C_INTERFACE_H_
