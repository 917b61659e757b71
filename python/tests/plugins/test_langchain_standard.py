"""LangChain's own tests of embeddings and vector stores."""

import inspect

import pytest

pytest.importorskip("langchain_tests")
pytest.importorskip("pytest_asyncio")

from langchain_tests.integration_tests.embeddings import EmbeddingsIntegrationTests  # noqa: E402
from langchain_tests.integration_tests.vectorstores import VectorStoreIntegrationTests  # noqa: E402
from langchain_tests.unit_tests.embeddings import EmbeddingsUnitTests  # noqa: E402

from nearwise.langchain import NearwiseEmbeddings, NearwiseVectorStore  # noqa: E402

from made_texts import TINY  # noqa: E402


def run_async(tests):
    """Has a class's coroutines run as tests, whatever mode pytest-asyncio is in."""
    for name, test in inspect.getmembers(tests, inspect.iscoroutinefunction):
        setattr(tests, name, pytest.mark.asyncio(test))
    return tests


class Embeddings:
    @property
    def embeddings_class(self):
        return NearwiseEmbeddings

    @property
    def embedding_model_params(self):
        return {"model": TINY, "device": "cpu"}


class TestEmbeddings(Embeddings, EmbeddingsUnitTests):
    pass


@run_async
class TestEmbeddingTexts(Embeddings, EmbeddingsIntegrationTests):
    pass


@run_async
class TestVectorStore(VectorStoreIntegrationTests):
    @pytest.fixture
    def vectorstore(self):
        return NearwiseVectorStore(embedding=self.get_embeddings())
