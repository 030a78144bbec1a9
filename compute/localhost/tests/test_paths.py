from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from compute.localhost.paths import UnsafePath, paths_for


@pytest.fixture
def paths(tmp_path):
    paths = paths_for(tmp_path / ("long-" * 30))
    yield paths
    if paths.short.is_dir() and not paths.short.is_symlink():
        shutil.rmtree(paths.short)
    else:
        paths.short.unlink(missing_ok=True)


def test_sockets_fit_however_long_the_data_dir_is(paths):
    monitor = paths.short / "etc/libvirt/qemu/lib/domain-99999-i-0123456789abcdef0/monitor.sock"

    assert len(os.fsencode(paths.socket)) < 108
    assert len(os.fsencode(monitor)) < 108


def test_two_data_dirs_share_nothing(tmp_path):
    assert paths_for(tmp_path / "a").short != paths_for(tmp_path / "b").short
    assert paths_for(tmp_path / "a").uri != paths_for(tmp_path / "b").uri


def test_the_same_data_dir_by_another_name_is_the_same(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")

    assert paths_for(tmp_path / "link") == paths_for(tmp_path / "real")


def test_a_file_of_the_datastore_is_the_same_file_by_its_short_path(paths):
    paths.prepare()
    (paths.datastore / "x").write_text("here")

    inside = paths.inside(paths.datastore / "x")

    assert inside.startswith(str(paths.short))
    assert Path(inside).read_text() == "here"
    assert paths.inside(inside) == inside
    assert paths.inside("datastore/x") == inside


def test_what_libvirt_may_not_see_has_no_short_path(paths):
    with pytest.raises(ValueError, match="secrets"):
        paths.inside(paths.data_dir / "secrets")


def test_preparing_again_mends_what_is_missing(paths):
    paths.prepare()
    (paths.short / "run").unlink()
    (paths.short / "etc").unlink()
    (paths.short / "etc").symlink_to("/nowhere")

    paths.prepare()

    assert (paths.short / "run").resolve() == paths.piece("run")
    assert (paths.short / "etc").resolve() == paths.piece("etc")


def test_a_link_in_the_place_of_the_short_directory_is_refused(paths, tmp_path):
    paths.short.symlink_to(tmp_path)

    with pytest.raises(UnsafePath, match=str(paths.short)):
        paths.prepare()


def test_a_directory_that_others_may_write_to_is_refused(paths):
    paths.short.mkdir()
    paths.short.chmod(0o777)

    with pytest.raises(UnsafePath, match=str(paths.short)):
        paths.prepare()


def test_what_is_given_is_for_qemu_alone(paths):
    paths.prepare()
    file = paths.datastore / "x"
    file.touch()

    paths.give(file)
    assert (file.stat().st_uid, file.stat().st_mode & 0o777) == (paths.uid, 0o600)

    paths.give(file, writable=False)
    assert file.stat().st_uid == os.geteuid()
    assert file.stat().st_mode & 0o007 == 0
