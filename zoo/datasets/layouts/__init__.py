"""The layouts that a folder of your own files may have, one module each."""

from zoo.datasets.layouts.conversations import Conversations
from zoo.datasets.layouts.documents import Documents
from zoo.datasets.layouts.sounds import Sounds
from zoo.datasets.layouts.texts import Texts
from zoo.datasets.layouts.time_series import TimeSeries
from zoo.datasets.layouts.transcripts import Transcripts
from zoo.datasets.layouts.translations import Translations

# The first that recognises a folder reads it.
LAYOUTS = [
    TimeSeries(),
    Texts(),
    Translations(),
    Documents(),
    Conversations(),
    Transcripts(),
    Sounds(),
]
