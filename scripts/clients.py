"""Asks a running server through the clients that people have, and compares with `nearwise embed`.

Run by scripts/clients.sh: clients.py PROGRAM ADDRESS KEY
"""

import asyncio
import importlib.metadata
import json
import subprocess
import sys

import numpy as np

program, address, key = sys.argv[1:]
TEXTS = [
    "The bank cut the interest rate.",
    "A goal in the last minute of the cup final.",
    "Der Minister traf die Bank. \u00e9 \u4e2d\u6587 \U0001f600",
    "rates " * 400,
]


def embed(texts):
    out = subprocess.run([program, "embed", "--json", *texts], capture_output=True, check=True, text=True)
    return np.array([e["vector"] for e in json.loads(out.stdout)["embeddings"]], dtype=np.float32)


OWN = embed(TEXTS)


def same(vectors, own=OWN):
    """Clients that ask for base64 get the very bits; decimal digits and float64 round less than this."""
    vectors = np.array(vectors, dtype=np.float32)
    assert vectors.shape == own.shape, (vectors.shape, own.shape)
    assert np.abs(vectors - own).max() < 1e-6, np.abs(vectors - own).max()


def openai():
    from openai import APIStatusError, AuthenticationError, BadRequestError, OpenAI

    client = OpenAI(base_url=f"{address}/v1", api_key=key)
    answer = client.embeddings.create(model="any", input=TEXTS)
    same([d.embedding for d in answer.data])
    assert answer.usage.prompt_tokens > 0
    same([client.embeddings.create(model="any", input=TEXTS[0]).data[0].embedding], OWN[:1])
    floats = client.embeddings.create(model="any", input=TEXTS, encoding_format="float")
    same([d.embedding for d in floats.data])
    short = client.embeddings.create(model="any", input=TEXTS, dimensions=100)
    cut = OWN[:, :100] / np.linalg.norm(OWN[:, :100], axis=1, keepdims=True)
    same([d.embedding for d in short.data], cut)
    assert client.models.list().data[0].id == answer.model
    try:
        client.embeddings.create(model="any", input=[[1, 2, 3]])
        raise AssertionError("ids of another vocabulary were taken")
    except BadRequestError as e:
        assert "check_embedding_ctx_length" in e.message and e.param == "input", e
    try:
        client.embeddings.create(model="any", input="")
        raise AssertionError("an empty text was taken")
    except APIStatusError as e:
        assert e.status_code == 400
    try:
        OpenAI(base_url=f"{address}/v1", api_key="wrong").embeddings.create(model="any", input="a")
        raise AssertionError("a wrong key was taken")
    except AuthenticationError as e:
        assert e.code == "invalid_api_key"


def huggingface_hub():
    from huggingface_hub import InferenceClient

    client = InferenceClient(base_url=address, token=key)
    for i, text in enumerate(TEXTS):
        same(client.feature_extraction(text), OWN[i : i + 1])
    same(client.feature_extraction(TEXTS[3], truncate=True, truncation_direction="Right", normalize=True), OWN[3:])
    cosines = client.sentence_similarity(TEXTS[0], other_sentences=TEXTS[1:])
    assert np.abs(np.array(cosines) - OWN[1:] @ OWN[0]).max() < 1e-5


def langchain_openai():
    from langchain_openai import OpenAIEmbeddings
    from openai import BadRequestError

    plain = OpenAIEmbeddings(
        base_url=f"{address}/v1", api_key=key, model="any", check_embedding_ctx_length=False
    )
    same(plain.embed_documents(TEXTS))
    same([plain.embed_query(TEXTS[0])], OWN[:1])
    # By default it sends ids of OpenAI's own vocabulary, which comes from the network: bytes stand for it here. It
    # is told what to do.
    import tiktoken

    ranks = {bytes([i]): i for i in range(256)}
    stand_in = tiktoken.Encoding("bytes", pat_str=r"[\s\S]", mergeable_ranks=ranks, special_tokens={})
    tiktoken.encoding_for_model = tiktoken.get_encoding = lambda _: stand_in
    checked = OpenAIEmbeddings(base_url=f"{address}/v1", api_key=key, model="any")
    try:
        checked.embed_documents(TEXTS)
        raise AssertionError("ids of another vocabulary were taken")
    except BadRequestError as e:
        assert "check_embedding_ctx_length=False" in str(e)


def llama_index():
    from llama_index.embeddings.openai_like import OpenAILikeEmbedding
    from llama_index.embeddings.text_embeddings_inference import TextEmbeddingsInference

    like = OpenAILikeEmbedding(model_name="any", api_base=f"{address}/v1", api_key=key, embed_batch_size=2048)
    # It puts blanks for line ends, of which there are none here.
    same(like.get_text_embedding_batch(TEXTS[:3]), OWN[:3])
    tei = TextEmbeddingsInference(
        model_name="any", base_url=address, auth_token=key, text_instruction="", query_instruction=""
    )
    same(tei.get_text_embedding_batch(TEXTS[:3]), OWN[:3])


def haystack():
    from haystack.components.embedders import OpenAITextEmbedder
    from haystack.utils import Secret
    from haystack_integrations.components.embedders.huggingface_api import HuggingFaceAPITextEmbedder

    embedder = HuggingFaceAPITextEmbedder(
        api_type="text_embeddings_inference", api_params={"url": address}, token=Secret.from_token(key)
    )
    for i, text in enumerate(TEXTS[:3]):
        same([embedder.run(text=text)["embedding"]], OWN[i : i + 1])
    embedder = OpenAITextEmbedder(api_base_url=f"{address}/v1", api_key=Secret.from_token(key), model="any")
    same([embedder.run(text=TEXTS[0])["embedding"]], OWN[:1])


def mcp():
    from mcp import ClientSession
    from mcp.client.streamable_http import create_mcp_http_client, streamable_http_client

    async def ask():
        http = create_mcp_http_client(headers={"Authorization": f"Bearer {key}"})
        async with streamable_http_client(f"{address}/mcp", http_client=http) as (read, write, *_):
            async with ClientSession(read, write) as session:
                await session.initialize()
                names = {tool.name for tool in (await session.list_tools()).tools}
                assert {"search", "similar", "article", "topics", "timeline"} <= names, names
                found = await session.call_tool("search", {"query": "interest rates"})
                assert "Bank cuts rates" in found.content[0].text, found

    asyncio.run(ask())


for client, package in [
    (openai, "openai"),
    (huggingface_hub, "huggingface_hub"),
    (langchain_openai, "langchain-openai"),
    (llama_index, "llama-index-core"),
    (haystack, "haystack-ai"),
    (mcp, "mcp"),
]:
    client()
    print(f"{package} {importlib.metadata.version(package)}: right")
