"""Recurrent layers: drop-ins for those of Keras, their variants, and a registry of them all."""

from zoo.layers import architectures
from zoo.layers.chrono import ChronoGRU, ChronoLSTM
from zoo.layers.gradient_by_lag import gradient_by_lag
from zoo.layers.gru import GRU, GRUCell
from zoo.layers.gru_reset_before import GRUResetBefore
from zoo.layers.jordan import JordanRNN, JordanRNNCell
from zoo.layers.lstm import LSTM, LSTMCell
from zoo.layers.lstm_1997 import LSTM1997, LSTM1997Cell
from zoo.layers.lstm_coupled import CoupledLSTM, CoupledLSTMCell
from zoo.layers.lstm_layernorm import LayerNormLSTM, LayerNormLSTMCell
from zoo.layers.lstm_peephole import PeepholeLSTM, PeepholeLSTMCell
from zoo.layers.lstm_projection import ProjectionLSTM, ProjectionLSTMCell
from zoo.layers.lstm_zoneout import ZoneoutLSTM, ZoneoutLSTMCell
from zoo.layers.min_gru import MinGRU, MinGRUCell
from zoo.layers.min_lstm import MinLSTM, MinLSTMCell
from zoo.layers.simple_rnn import SimpleRNN, SimpleRNNCell
from zoo.layers.slstm import SLSTM, SLSTMCell

__all__ = [
    "ChronoGRU",
    "ChronoLSTM",
    "CoupledLSTM",
    "CoupledLSTMCell",
    "GRU",
    "GRUCell",
    "GRUResetBefore",
    "JordanRNN",
    "JordanRNNCell",
    "LSTM",
    "LSTM1997",
    "LSTM1997Cell",
    "LSTMCell",
    "LayerNormLSTM",
    "LayerNormLSTMCell",
    "MinGRU",
    "MinGRUCell",
    "MinLSTM",
    "MinLSTMCell",
    "PeepholeLSTM",
    "PeepholeLSTMCell",
    "ProjectionLSTM",
    "ProjectionLSTMCell",
    "SLSTM",
    "SLSTMCell",
    "SimpleRNN",
    "SimpleRNNCell",
    "ZoneoutLSTM",
    "ZoneoutLSTMCell",
    "architectures",
    "gradient_by_lag",
]
