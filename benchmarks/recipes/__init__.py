"""Recipes: the steps of training, one file per step, and their registry."""

from benchmarks.recipes.adversarial import Adversarial
from benchmarks.recipes.climb import Climb
from benchmarks.recipes.ensemble import Ensemble
from benchmarks.recipes.fit import Fit
from benchmarks.recipes.ngram_search import CharacterNgramSearch, WordNgramSearch
from benchmarks.recipes.pretrain import Pretrain
from benchmarks.recipes.pseudo_label import PseudoLabel
from benchmarks.recipes.step import Step, Trained, Training, train
from benchmarks.recipes.truncated_bptt import TruncatedBPTT

STEPS = {
    "fit": Fit,
    "climb": Climb,
    "truncated_bptt": TruncatedBPTT,
    "pretrain": Pretrain,
    "adversarial": Adversarial,
    "ensemble": Ensemble,
    "pseudo_label": PseudoLabel,
    "word_ngrams": WordNgramSearch,
    "character_ngrams": CharacterNgramSearch,
}

__all__ = ["STEPS", "Step", "Trained", "Training", "train"]
