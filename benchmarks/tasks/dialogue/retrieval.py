"""The bag-of-words reference: replies copied from the most similar context."""

import numpy as np

from benchmarks.tasks.dialogue.context import replies_of

AT_ONCE = 64  # contexts compared with all known ones


class Retrieval:
    """Copies the reply to the known context of highest cosine similarity, by TF-IDF of words.

    Args:
        conversations: list of lists of str, the known ones.
    """

    def __init__(self, conversations):
        from sklearn.feature_extraction.text import TfidfVectorizer

        known = replies_of(conversations)
        self._vectorizer = TfidfVectorizer(
            token_pattern=r"\w+|[^\w\s]", sublinear_tf=True, dtype=np.float32
        )
        self._replies = [reply.text(conversations) for reply in known]
        self._known = self._vectorizer.fit_transform(
            [" ".join(reply.context(conversations)) for reply in known]
        )

    def replies(self, contexts):
        """The replies to contexts, lists of str: a list of str."""
        queries = self._vectors([" ".join(turns) for turns in contexts])
        nearest = [
            (queries[start : start + AT_ONCE] @ self._known.T).toarray().argmax(axis=1)
            for start in range(0, len(contexts), AT_ONCE)
        ]
        return [self._replies[index] for index in np.concatenate(nearest)]

    def values(self, conversations, choices):
        """Scores candidates by their similarity to the context.

        Args:
            conversations: list of lists of str.
            choices: list of `Choice`.

        Returns:
            A list of lists of float.
        """
        values = []
        for choice in choices:
            context = self._vectors([" ".join(choice.reply.context(conversations))])
            said = self._vectors([one.text(conversations) for one in choice.candidates])
            values.append((said @ context.T).toarray()[:, 0].tolist())
        return values

    def _vectors(self, texts):
        return self._vectorizer.transform(texts)
