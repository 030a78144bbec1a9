"""Key pairs, with the fingerprints that Amazon and ssh-keygen have."""

from __future__ import annotations

import base64
import hashlib
import subprocess

import pytest
from cryptography.hazmat.primitives import serialization as s
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

from compute.models import Instance
from ec2api.tests.cloud import signed


def public_line(key) -> bytes:
    return key.public_key().public_bytes(s.Encoding.OpenSSH, s.PublicFormat.OpenSSH)


def test_a_created_rsa_key_has_the_sha1_of_its_private_half(ec2):
    made = ec2.create_key_pair(KeyName="rsa")

    key = s.load_pem_private_key(made["KeyMaterial"].encode(), None)
    der = key.private_bytes(s.Encoding.DER, s.PrivateFormat.PKCS8, s.NoEncryption())
    assert made["KeyMaterial"].startswith("-----BEGIN RSA PRIVATE KEY-----\n")
    assert made["KeyFingerprint"].replace(":", "") == hashlib.sha1(der).hexdigest()
    assert len(made["KeyFingerprint"].split(":")) == 20


def test_a_created_ed25519_key_has_what_ssh_keygen_prints(ec2, tmp_path):
    made = ec2.create_key_pair(KeyName="ed", KeyType="ed25519")
    path = tmp_path / "key"
    path.write_text(made["KeyMaterial"])
    path.chmod(0o600)

    printed = subprocess.run(["ssh-keygen", "-l", "-f", path], capture_output=True, text=True, check=True).stdout

    assert f"SHA256:{made['KeyFingerprint'].rstrip('=')} " in printed
    assert made["KeyFingerprint"].endswith("=")


def test_an_imported_rsa_key_has_the_md5_of_its_public_half(ec2):
    key = rsa.generate_private_key(65537, 2048)
    der = key.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    pem = key.public_key().public_bytes(s.Encoding.PEM, s.PublicFormat.SubjectPublicKeyInfo)
    expected = hashlib.md5(der).hexdigest()

    for name, material in (("line", public_line(key) + b" me@there\n"), ("pem", pem), ("der", der)):
        made = ec2.import_key_pair(KeyName=name, PublicKeyMaterial=material)
        assert made["KeyFingerprint"].replace(":", "") == expected


def test_an_imported_ed25519_key_has_the_sha256_of_its_public_half(ec2):
    line = public_line(ed25519.Ed25519PrivateKey.generate())

    made = ec2.import_key_pair(KeyName="ed", PublicKeyMaterial=line)

    digest = hashlib.sha256(base64.b64decode(line.split()[1])).digest()
    assert made["KeyFingerprint"] == base64.b64encode(digest).decode()


def test_key_pairs_are_described_and_deleted(ec2, launch):
    line = public_line(ed25519.Ed25519PrivateKey.generate())
    tags = [{"ResourceType": "key-pair", "Tags": [{"Key": "a", "Value": "b"}]}]
    made = ec2.import_key_pair(KeyName="mine", PublicKeyMaterial=line, TagSpecifications=tags)
    launch(KeyName="mine")

    (found,) = ec2.describe_key_pairs(KeyNames=["mine"], IncludePublicKey=True)["KeyPairs"]

    assert found["KeyPairId"] == made["KeyPairId"]
    assert found["KeyType"] == "ed25519"
    assert found["PublicKey"] == f"{line.decode()} mine"
    assert found["Tags"] == made["Tags"] == [{"Key": "a", "Value": "b"}]
    assert "PublicKey" not in ec2.describe_key_pairs(KeyPairIds=[made["KeyPairId"]])["KeyPairs"][0]
    assert ec2.delete_key_pair(KeyName="mine")["KeyPairId"] == made["KeyPairId"]
    assert ec2.describe_key_pairs()["KeyPairs"] == []
    assert ec2.describe_tags()["Tags"] == []
    instance = Instance.objects.get()
    assert (instance.key_name, instance.public_key) == ("mine", f"{line.decode()} mine")


def test_deleting_what_is_not_there_is_no_error(account, ec2):
    ec2.delete_key_pair(KeyName="nobody")
    ec2.delete_key_pair(KeyPairId="key-0123456789abcdef0")

    reply = signed(account, {"Action": "DeleteKeyPair", "KeyName": "nobody"})

    assert b"<return>true</return>" in reply.content


def test_key_pairs_that_make_no_sense(ec2, refused):
    line = public_line(ed25519.Ed25519PrivateKey.generate())
    ec2.import_key_pair(KeyName="taken", PublicKeyMaterial=line)

    assert refused(ec2.import_key_pair, KeyName="taken", PublicKeyMaterial=line)[0] == "InvalidKeyPair.Duplicate"
    assert refused(ec2.create_key_pair, KeyName="taken")[0] == "InvalidKeyPair.Duplicate"
    assert refused(ec2.create_key_pair, KeyName="x", KeyFormat="ppk")[0] == "InvalidParameterValue"
    assert refused(ec2.create_key_pair, KeyName="x", KeyType="dsa")[0] == "InvalidParameterValue"
    assert refused(ec2.describe_key_pairs, KeyNames=["nobody"])[0] == "InvalidKeyPair.NotFound"
    assert refused(ec2.describe_key_pairs, KeyPairIds=["key-0123456789abcdef0"])[0] == "InvalidKeyPair.NotFound"


@pytest.mark.parametrize("name", ["", " x", "x\ncommand", "x" * 256, "é"])
def test_a_name_that_could_be_more_than_a_name_is_refused(ec2, refused, name):
    assert refused(ec2.create_key_pair, KeyName=name, KeyType="ed25519")[0] == "InvalidParameterValue"


@pytest.mark.parametrize(
    "material",
    [
        b"",
        b"nonsense",
        b"ssh-rsa AAAA",
        public_line(ec.generate_private_key(ec.SECP256R1())),
        b"x" * 100_000,
        b"ssh-ed25519-cert-v01@openssh.com AAAA",
        b"\xff\x00",
    ],
)
def test_keys_that_are_none_are_refused(ec2, refused, material):
    assert refused(ec2.import_key_pair, KeyName="x", PublicKeyMaterial=material)[0] == "InvalidKey.Format"


def test_keys_are_imported_in_every_format_that_amazon_takes(ec2, tmp_path):
    key = rsa.generate_private_key(65537, 2048)
    (tmp_path / "key.pub").write_bytes(public_line(key) + b" me@there")
    der = key.public_key().public_bytes(s.Encoding.DER, s.PublicFormat.SubjectPublicKeyInfo)
    convert = ["ssh-keygen", "-e", "-f", tmp_path / "key.pub", "-m"]
    rfc4716 = subprocess.run([*convert, "RFC4716"], capture_output=True, check=True).stdout
    pkcs1 = subprocess.run([*convert, "PEM"], capture_output=True, check=True).stdout
    long_comment = rfc4716.replace(b"Comment: ", b"Subject: me\nComment: a comment \\\nover two lines: ")
    materials = {"rfc4716": rfc4716, "long": long_comment, "pkcs1": pkcs1, "base64": base64.encodebytes(der)}

    found = {ec2.import_key_pair(KeyName=n, PublicKeyMaterial=m)["KeyFingerprint"] for n, m in materials.items()}

    assert {fingerprint.replace(":", "") for fingerprint in found} == {hashlib.md5(der).hexdigest()}


def test_what_is_not_one_key_that_a_guest_can_use_is_refused(ec2, refused):
    ed = ed25519.Ed25519PrivateKey.generate()
    raw = ed.public_key().public_bytes(s.Encoding.Raw, s.PublicFormat.Raw)
    parts = [b"sk-ssh-ed25519@openssh.com", raw, b"ssh:"]
    blob = b"".join(len(part).to_bytes(4) + part for part in parts)
    now = 1_800_000_000
    certificate = s.SSHCertificateBuilder().public_key(ed.public_key()).serial(1).type(s.SSHCertificateType.USER)
    certificate = certificate.key_id(b"me").valid_principals([b"me"]).valid_after(now).valid_before(now + 1)
    for name, material in {
        "two": public_line(ed) + b"\n" + public_line(ed),
        "security token": parts[0] + b" " + base64.b64encode(blob),
        "certificate": certificate.sign(ed).public_bytes(),
        "options": b"no-pty " + public_line(ed),
        "rfc4716 of nothing": b"---- BEGIN SSH2 PUBLIC KEY ----\n---- END SSH2 PUBLIC KEY ----",
        "rfc4716 of junk": b"---- BEGIN SSH2 PUBLIC KEY ----\nAAAA\n---- END SSH2 PUBLIC KEY ----",
        "empty": b" ",
        "junk": bytes(range(256)),
    }.items():
        code, _message = refused(ec2.import_key_pair, KeyName="k", PublicKeyMaterial=material)
        assert code == "InvalidKey.Format", name
