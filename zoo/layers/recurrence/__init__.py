"""The base of every recurrent family: its cell, its layer and the loop over time."""

from zoo.layers.recurrence.cell import GatedCell, RecurrentCell
from zoo.layers.recurrence.cudnn import CuDNNLayer
from zoo.layers.recurrence.layer import RecurrentLayer, of_cell

__all__ = ["CuDNNLayer", "GatedCell", "RecurrentCell", "RecurrentLayer", "of_cell"]
