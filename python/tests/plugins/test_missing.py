"""Without a plug-in's package: `import nearwise` needs none, and the plug-in names what to install."""

import subprocess
import sys

import pytest

from made_texts import environment

HOSTS = {
    "bertopic": ("bertopic", "bertopic"),
    "langchain": ("langchain_core", "langchain-core"),
    "llama_index": ("llama_index", "llama-index-core"),
    "haystack": ("haystack", "haystack-ai"),
    "sklearn": ("sklearn", "scikit-learn"),
    "mteb": ("mteb", "mteb"),
    "ray": ("ray", "ray[data]"),
    "lance": ("lance", "pylance"),
}

PROGRAM = """
import sys
for name in {hidden}:
    sys.modules[name] = None
import nearwise
loaded = set(sys.modules) & {{m for m in {hidden} if sys.modules[m] is not None}}
assert not loaded, loaded
try:
    import nearwise.{module}
except ImportError as e:
    print(e)
"""


@pytest.mark.parametrize("module", HOSTS)
def test_a_missing_package_is_named(module):
    package, install = HOSTS[module]
    program = PROGRAM.format(module=module, hidden=[package])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment())
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"nearwise.{module} needs the package {install}: pip install {install}"


def test_ray_without_lance_names_it_too():
    pytest.importorskip("ray")
    program = PROGRAM.format(module="ray", hidden=["lance"])
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, env=environment())
    assert done.stdout.strip() == "nearwise.lance needs the package pylance: pip install pylance", done.stderr


def test_nearwise_imports_no_host():
    program = f"import sys, nearwise; print(sorted(set(sys.modules) & set({[p for p, _ in HOSTS.values()]})))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True, env=environment())
    assert done.stdout.strip() == "[]"
