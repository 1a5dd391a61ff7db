# SPDX-License-Identifier: Apache-2.0
"""A framework that is too old for its hook is refused with the version that is needed."""
import importlib
import sys

import libckpt
import pytest

OLD = [("keras", "keras", "3.6.0", "keras 3.7"), ("transformers", "transformers", "4.57.6", "transformers 5.3"),
       ("lightning", "pytorch_lightning", "2.4.0", "pytorch_lightning 2.5")]


@pytest.mark.parametrize("hook, framework, version, needed", OLD)
def test_an_older_framework_is_refused_with_the_version_that_is_needed(hook, framework, version, needed, monkeypatch):
    monkeypatch.setenv("KERAS_BACKEND", "torch")
    monkeypatch.setattr(importlib.import_module(framework), "__version__", version)
    for name in [name for name in sys.modules if name == f"libckpt.{hook}" or name.split(".")[0] == "lightning"]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(libckpt.Error, match=f"needs {needed} or newer, and this is {version}"):
        importlib.import_module(f"libckpt.{hook}").Checkpoint()
