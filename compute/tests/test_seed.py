from __future__ import annotations

import io

import pycdlib
import pytest

from compute.seed import meta_data, public_key_line, seed_iso

ED25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIBxyz0123456789abcdefghijklmnopqrstuvwxyzAB"


def read(iso: bytes, name: str) -> bytes:
    disk = pycdlib.PyCdlib()
    disk.open_fp(io.BytesIO(iso))
    assert disk.pvd.volume_identifier.strip() == b"cidata"
    found = io.BytesIO()
    disk.get_file_from_iso_fp(found, joliet_path=f"/{name}")
    again = io.BytesIO()
    disk.get_file_from_iso_fp(again, rr_path=f"/{name}")
    assert found.getvalue() == again.getvalue()
    disk.close()
    return found.getvalue()


@pytest.mark.parametrize("user_data", [b"", b"#!/bin/sh\necho hello\n", bytes(range(256)) * 64])
def test_user_data_is_on_the_disk_byte_for_byte(user_data):
    assert read(seed_iso("i-1", "web-1", [ED25519], user_data), "user-data") == user_data


def test_meta_data_says_who_the_instance_is_and_who_may_log_in():
    text = read(seed_iso("i-0123456789abcdef0", "web-1.internal", [f"{ED25519} me@laptop"], b""), "meta-data")

    assert text.decode() == (
        'instance-id: "i-0123456789abcdef0"\n'
        'local-hostname: "web-1.internal"\n'
        "public-keys:\n"
        f'  - "{ED25519} me@laptop"\n'
    )


def test_an_instance_without_a_key_has_no_keys_in_its_meta_data():
    assert "public-keys" not in meta_data("i-1", "web-1", [])


@pytest.mark.parametrize("hostname", ["", "a b", "a\nruncmd: [x]", 'x"', "-a", "a" * 64, "é"])
def test_what_is_no_host_name_is_refused(hostname):
    with pytest.raises(ValueError, match="host name"):
        meta_data("i-1", hostname, [])


@pytest.mark.parametrize("key", ["", "ssh-rsa", f"{ED25519}\nssh-rsa AAAA", 'ssh-rsa A"B', 'command="x" ssh-rsa AAAA'])
def test_what_is_no_public_key_is_refused(key):
    with pytest.raises(ValueError, match="public key"):
        public_key_line(key)


def test_a_key_keeps_its_comment_without_what_could_be_quoting():
    assert public_key_line(f'{ED25519} 王 "x" \\ me@host\n') == f"{ED25519} x_me@host"
