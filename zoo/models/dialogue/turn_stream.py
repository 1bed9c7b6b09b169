"""A conversation that a dialogue model reads turn by turn."""

from zoo.models.language_model.causal_stream import CausalStream


class TurnStream(CausalStream):
    """A `CausalStream` of a dialogue model: a piece is a turn, a str."""

    def piece_of(self, line: str) -> str:
        return line.strip()

    def _first_token_ids(self):
        return self.model.preprocessor.conversation_ids([])

    def _completed(self, piece, is_last):
        turns = [] if piece is None else [piece]
        return [one for ids in self.model.preprocessor.turn_ids(turns) for one in ids]
