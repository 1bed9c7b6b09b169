"""Models in KerasHub's shape: backbone, preprocessor and task for text, audio and translation."""

from zoo.models.audio_classifier.audio_backbone import AudioBackbone
from zoo.models.audio_classifier.audio_classifier import AudioClassifier
from zoo.models.audio_classifier.audio_classifier_preprocessor import AudioClassifierPreprocessor
from zoo.models.ensemble import (
    AudioEnsemble,
    EnsembleBackbone,
    TextEnsemble,
    TranslatorEnsemble,
    ensemble,
)
from zoo.models.ngram_classifier.ngram_backbone import NgramBackbone
from zoo.models.ngram_classifier.ngram_classifier import NgramClassifier
from zoo.models.text_classifier.text_backbone import TextBackbone
from zoo.models.text_classifier.text_classifier import TextClassifier
from zoo.models.text_classifier.text_classifier_preprocessor import TextClassifierPreprocessor
from zoo.models.tokenizer import SubwordTokenizer
from zoo.models.translator.beam_search import BeamSearchSampler
from zoo.models.translator.sequence_cross_entropy import SequenceCrossEntropy
from zoo.models.translator.translator import Translator
from zoo.models.translator.translator_backbone import TranslatorBackbone
from zoo.models.translator.translator_preprocessor import TranslatorPreprocessor

__all__ = [
    "AudioBackbone",
    "AudioClassifier",
    "AudioClassifierPreprocessor",
    "AudioEnsemble",
    "BeamSearchSampler",
    "EnsembleBackbone",
    "NgramBackbone",
    "NgramClassifier",
    "SequenceCrossEntropy",
    "SubwordTokenizer",
    "TextBackbone",
    "TextClassifier",
    "TextClassifierPreprocessor",
    "TextEnsemble",
    "Translator",
    "TranslatorBackbone",
    "TranslatorEnsemble",
    "TranslatorPreprocessor",
    "ensemble",
]
