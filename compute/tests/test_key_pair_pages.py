"""Key pairs in the portal."""

import pytest
from cryptography.hazmat.primitives.serialization import load_ssh_private_key, load_ssh_public_key
from django.urls import reverse

from compute.command_lines import key_file
from compute.models import KeyPair
from compute.tests.conftest import HTMX

PUBLIC = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl ann@laptop"


def test_the_private_key_is_shown_in_this_one_answer(page, tenant):
    response = page.post(reverse("key-pair-create"), {"name": "mine", "key_type": "ed25519"})
    later = page.get(reverse("key-pairs")).content.decode()

    private = load_ssh_private_key(response.context["private_key"].encode(), None)
    public = load_ssh_public_key(KeyPair.objects.get(tenant=tenant, name="mine").public_key.encode())
    assert private.public_key() == public
    assert response["Cache-Control"] == "no-store"
    assert "PRIVATE KEY" in response.content.decode()
    assert "PRIVATE KEY" not in later


def test_the_launch_page_gets_its_choice_back_with_the_new_key_chosen(page, image, types):
    body = page.post(
        reverse("key-pair-create"), {"name": "on-the-spot", "key_type": "rsa"}, headers=HTMX
    ).content.decode()

    assert 'id="key-choice"' in body
    assert f'<option value="{KeyPair.objects.get().ec2_id}" selected>on-the-spot</option>' in body
    assert "BEGIN RSA PRIVATE KEY" in body
    assert 'data-filename="on-the-spot.pem"' in body


@pytest.mark.parametrize("headers", [{}, HTMX])
def test_a_taken_name_is_refused_beside_its_field(page, image, types, headers):
    page.post(reverse("key-pair-create"), {"name": "mine", "key_type": "ed25519"})

    again = page.post(reverse("key-pair-create"), {"name": "mine", "key_type": "ed25519"}, headers=headers)

    assert "You have a key pair of this name already" in again.content.decode()
    assert KeyPair.objects.count() == 1


def test_a_public_key_is_imported_even_if_a_terminal_broke_its_line(page, tenant):
    broken = PUBLIC[:40] + "\n" + PUBLIC[40:]

    whole = page.post(reverse("key-pair-import"), {"name": "laptop", "public_key": PUBLIC})
    refused = page.post(reverse("key-pair-import"), {"name": "broken", "public_key": broken})

    assert whole.status_code == 302
    assert KeyPair.objects.get(name="laptop").key_type == "ed25519"
    assert refused.status_code == 422


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("hello", "Paste the one line that begins with"),
        ("-----BEGIN OPENSSH PRIVATE KEY-----\nxx", "This is a private key."),
    ],
)
def test_what_is_no_public_key_is_refused_with_the_way_out(page, tenant, text, said):
    response = page.post(reverse("key-pair-import"), {"name": "x", "public_key": text})

    assert said in str(response.context["import_form"].errors["public_key"])
    assert not KeyPair.objects.exists()


def test_a_deleted_key_pair_is_gone_from_the_list(page, tenant):
    page.post(reverse("key-pair-import"), {"name": "laptop", "public_key": PUBLIC})
    key_pair = KeyPair.objects.get()

    page.post(reverse("key-pair-delete", args=[key_pair.ec2_id]))

    assert not KeyPair.objects.exists()


@pytest.mark.parametrize(("name", "file"), [("my key", "my-key.pem"), ("../../x", "x.pem"), ("!!!", "key.pem")])
def test_a_private_key_is_saved_as_a_file_that_can_be_seen(name, file):
    assert key_file(name) == file


def test_without_a_script_a_key_pair_can_be_deleted_too(page, tenant):
    key = KeyPair.objects.create(tenant=tenant, name="k", key_type="rsa", public_key="ssh-rsa AAAA", fingerprint="f")

    body = page.get(reverse("key-pairs")).content.decode()

    assert reverse("key-pair-delete", args=[key.ec2_id]) in body.split("<noscript>")[1]


def test_the_list_counts_living_instances_in_constant_queries(page, tenant, django_assert_max_num_queries):
    for number in range(5):
        KeyPair.objects.create(
            tenant=tenant, name=f"k{number}", key_type="rsa", public_key="ssh-rsa A", fingerprint="f"
        )

    with django_assert_max_num_queries(5):
        page.get(reverse("key-pairs"))
