"""Two demo tenants, so that a newcomer can begin, and see that tenants do not see each other."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from shlex import quote

from django.conf import settings

from portal.audit import Actor, Door
from portal.env import kept_secret
from portal.models import AccessKey, Quota, Resource, Role, Tenant, User
from portal.tenants import add_member, create_access_key, create_tenant

SETUP = Actor(user=None, door=Door.COMMAND)
DEMOS = ("demo", "demo2")
OPERATOR = "admin"


def demo_limits(instances: int) -> dict[str, int]:
    return {
        Resource.INSTANCES: instances,
        Resource.VCPUS: 2 * instances,
        Resource.MEMORY_MIB: 2048 * instances,
        Resource.VOLUMES: 5 * instances,
        Resource.VOLUME_GIB: 100 * instances,
        Resource.ADDRESSES: 5,
        Resource.SNAPSHOTS: 10 * instances,
        Resource.IMAGES: 50,
    }


def make_demo() -> Iterator[str]:
    """Tenants, users with kept random passwords, an operator, keys in files to be sourced."""
    for name in DEMOS:
        user = _user(name)
        tenant = Tenant.objects.filter(name=name).first() or create_tenant(
            name, actor=SETUP, limits=demo_limits(settings.DEMO_INSTANCES)
        )
        if settings.DEMO_INSTANCES_ASKED:
            for resource, limit in demo_limits(settings.DEMO_INSTANCES).items():
                Quota.objects.filter(tenant=tenant, resource=resource).update(limit=limit)
        add_member(tenant, user, Role.ADMINISTRATOR, actor=SETUP)
        _write_env(tenant, user, settings.DATA_DIR / f"{name}.env")
        yield f"demo tenant {name}, account {tenant.account_id}"
    _user(OPERATOR, is_operator=True)


def _password_file(name: str) -> Path:
    return Path(settings.DATA_DIR) / "secrets" / f"{name}.password"


def _user(name: str, *, is_operator: bool = False) -> User:
    user = User.objects.filter(username=name).first()
    if user is None:
        user = User.objects.create_user(
            name, password=kept_secret(_password_file(name), 12), is_staff=is_operator, is_superuser=is_operator
        )
    return user


def _write_env(tenant: Tenant, user: User, path: Path) -> None:
    """What a shell sources to become this tenant's user; the key is kept as long as it works."""
    key = AccessKey.objects.filter(tenant=tenant, user=user, is_active=True).first()
    secret = key.secret if key else ""
    if key is None:
        key, secret = create_access_key(tenant, user, actor=SETUP)
    lines = {
        "AWS_ENDPOINT_URL": settings.PUBLIC_URL,
        "AWS_ACCESS_KEY_ID": key.access_key_id,
        "AWS_SECRET_ACCESS_KEY": secret,
        "AWS_DEFAULT_REGION": settings.REGION,
        "AWS_REGION": settings.REGION,  # the SDKs for JavaScript and Go read no other
    }
    made = path.with_suffix(".new")
    made.unlink(missing_ok=True)
    with os.fdopen(os.open(made, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.writelines(f"export {name}={value}\n" for name, value in lines.items())
    made.replace(path)


def welcome() -> str:
    """What `make run` prints once all is up."""
    url, data_dir = settings.PUBLIC_URL, settings.DATA_DIR
    lines = [f"Yushan is up: {url}/"]
    if settings.DEMO:
        lines += [
            f"  portal        user demo   password {_password_file('demo').read_text().strip()}",
            f"  admin site    user {OPERATOR}  password {_password_file(OPERATOR).read_text().strip()}   {url}/admin/",
            f"  EC2 clients   . {quote(f'{data_dir}/demo.env')} && aws ec2 describe-instances",
            "                (any AWS SDK; the file sets AWS_ENDPOINT_URL and an access key of tenant demo)",
        ]
    elif not User.objects.filter(is_superuser=True).exists():
        lines += [f"  no user yet   DATA_DIR={quote(str(data_dir))} .venv/bin/python manage.py createsuperuser"]
    return "\n".join(lines) + "\n"
