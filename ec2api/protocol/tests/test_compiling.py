"""Writers are compiled once, also when many threads need them at once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from ec2api.protocol import response
from ec2api.protocol.response import render
from ec2api.protocol.tests.shapes import full, known


@pytest.fixture
def _nothing_compiled(monkeypatch):
    monkeypatch.setattr(response, "_compiled", {})
    monkeypatch.setattr(response, "_namespaces", {})


@pytest.mark.usefixtures("_nothing_compiled")
def test_threads_that_first_need_the_same_writer_all_get_a_whole_one():
    names = ["RunInstances", "DescribeInstances", "DescribeLaunchTemplateVersions", "RequestSpotInstances"] * 4
    calls = [(op, full(op.output)) for op in map(known, names) if op.output]

    with ThreadPoolExecutor(16) as pool:
        documents = list(pool.map(lambda call: render(call[0], call[1], "req-1", ""), calls))

    assert len(set(documents)) == 4
