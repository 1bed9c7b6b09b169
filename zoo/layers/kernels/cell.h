// The interface of a cell to the engine: constants, and one step forward and backward on vectors of
// units.
//
// A cell is a struct, in its own header in cells/ and listed in cells.h, that derives from
// `CellDefaults` and has
//
//   static constexpr char kName[];
//   static constexpr int kBlocks;
//   template <class Step> static void forward(const Step& step);
//   template <class Step> static void backward(const Step& step);
//
// `forward` computes a panel of units, all rows of it at once. `backward` computes one vector of
// units of one row.
//
// With a second product in each step, `forward` outputs its factor, and the cell also has
//
//   template <class Step> static void finish(const Step& step);
//   template <class Step> static void finish_backward(const Step& step);
//
// which start from the product, as `forward` and `backward` start from the first one, and have one
// block. `finish` outputs h.
//
// A cell that normalizes has these too. Each row of the projected input and of the recurrent
// product is standardized, over all blocks, before `forward`, and state 1 before `finish`.

#ifndef ZOO_LAYERS_KERNELS_CELL_H_
#define ZOO_LAYERS_KERNELS_CELL_H_

#include <algorithm>
#include <cstdint>

#include "simd.h"

namespace zoo {

constexpr int kMaxStates = 4, kMaxDrawn = 2, kMaxHanded = 2;

struct CellDefaults {
  // The blocks of `units` columns, the last ones, whose products with the input and with h are not
  // just added up. These have a second bias.
  static constexpr int kSeparateBlocks = 0;
  // State 0 is h, which is the output and is multiplied by the recurrent kernel.
  static constexpr int kStates = 1;
  // The vectors that a step saves for `backward`, of each vector of units. The last ones are the
  // states after the step, without h.
  static constexpr int kSaved = 0;
  // The further weights, each a vector of units.
  static constexpr int kVectors = 0;
  // The numbers of each unit at each step that come with the input.
  static constexpr int kDrawn = 0;
  // Whether there is a recurrent kernel.
  static constexpr bool kRecurrent = true;
  // Whether the new h depends on h without the recurrent kernel too.
  static constexpr bool kKeepsH = false;
  // The blocks, the last ones, that the recurrent kernel does not have.
  static constexpr int kInputBlocks = 0;
  // Whether there is a second product in each step, and whether that has a bias.
  static constexpr bool kSecond = false, kSecondBias = false;
  // The numbers of each unit that `forward` passes to `finish`. The first is added to the second
  // product.
  static constexpr int kHanded = 0;
  static constexpr bool kNormalizes = false;
  // For cells that normalize: the slots of the standardized input, product and state.
  static constexpr int kInputSlot = 0, kProductSlot = 0, kStateSlot = 0;
};

// A panel at a step forward: one vector of units, or several if there is only one block.
template <class T>
struct ForwardPanel {
  Activation activation, recurrent_activation;
  int64_t rows;
  int vectors;  // one per block, or the number of vectors of units
  T* products;  // [rows][vectors]
  int64_t products_stride;
  const T* x;  // the projected input, [rows][vectors]
  int64_t x_stride;
  const T *recurrent_bias, *weights;
  // These point to the rows; `unit` is the first unit of the panel.
  const T* h;
  T* next_h;
  T *states[kMaxStates], *handed[kMaxHanded];
  const T* standardized;  // state 1, for cells that normalize
  int64_t state_stride, unit, units;
  const T* const* drawn;   // [kDrawn][rows], null for cells that draw nothing
  T* const* outputs;       // [rows], each null if only the last output is needed
  T* const* saved;         // [rows], each null if nothing is saved
  int64_t saved_h;         // where in a saved row h starts, or -1 if it is not saved
};

// All units of one row at a step backward.
template <class T>
struct BackwardRow {
  Activation activation, recurrent_activation;
  const T *saved, *h, *previous_h;
  // The states before the step, from the saved row of the previous step or from the initial states.
  const T* previous[kMaxStates];
  bool previous_saved;
  const T* drawn[kMaxDrawn];
  const T* d_output;  // null if only the last output has a gradient
  int64_t repeats;    // how many steps have this output, counting the masked ones that follow
  const T* weights;
  const T* inner;     // the output of `forward`, with a second product
  const T* d_result;  // of the part of the step that is computed
  T *dh, *d_states[kMaxStates], *gates, *gates_h, *d_second, *d_weights;
  int64_t units;
};

template <class T, class C>
struct ForwardStep : ForwardPanel<T> {
  using Vec = Vector<T>;
  static constexpr int L = kLanes<T>;
  using ForwardPanel<T>::rows;
  using ForwardPanel<T>::products;
  using ForwardPanel<T>::products_stride;

  explicit ForwardStep(const ForwardPanel<T>& panel) : ForwardPanel<T>(panel) {}

  // The gates start as the sums of both products, but those of separate blocks as the recurrent
  // product alone. Block `v` of row j or, with one block, vector v of the units.
  ZOO_INLINE Vec gate(int64_t j, int v) const { return load(at(j, v)); }
  ZOO_INLINE void set_gate(int64_t j, int v, Vec value) const { store(at(j, v), value); }

  // Activates gate v of all rows. An activation is a long chain of operations; the chains of
  // several rows overlap.
  ZOO_INLINE void activate(int v, Activation kind) const {
    activate_rows(kind, rows, at(0, v), products_stride);
  }

  // For separate blocks: the projected input, and the bias of the recurrent product.
  ZOO_INLINE Vec input(int64_t j, int v) const {
    return load(this->x + j * this->x_stride + v * L);
  }
  ZOO_INLINE Vec recurrent_bias_of(int v) const {
    return load(this->recurrent_bias + (v - (C::kBlocks - C::kSeparateBlocks)) * L);
  }

  ZOO_INLINE Vec weight(int k) const { return load(this->weights + k * L); }
  ZOO_INLINE Vec draw(int64_t j, int k) const {
    return load_some(this->drawn[k * rows + j] + this->unit, left(0));
  }

  ZOO_INLINE Vec previous_h(int64_t j, int v = 0) const {
    return load(this->h + j * this->state_stride + this->unit + v * L);
  }
  ZOO_INLINE Vec state(int64_t j, int k) const { return load(state_at(j, k)); }
  ZOO_INLINE void set_state(int64_t j, int k, Vec value) const { store(state_at(j, k), value); }

  ZOO_INLINE Vec standardized_state(int64_t j) const {
    return load(this->standardized + j * this->state_stride + this->unit);
  }

  // The values that `forward` passes to `finish`.
  ZOO_INLINE void hand(int64_t j, int k, Vec value) const { store(handed_at(j, k, 0), value); }
  ZOO_INLINE Vec handed_over(int64_t j, int k, int v) const { return load(handed_at(j, k, v)); }

  // Saves vectors for the backward pass, if there will be one, from the given slot on.
  template <class... V>
  ZOO_INLINE void save(int64_t j, int slot, V... values) const {
    save_unit(j, 0, slot, values...);
  }
  // The same for vector v of the units.
  template <class... V>
  ZOO_INLINE void save_unit(int64_t j, int v, int slot, V... values) const {
    T* row = this->saved[j];
    if (row == nullptr || (v > 0 && left(v) <= 0)) return;
    row += ((this->unit / L + v) * C::kSaved + slot) * L;
    ((store(row, values), row += L), ...);
  }

  // Sets the new h of vector v of the units.
  ZOO_INLINE void output(int64_t j, Vec h, int v = 0) const {
    const int64_t to = this->unit + v * L;
    store(this->next_h + j * this->state_stride + to, h);
    if (T* row = this->outputs[j]; row != nullptr && left(v) > 0) store_some(row + to, h, left(v));
    if (T* row = this->saved[j]; row != nullptr && this->saved_h >= 0) {
      store(row + this->saved_h + to, h);
    }
  }

 private:
  ZOO_INLINE T* at(int64_t j, int v) const { return products + j * products_stride + v * L; }
  ZOO_INLINE T* handed_at(int64_t j, int k, int v) const {
    return this->handed[k] + j * this->state_stride + this->unit + v * L;
  }
  ZOO_INLINE T* state_at(int64_t j, int k) const {
    return this->states[k] + j * this->state_stride + this->unit;
  }
  ZOO_INLINE int left(int v) const {
    return static_cast<int>(std::max<int64_t>(0, this->units - this->unit - v * L));
  }
};

template <class T, class C>
struct BackwardStep : BackwardRow<T> {
  using Vec = Vector<T>;
  static constexpr int L = kLanes<T>;
  using BackwardRow<T>::units;

  explicit BackwardStep(const BackwardRow<T>& row) : BackwardRow<T>(row) {}
  int64_t unit = 0;  // the first of the vector

  ZOO_INLINE Vec saved_at(int slot) const { return load(this->saved + slots() + slot * L); }
  ZOO_INLINE Vec h_after() const { return load_some(this->h + unit, left()); }
  ZOO_INLINE Vec h_before() const { return load_some(this->previous_h + unit, left()); }
  ZOO_INLINE Vec before(int k) const {
    return this->previous_saved ? load(this->previous[k] + slots())
                                : load_some(this->previous[k] + unit, left());
  }
  ZOO_INLINE Vec weight(int k) const { return load(this->weights + weight_at(k)); }
  ZOO_INLINE Vec draw(int k) const { return load_some(this->drawn[k] + unit, left()); }

  // The output of `forward`, for cells with a second product.
  ZOO_INLINE Vec inner_at() const { return load_some(this->inner + unit, left()); }

  // The gradient of the output.
  ZOO_INLINE Vec d_h() const {
    Vec d = load(this->d_result + unit);
    for (int64_t k = 0; this->d_output != nullptr && k < this->repeats; ++k) {
      d += load_some(this->d_output + k * units + unit, left());
    }
    return d;
  }
  // The gradient of h before the step, without the path through the recurrent kernel.
  ZOO_INLINE void set_d_h(Vec value) const { store(this->dh + unit, value); }
  ZOO_INLINE void add_d_h(Vec value) const { set_d_h(load(this->dh + unit) + value); }

  // The gradient of another state: after the step until it is set, then before the step.
  ZOO_INLINE Vec d_state(int k) const { return load(this->d_states[k] + unit); }
  ZOO_INLINE void set_d_state(int k, Vec value) const { store(this->d_states[k] + unit, value); }

  // The gradient of block v of the pre-activations or, with separate blocks, that of the projected
  // input and that of the recurrent product.
  ZOO_INLINE void set_d_gate(int v, Vec value) const {
    store(this->gates + gate_at(v), value);
    if (C::kSeparateBlocks > 0) store(this->gates_h + gate_at(v), value);
  }
  ZOO_INLINE void set_d_gate(int v, Vec of_input, Vec of_product) const {
    store(this->gates + gate_at(v), of_input);
    store(this->gates_h + gate_at(v), of_product);
  }

  // The gradient of the second product, or of the standardized state.
  ZOO_INLINE void set_d_second(Vec value) const { store(this->d_second + unit, value); }

  ZOO_INLINE void add_d_weight(int k, Vec value) const {
    T* sum = this->d_weights + weight_at(k);
    store(sum, load(sum) + value);
  }

 private:
  ZOO_INLINE int64_t slots() const { return unit * C::kSaved; }
  ZOO_INLINE int64_t gate_at(int v) const { return unit * C::kBlocks + v * L; }
  ZOO_INLINE int64_t weight_at(int k) const { return unit * C::kVectors + k * L; }
  ZOO_INLINE int left() const {
    return static_cast<int>(std::max<int64_t>(0, units - unit));
  }
};

// A cell, as the engine sees it.
template <class T>
struct Cell {
  const char* name;
  int blocks, separate_blocks, states, saved, vectors, drawn;
  bool recurrent, keeps_h;
  int input_blocks;
  bool second, second_bias;
  int handed;
  bool normalizes;
  int input_slot, product_slot, state_slot;
  void (*forward)(const ForwardPanel<T>&);
  // Computes the units `from` to `to` - 1, whole vectors.
  void (*backward)(const BackwardRow<T>&, int64_t from, int64_t to);
  // Null without a second product and without normalization.
  void (*finish)(const ForwardPanel<T>&);
  void (*finish_backward)(const BackwardRow<T>&, int64_t from, int64_t to);

  int biases() const { return separate_blocks > 0 ? 2 : 1; }
  // Whether the projected input and the recurrent product have separate gradients.
  bool separate() const { return separate_blocks > 0 || normalizes; }
};

// These work on copies, which stay in registers.
template <class T, class C, bool kFinish>
void step_forward(const ForwardPanel<T>& panel) {
  const ForwardStep<T, C> step(panel);
  if constexpr (kFinish) {
    C::finish(step);
  } else {
    C::forward(step);
  }
}

template <class T, class C, bool kFinish>
void step_backward(const BackwardRow<T>& row, int64_t from, int64_t to) {
  BackwardStep<T, C> step(row);
  for (step.unit = from; step.unit < to; step.unit += kLanes<T>) {
    if constexpr (kFinish) {
      C::finish_backward(step);
    } else {
      C::backward(step);
    }
  }
}

template <class T, class C>
constexpr Cell<T> make_cell() {
  static_assert(C::kStates <= kMaxStates && C::kDrawn <= kMaxDrawn && C::kHanded <= kMaxHanded);
  Cell<T> cell{C::kName,     C::kBlocks,      C::kSeparateBlocks, C::kStates,
               C::kSaved,    C::kVectors,     C::kDrawn,          C::kRecurrent,
               C::kKeepsH,   C::kInputBlocks, C::kSecond,         C::kSecondBias,
               C::kHanded,   C::kNormalizes,  C::kInputSlot,      C::kProductSlot,
               C::kStateSlot, step_forward<T, C, false>, step_backward<T, C, false>, nullptr,
               nullptr};
  if constexpr (C::kSecond || C::kNormalizes) {
    cell.finish = step_forward<T, C, true>;
    cell.finish_backward = step_backward<T, C, true>;
  }
  return cell;
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELL_H_
