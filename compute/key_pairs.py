"""Key pairs: made or imported, with EC2's fingerprints; the private half is handed out once and never kept."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, RSAPublicKey, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_public_key,
    load_ssh_public_key,
)
from django.db import IntegrityError, transaction
from django.utils.translation import gettext as _

from compute.models import KeyPair
from portal import audit
from portal.audit import Actor
from portal.errors import CloudError
from portal.models import Tag, Tenant
from portal.tags import add_tags, check_tags

KIND = "key-pair"
KEY_TYPES = ("rsa", "ed25519")
RSA_BITS = 2048
MAX_NAME = 255
MAX_MATERIAL = 16 * 1024
PrivateKey = RSAPrivateKey | Ed25519PrivateKey
PublicKey = RSAPublicKey | Ed25519PublicKey


def create_key_pair(
    tenant: Tenant, name: str, key_type: str = "rsa", *, actor: Actor, tags: Mapping[str, str] | None = None
) -> tuple[KeyPair, str]:
    """A new key pair and its private key, as ssh reads it."""
    if key_type not in KEY_TYPES:
        raise CloudError(f"Invalid value '{key_type[:40]}' for keyType: use rsa or ed25519")
    _check_new(tenant, name)
    private: PrivateKey
    if key_type == "rsa":
        private = generate_private_key(public_exponent=65537, key_size=RSA_BITS)
        text = private.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
        der = private.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())
        fingerprint = _colons(hashlib.sha1(der, usedforsecurity=False).digest())
    else:
        private = Ed25519PrivateKey.generate()
        text = private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption())
        fingerprint = _fingerprint(private.public_key())
    key_pair = _save(tenant, name, private.public_key(), fingerprint, "create", actor, tags or {})
    return key_pair, text.decode()


def import_key_pair(
    tenant: Tenant, name: str, material: bytes, *, actor: Actor, tags: Mapping[str, str] | None = None
) -> KeyPair:
    """A key pair of which the tenant has the private half: a public key as OpenSSH, PEM or DER has it."""
    _check_new(tenant, name)
    public = read_public_key(material)
    return _save(tenant, name, public, _fingerprint(public), "import", actor, tags or {})


@transaction.atomic
def delete_key_pairs(key_pairs: Sequence[KeyPair], *, actor: Actor) -> None:
    """Instances that were launched with them keep them."""
    ids = [key_pair.ec2_id for key_pair in key_pairs]
    if key_pairs:
        audit.record(actor, "delete", KIND, ids, tenant=key_pairs[0].tenant, names=[k.name for k in key_pairs])
        Tag.objects.filter(resource_id__in=ids).delete()
        KeyPair.objects.filter(pk__in=[key_pair.pk for key_pair in key_pairs]).delete()


def read_public_key(material: bytes) -> PublicKey:
    """From OpenSSH's format, RFC 4716, PEM, or DER (also in base64).

    Raises CloudError for anything but one RSA or ED25519 public key.
    """
    text = material.strip()
    for load in (_load_openssh, _load_rfc4716, load_pem_public_key, load_der_public_key, _load_base64_der):
        try:
            key = load(text if len(text) <= MAX_MATERIAL else b"")
        except (ValueError, UnsupportedAlgorithm):
            continue
        if isinstance(key, Ed25519PublicKey) or (isinstance(key, RSAPublicKey) and 1024 <= key.key_size <= 4096):
            return key
        raise _wrong_kind()
    raise CloudError(_("Key is not in valid OpenSSH public key format"), code="InvalidKey.Format")


def _wrong_kind() -> CloudError:
    return CloudError(_("Key must be RSA of 1024 to 4096 bits, or ED25519"), code="InvalidKey.Format")


def _load_openssh(text: bytes) -> object:
    """One line.  The library would also take certificates and keys of security tokens for what they contain."""
    line, *more = text.splitlines() or [b""]
    if more:
        raise ValueError("more than one line")
    key = load_ssh_public_key(line)
    if line.split()[0] not in (b"ssh-rsa", b"ssh-ed25519"):
        raise _wrong_kind()
    return key


def _load_rfc4716(text: bytes) -> object:
    """What ssh-keygen -e and PuTTY write: headers, some of them over several lines, then base64."""
    first, *lines, last = text.splitlines() or [b""]
    if first.strip() != b"---- BEGIN SSH2 PUBLIC KEY ----" or last.strip() != b"---- END SSH2 PUBLIC KEY ----":
        raise ValueError("not RFC 4716")
    body, in_header = b"", False
    for line in lines:
        if in_header or b":" in line:
            in_header = line.endswith(b"\\")
        else:
            body += line.strip()
    blob = base64.b64decode(body, validate=True)
    algorithm = blob[4 : 4 + int.from_bytes(blob[:4])]
    return _load_openssh(algorithm + b" " + body)


def _load_base64_der(text: bytes) -> object:
    return load_der_public_key(base64.b64decode(b"".join(text.split()), validate=True))


def _check_new(tenant: Tenant, name: str) -> None:
    if not 1 <= len(name) <= MAX_NAME or not name.isascii() or not name.isprintable() or name != name.strip():
        text = _(
            "Invalid key pair name '%(name)s': it takes 1 to %(most)s printable ASCII characters, no space at its ends"
        )
        raise CloudError(text % {"name": name[:40], "most": MAX_NAME})
    if KeyPair.objects.filter(tenant=tenant, name=name).exists():
        raise _duplicate(name)


def _duplicate(name: str) -> CloudError:
    text = _("The keypair '%(name)s' already exists; choose another name")
    return CloudError(text % {"name": name}, code="InvalidKeyPair.Duplicate")


def _save(
    tenant: Tenant, name: str, public: PublicKey, fingerprint: str, verb: str, actor: Actor, tags: Mapping[str, str]
) -> KeyPair:
    check_tags(tags)
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    try:
        with transaction.atomic():
            key_pair = KeyPair.objects.create(
                tenant=tenant,
                name=name,
                key_type="rsa" if isinstance(public, RSAPublicKey) else "ed25519",
                public_key=f"{line} {name}",
                fingerprint=fingerprint,
            )
            if tags:
                add_tags(tenant, KIND, [key_pair.ec2_id], tags)
            audit.record(actor, verb, KIND, [key_pair.ec2_id], tenant=tenant, name=name)
    except IntegrityError:  # somebody made one of this name meanwhile
        raise _duplicate(name) from None
    return key_pair


def _fingerprint(public: PublicKey) -> str:
    """As EC2 has it of imported keys: MD5 of RSA's DER; of ED25519 what ssh-keygen prints, padded."""
    if isinstance(public, RSAPublicKey):
        der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
        return _colons(hashlib.md5(der, usedforsecurity=False).digest())
    line = public.public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH)
    return base64.b64encode(hashlib.sha256(base64.b64decode(line.split()[1])).digest()).decode()


def _colons(digest: bytes) -> str:
    return digest.hex(":")
