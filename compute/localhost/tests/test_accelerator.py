from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from compute.localhost.accelerator import accelerator
from compute.localhost.paths import paths_for

PROJECT = Path(__file__).resolve().parents[3]


def memory(data_dir: Path) -> Path:
    return paths_for(data_dir).data_dir / "libvirt" / "accelerator.json"


def test_a_kernel_that_is_none_means_emulation_and_the_answer_is_remembered(tmp_path):
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"this boots nowhere" * 100)

    assert accelerator(tmp_path, kernel) == "tcg"
    assert json.loads(memory(tmp_path).read_text())["accelerator"] == "tcg"


def test_a_remembered_answer_is_not_tried_again_until_circumstances_change(tmp_path):
    kernel = tmp_path / "vmlinuz"
    kernel.write_bytes(b"this boots nowhere" * 100)
    accelerator(tmp_path, kernel)
    remembered = json.loads(memory(tmp_path).read_text())

    memory(tmp_path).write_text(json.dumps({**remembered, "accelerator": "kvm"}))
    assert accelerator(tmp_path, kernel) == "kvm"

    memory(tmp_path).write_text(json.dumps({"key": ["another kernel"], "accelerator": "kvm"}))
    assert accelerator(tmp_path, kernel) == "tcg"


def test_without_a_kernel_to_try_nothing_is_remembered(tmp_path):
    assert accelerator(tmp_path, None) == "tcg"
    assert not memory(tmp_path).exists()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"key": 1}'])
def test_a_damaged_memory_is_as_good_as_none(tmp_path, content):
    memory(tmp_path).parent.mkdir(parents=True)
    memory(tmp_path).write_text(content)

    assert accelerator(tmp_path, None) == "tcg"


def test_the_command_prints_the_answer(tmp_path):
    command = [sys.executable, "-m", "compute.localhost.accelerator"]
    environment = {**os.environ, "DATA_DIR": str(tmp_path)}

    done = subprocess.run(command, cwd=PROJECT, env=environment, capture_output=True, text=True, check=True)

    assert done.stdout in ("kvm\n", "tcg\n")
