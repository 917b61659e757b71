"""MTEB's own evaluation of Nearwise's model, on the tasks that MTEB brings for tests."""

import numpy as np
import pytest

mteb = pytest.importorskip("mteb")

from mteb.models.models_protocols import EncoderProtocol  # noqa: E402

from nearwise.mteb import NearwiseModel  # noqa: E402

from made_texts import encoder, tiny  # noqa: E402, F401


def tasks():
    from mteb.mocks import mock_tasks

    names = ("MockSTSTask", "MockRetrievalTask", "MockClassificationTask")
    return [getattr(mock_tasks, name)() for name in names if hasattr(mock_tasks, name)]


def test_mteb_evaluates_it(tiny, encoder):
    model = NearwiseModel(tiny, device="cpu")
    assert isinstance(model, EncoderProtocol)
    assert model.mteb_model_meta.name == "nearwise/tiny-bert"
    assert model.mteb_model_meta.embed_dim == 32
    asked = tasks()
    assert len(asked) == 3
    result = mteb.evaluate(model, asked, cache=None, show_progress_bar=False)
    assert len(result.task_results) == 3
    for task in result.task_results:
        assert np.isfinite(task.get_score())


def test_texts_and_prompts(tiny, encoder):
    from mteb.types import PromptType

    task = tasks()[0].metadata
    model = NearwiseModel(encoder, prompts={"STS-query": "about: ", task.name: "named: "})

    def encode(prompt_type=None, **kwargs):
        inputs = [{"text": ["a", "b"]}, {"text": ["c"]}]
        how = {"task_metadata": task, "hf_split": "test", "hf_subset": "default", "prompt_type": prompt_type}
        return model.encode(inputs, **how, **kwargs)

    assert encode(batch_size=2).shape == (3, 32)
    np.testing.assert_array_equal(encode(), encoder.encode(["a", "b", "c"], prompt="named: "))
    model._prompts.pop(task.name)
    np.testing.assert_array_equal(encode(PromptType.query), encoder.encode(["a", "b", "c"], prompt="about: "))
    np.testing.assert_array_equal(encode(PromptType.document), encoder.encode_document(["a", "b", "c"]))
    with pytest.raises(TypeError, match="nonsense"):
        encode(nonsense=1)
    with pytest.raises(TypeError, match="this task has image"):
        model.encode([{"image": []}], task_metadata=task, hf_split="", hf_subset="")
