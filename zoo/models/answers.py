"""A model's answers as plain values, for machines."""


def answers(model, inputs):
    """What a model says of raw inputs.

    Args:
        model: a model of the zoo, such as `zoo.load` returns.
        inputs: list of raw inputs, as the model takes them.

    Returns:
        A list of dicts, in the order of `inputs`: of a translator `{"output": str}`, of a
        classifier `{"label": str, "probabilities": {label: float}}`.
    """
    if hasattr(model, "generate"):
        return [{"output": output} for output in model.generate(inputs)]
    return [
        {
            "label": model.labels[row.argmax()],
            "probabilities": dict(zip(model.labels, row.tolist(), strict=True)),
        }
        for row in model.predict(inputs).astype(float)
    ]
