// Every native cell.

#ifndef ZOO_LAYERS_KERNELS_CELLS_H_
#define ZOO_LAYERS_KERNELS_CELLS_H_

#include <array>
#include <string>

#include "cell.h"
#include "cells/gru.h"
#include "cells/gru_reset_before.h"
#include "cells/jordan.h"
#include "cells/lstm.h"
#include "cells/lstm_1997.h"
#include "cells/lstm_coupled.h"
#include "cells/lstm_layernorm.h"
#include "cells/lstm_peephole.h"
#include "cells/lstm_projection.h"
#include "cells/lstm_zoneout.h"
#include "cells/min_gru.h"
#include "cells/min_lstm.h"
#include "cells/simple_rnn.h"
#include "cells/slstm.h"

namespace zoo {

template <class T, class... C>
constexpr std::array<Cell<T>, sizeof...(C)> make_cells() {
  return {make_cell<T, C>()...};
}

template <class T>
inline constexpr auto kCells =
    make_cells<T, GRU, GRUResetBefore, JordanRNN, LSTM, LSTM1997, CoupledLSTM, LayerNormLSTM,
               PeepholeLSTM, ProjectionLSTM, ZoneoutLSTM, MinGRU, MinLSTM, SimpleRNN, SLSTM>();

// The cell of this name, or null.
template <class T>
const Cell<T>* find_cell(const std::string& name) {
  for (const Cell<T>& cell : kCells<T>) {
    if (name == cell.name) return &cell;
  }
  return nullptr;
}

}  // namespace zoo

#endif  // ZOO_LAYERS_KERNELS_CELLS_H_
