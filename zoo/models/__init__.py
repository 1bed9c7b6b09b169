"""Models as backbone, preprocessor and task, as in KerasHub, and the protocol of a task model."""

from zoo.models.audio_classifier.audio_backbone import AudioBackbone
from zoo.models.audio_classifier.audio_classifier import AudioClassifier
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.audio_classifier.audio_ensemble import AudioEnsemble
from zoo.models.dialogue.dialogue_backbone import DialogueBackbone
from zoo.models.dialogue.dialogue_model import DialogueModel
from zoo.models.dialogue.dialogue_preprocessor import DialoguePreprocessor
from zoo.models.ensemble import EnsembleBackbone, ensemble
from zoo.models.forecaster.forecast_backbone import ForecastBackbone
from zoo.models.forecaster.forecast_preprocessor import ForecastPreprocessor
from zoo.models.forecaster.forecaster import Forecaster
from zoo.models.forecaster.forecaster_ensemble import ForecasterEnsemble
from zoo.models.forecaster.pinball_loss import PinballLoss
from zoo.models.language_model.language_backbone import LanguageBackbone
from zoo.models.language_model.language_model import LanguageModel
from zoo.models.language_model.language_model_ensemble import LanguageModelEnsemble
from zoo.models.language_model.language_model_preprocessor import LanguageModelPreprocessor
from zoo.models.memory.memory_backbone import MemoryBackbone
from zoo.models.memory.memory_classifier import MemoryClassifier
from zoo.models.memory.memory_preprocessor import MemoryPreprocessor
from zoo.models.memory.memory_recaller import MemoryRecaller
from zoo.models.memory.memory_regressor import MemoryRegressor
from zoo.models.ngram_classifier.ngram_backbone import NgramBackbone
from zoo.models.ngram_classifier.ngram_classifier import NgramClassifier
from zoo.models.protocol import InputSchema, TaskModel, register
from zoo.models.speech_recognizer.speech_backbone import SpeechBackbone
from zoo.models.speech_recognizer.speech_recognizer import SpeechRecognizer
from zoo.models.speech_recognizer.speech_recognizer_preprocessor import (
    SpeechRecognizerPreprocessor,
)
from zoo.models.text_classifier.text_backbone import TextBackbone
from zoo.models.text_classifier.text_classifier import TextClassifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.text_classifier.text_ensemble import TextEnsemble
from zoo.models.tokenizer import SubwordTokenizer
from zoo.models.translator.beam_search import BeamSearchSampler
from zoo.models.translator.sequence_cross_entropy import SequenceCrossEntropy
from zoo.models.translator.translator import Translator
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.models.translator.translator_ensemble import TranslatorEnsemble
from zoo.models.translator.translator_preprocessor import TranslatorPreprocessor

__all__ = [
    "AudioBackbone",
    "AudioClassifier",
    "AudioClassifierPreprocessor",
    "AudioEnsemble",
    "BeamSearchSampler",
    "DialogueBackbone",
    "DialogueModel",
    "DialoguePreprocessor",
    "EnsembleBackbone",
    "ForecastBackbone",
    "ForecastPreprocessor",
    "Forecaster",
    "ForecasterEnsemble",
    "InputSchema",
    "LanguageBackbone",
    "LanguageModel",
    "LanguageModelEnsemble",
    "LanguageModelPreprocessor",
    "MemoryBackbone",
    "MemoryClassifier",
    "MemoryPreprocessor",
    "MemoryRecaller",
    "MemoryRegressor",
    "NgramBackbone",
    "NgramClassifier",
    "PinballLoss",
    "SequenceCrossEntropy",
    "SpeechBackbone",
    "SpeechRecognizer",
    "SpeechRecognizerPreprocessor",
    "SubwordTokenizer",
    "TaskModel",
    "TextBackbone",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEnsemble",
    "Translator",
    "TranslatorBackbone",
    "TranslatorEnsemble",
    "TranslatorPreprocessor",
    "ensemble",
    "register",
]
