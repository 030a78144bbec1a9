"""Key pairs: made here or brought along; only the public half is kept."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_ssh_public_key,
)
from django.db import IntegrityError, transaction

from compute.models import KeyPair
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tag, Tenant

KIND = "key-pair"
NAME = re.compile(r"^[!-~](?:[ -~]{0,253}[!-~])?$")
RSA_BITS = range(1024, 16385)
TYPES = ("rsa", "ed25519")


def create_key_pair(tenant: Tenant, name: str, key_type: str, *, actor: Actor) -> tuple[KeyPair, str]:
    """A new key pair, and its private half, which is nowhere else.

    Raises CloudError for a bad or a taken name, or another type than rsa and ed25519.
    """
    if key_type not in TYPES:
        raise CloudError(f"key type '{key_type}' is not known; use rsa or ed25519")
    private: RSAPrivateKey | Ed25519PrivateKey
    if key_type == "rsa":
        private = generate_private_key(public_exponent=65537, key_size=2048)
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        fingerprint = _colons(hashlib.sha1(der, usedforsecurity=False).digest())
        layout = PrivateFormat.TraditionalOpenSSL
    else:
        private = Ed25519PrivateKey.generate()
        fingerprint = _ssh_fingerprint(private.public_key())
        layout = PrivateFormat.OpenSSH
    pem = private.private_bytes(Encoding.PEM, layout, NoEncryption()).decode()
    return _store(tenant, name, key_type, private.public_key(), fingerprint, "create", actor), pem


def import_key_pair(tenant: Tenant, name: str, public_key: str, *, actor: Actor) -> KeyPair:
    """The key pair of a public key, in OpenSSH's or RFC 4716's form.  Raises CloudError for anything else."""
    key = _parsed(public_key)
    if isinstance(key, Ed25519PublicKey):
        return _store(tenant, name, "ed25519", key, _ssh_fingerprint(key), "import", actor)
    der = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    fingerprint = _colons(hashlib.md5(der, usedforsecurity=False).digest())
    return _store(tenant, name, "rsa", key, fingerprint, "import", actor)


@transaction.atomic
def delete_key_pair(key_pair: KeyPair, *, actor: Actor) -> None:
    """Forget a key pair.  Instances that were given its key go on letting it in."""
    audit.record(actor, "delete", KIND, [key_pair.ec2_id], tenant=key_pair.tenant, name=key_pair.name)
    Tag.objects.filter(tenant=key_pair.tenant, resource_id=key_pair.ec2_id).delete()
    key_pair.delete()


def _store(
    tenant: Tenant,
    name: str,
    key_type: str,
    key: RSAPublicKey | Ed25519PublicKey,
    fingerprint: str,
    verb: str,
    actor: Actor,
) -> KeyPair:
    if not NAME.match(name):
        raise CloudError("A key pair's name has 1 to 255 printable ASCII characters and no space at either end")
    line = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    try:
        with transaction.atomic():
            made = KeyPair.objects.create(
                tenant=tenant, name=name, key_type=key_type, public_key=f"{line} {name}", fingerprint=fingerprint
            )
            audit.record(actor, verb, KIND, [made.ec2_id], tenant=tenant, name=name)
    except IntegrityError:
        raise CloudError(
            f"The keypair '{name}' already exists; choose another name or delete that one",
            code="InvalidKeyPair.Duplicate",
        ) from None
    return made


def _parsed(text: str) -> RSAPublicKey | Ed25519PublicKey:
    refused = CloudError(
        "Key is not in valid OpenSSH public key format: paste the line that begins with ssh-rsa or ssh-ed25519,"
        " from the file that ends in .pub",
        code="InvalidKey.Format",
    )
    if "PRIVATE KEY" in text:
        raise CloudError(
            "This is a private key; keep it to yourself and give the public one, from the file that ends in .pub",
            code="InvalidKey.Format",
        )
    try:
        key = load_ssh_public_key(_one_line(text).encode())
    except (ValueError, UnsupportedAlgorithm, binascii.Error):
        raise refused from None
    if isinstance(key, RSAPublicKey) and key.key_size in RSA_BITS:
        return key
    if isinstance(key, Ed25519PublicKey):
        return key
    raise refused


def _one_line(text: str) -> str:
    """OpenSSH's form of a key that may be in RFC 4716's."""
    lines = [line.strip() for line in text.strip().splitlines()]
    if not lines or not lines[0].startswith("---- BEGIN SSH2 PUBLIC KEY"):
        return " ".join(lines)
    body = "".join(line for line in lines if not line.startswith("----") and ":" not in line)
    blob = base64.b64decode(body, validate=True)
    length = int.from_bytes(blob[:4], "big")
    return f"{blob[4 : 4 + length].decode('ascii', 'replace')} {body}"


def _colons(digest: bytes) -> str:
    return digest.hex(":")


def _ssh_fingerprint(key: Ed25519PublicKey) -> str:
    blob = key.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).split()[1]
    return base64.b64encode(hashlib.sha256(base64.b64decode(blob)).digest()).decode()
