from __future__ import annotations

import shutil
import subprocess
import time

import pytest

from compute.drivers.tests.conftest import PROJECT

pytestmark = pytest.mark.host


def test_an_image_that_is_built_is_not_built_again(guest_image):
    begun = time.monotonic()
    again = subprocess.run(
        [PROJECT / "guest-image/build.sh", guest_image.parent], capture_output=True, text=True, check=True
    )

    assert again.stdout.splitlines()[-1] == str(guest_image)
    assert again.stderr == ""
    assert time.monotonic() - begun < 1


def test_a_changed_recipe_makes_a_new_file_and_leaves_the_old_one(guest_image, tmp_path):
    recipe, out = tmp_path / "recipe", tmp_path / "out"
    shutil.copytree(PROJECT / "guest-image", recipe)
    out.mkdir()
    for file in (guest_image.parent / "tiny.stamp", *guest_image.parent.glob(f"{guest_image.stem}.*")):
        shutil.copy2(file, out)
    (recipe / "README.md").write_text("The README is no part of the recipe.\n")
    build = [recipe / "build.sh", out]
    environment = {"PATH": "/usr/bin:/bin", "CACHE_DIR": str(guest_image.parent / "packages")}

    same = subprocess.run(build, env=environment, capture_output=True, text=True, check=True).stdout.split()[-1]
    (recipe / "files/rootfs/etc/issue").write_text("Another guest\n")
    other = subprocess.run(build, env=environment, capture_output=True, text=True, check=True).stdout.split()[-1]

    assert same == str(out / guest_image.name)
    assert other != same
    assert (out / guest_image.name).read_bytes() == guest_image.read_bytes()
    assert subprocess.run(["qemu-img", "check", "-q", other], check=False).returncode == 0


def test_the_image_may_lie_where_the_path_has_spaces(guest_image, tmp_path):
    out = tmp_path / "my data, 100% $HOME"

    built = subprocess.run(
        [PROJECT / "guest-image/build.sh", out],
        env={"PATH": "/usr/bin:/bin", "CACHE_DIR": str(guest_image.parent / "packages")},
        capture_output=True,
        text=True,
        check=False,
    )

    assert built.returncode == 0, built.stderr
    assert built.stdout.strip() == str(out / guest_image.name)
    assert subprocess.run(["qemu-img", "check", "-q", out / guest_image.name], check=False).returncode == 0
    assert not list(out.glob("work.*"))
